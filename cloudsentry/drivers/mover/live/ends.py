"""What the mover `live` needs of its cloud. Nothing here decides; every method is one call or one list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cloudsentry.records.moving import Findings, MoveOrder

RUNNING = ("accepted", "queued", "preparing", "running", "post-migrating")
"""Nova's states of a migration that has not ended."""

FAILED = ("error", "failed", "cancelled")
"""Its states of one that has brought nothing: the server is where it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A server as it is now. ``unit`` is what its mark says."""

    status: str
    hypervisor: str
    unit: str
    task: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """Nova's record of one live migration; sizes in bytes, 0 where the hypervisor does not tell."""

    id: int
    status: str
    dest: str
    memory_total: int = 0
    memory_left: int = 0


class Ends(Protocol):
    """The one cloud. Every method raises `DriverError`."""

    def check(self, order: MoveOrder) -> Findings:
        """Every reason against the move; writes nothing."""

    def guest(self, order: MoveOrder) -> Guest | None:
        """The server, or None where it is gone."""

    def migrations(self, order: MoveOrder) -> tuple[Migration, ...]:
        """All live migrations that the server ever had, the newest first."""

    def progress(self, order: MoveOrder, migration: Migration) -> Migration:
        """The same, with how much of its memory is left, while it runs."""

    def migrate(self, order: MoveOrder, hypervisor: str) -> None:
        """Ask Nova for it."""

    def abort(self, order: MoveOrder, migration: int) -> None:
        """Ask Nova to give it up; one that has ended is given up."""

    def force(self, order: MoveOrder, migration: int) -> None:
        """Ask Nova to bring it to its end now, at the price of a longer gap."""

    def mark(self, order: MoveOrder, unit: str) -> None:
        """The server's mark names that unit."""
