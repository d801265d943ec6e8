"""Which mover, how long, and why. Pure; every constant says where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from cloudsentry.records.moving import Findings, Move, MovePlan

MIB = 1024 * 1024
RATE_UNKNOWN = 40 * MIB
"""Bytes per second through the controller while no copy between the two clouds was measured: half of a 1 Gbit/s path
with 40 ms between the sites, as the source's backbone had."""
BOOT_UNKNOWN = 60.0
"""Seconds for a server to come up while no run of the event tells better."""
STOP_AND_START = 20.0
"""Seconds for stopping a server and for its snapshot's bookkeeping."""


def choose(wanted: str | None, *, pool: bool, behind_balancer: bool) -> tuple[str, str]:
    """(mover, why): a pool's servers are alike and are replaced; a single server has a disk of its own and keeps it."""
    if wanted:
        return wanted, "asked for"
    if pool:
        return "replace", "servers of a pool are alike: new ones serve before the old ones go" + (
            "" if behind_balancer else " (no balancer: clients must find the new addresses themselves)"
        )
    return "image", "one server keeps its disk: stopped, copied, started at the target"


def rate(moves: Iterable[Move], source: str, target: str) -> float:
    """Bytes per second of earlier copies this way, the median; `RATE_UNKNOWN` where there are none."""
    seen = [
        move.memo["copied"] / move.memo["copy_seconds"]
        for move in moves
        if (move.source, move.target) == (source, target)
        and move.memo.get("copied", 0) >= MIB
        and move.memo.get("copy_seconds", 0) > 0
    ]
    return float(median(seen)) if seen else RATE_UNKNOWN


def seconds(mover: str, *, copy_bytes: int, per_second: float, boots: Sequence[float], drain: float) -> float:
    """How long a move takes, from its first write to its last.

    ``boots`` are seconds that earlier runs took to bring servers up. `image`: the client of a server that stands
    alone waits for all of it but the release.
    """
    boot = float(median(boots)) if boots else BOOT_UNKNOWN
    if mover == "replace":
        return boot + drain
    return drain + STOP_AND_START + copy_bytes / per_second + boot


def row(
    server: str, clouds: tuple[str, str], choice: tuple[str, str], found: Findings, took: float, refusals: Sequence[str]
) -> MovePlan:
    """A line of `migrate plan`."""
    return MovePlan(
        server=server,
        source=clouds[0],
        target=clouds[1],
        mover=choice[0],
        why=choice[1],
        copy_mb=round(found.copy_bytes / MIB, 1),
        seconds=round(took, 1),
        refusals=tuple(dict.fromkeys(refusals)),
    )
