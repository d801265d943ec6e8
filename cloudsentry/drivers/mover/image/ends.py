"""What the mover `image` needs of its two clouds. Nothing here decides; every method is one call or one list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cloudsentry.records.moving import Findings, MoveOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A server as it is now. ``off``: proved to be shut down, with nothing being done to it."""

    id: str
    status: str
    task: str = ""
    off: bool = False
    address: str = ""
    fault: str = ""
    hypervisor: str = ""

    @property
    def idle(self) -> bool:
        """Nothing is being done to it."""
        return not self.task


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """An image that a move has made. ``hash`` is ``algorithm:digits``, empty until all bytes are there."""

    id: str
    status: str
    size: int = 0
    hash: str = ""


class Ends(Protocol):
    """The source and the target. Every method raises `DriverError`; deleting what is gone is done."""

    def check(self, order: MoveOrder) -> Findings:
        """Every reason against the move; writes nothing."""

    def old(self, order: MoveOrder) -> Standing | None:
        """The server that moves, or None where it is gone."""

    def stop(self, order: MoveOrder) -> None:
        """Ask it to shut down."""

    def start(self, order: MoveOrder) -> None:
        """Ask it to start."""

    def remove(self, order: MoveOrder) -> None:
        """Delete it, by its exact id."""

    def snapshots(self, order: MoveOrder) -> tuple[Copy, ...]:
        """This move's images at the source."""

    def snapshot(self, order: MoveOrder) -> None:
        """Make an image of the server, named by the move's tag."""

    def copies(self, order: MoveOrder) -> tuple[Copy, ...]:
        """This move's images at the target."""

    def make_copy(self, order: MoveOrder, like: str) -> None:
        """An image without bytes at the target, otherwise like that one of the source."""

    def fill(self, order: MoveOrder, source: Copy, target: str) -> int:
        """Stream the bytes; returns how many crossed the path, those sent twice counted twice.

        Over a conversion host, where the target has one: only those that it has not.
        """

    def stage(self, order: MoveOrder, source: Copy) -> int:
        """Bring what an image of the source has to the target's conversion host; returns how many bytes crossed.

        A stage that was cut goes on where it was; a later image's costs only the blocks that the earlier had not.
        """

    def unstage(self, order: MoveOrder) -> None:
        """The target's conversion host, where it has one, keeps nothing of the move."""

    def drop(self, image: str, *, at_target: bool) -> None:
        """Delete an image, by its exact id."""

    def lacking_ports(self, order: MoveOrder) -> int:
        """How many of the server's ports have no counterpart at the target yet."""

    def make_port(self, order: MoveOrder) -> None:
        """The next counterpart: with the same address and MAC where its network is joined and they are free.

        Nobody is bound to it, and it is down, until `boot`.
        """

    def hypervisors(self) -> tuple[str, ...]:
        """Those of the target that take servers; none where the account may not see them."""

    def keep_ports(self, order: MoveOrder, server: str) -> None:
        """Note at the counterparts whose they are, so that they go with that server one day."""

    def drop_ports(self, order: MoveOrder) -> int:
        """Delete the counterparts; returns how many there were."""

    def new(self, order: MoveOrder) -> Standing | None:
        """The server at the target, or None where there is none."""

    def boot(self, order: MoveOrder, image: str) -> None:
        """Make it, from that image, on the counterparts of the ports, with the order's mark."""

    def remove_new(self, server: str) -> None:
        """Delete it, by its exact id."""
