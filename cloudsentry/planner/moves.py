"""Which mover, how long, and why. Pure; every constant says where it comes from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from statistics import median

from cloudsentry.records.moving import Findings, Move, MovePlan
from cloudsentry.records.scaling import Demand

MIB = 1024 * 1024
RATE_UNKNOWN = 40 * MIB
"""Bytes per second through the controller while no copy between the two clouds was measured: half of a 1 Gbit/s path
with 40 ms between the sites, as the source's backbone had."""
BOOT_UNKNOWN = 60.0
"""Seconds for a server to come up while no run of the event tells better."""
LIVE_RATE = 500e6 / 8
"""Bytes of memory per second of a live migration: the cap of 500 Mbit/s that the source's hypervisors had."""
LIVE_BOOKKEEPING = 10.0
"""Seconds that Nova takes around a live migration."""
LOCAL_RATE = 60 * MIB
"""Bytes per second of a disk beside its Glance, through snapshot, comparison, the put into the other Glance and boot
together: of the order that the lab showed (`benchmarks/moves/warm.py`)."""
CHANGED = 0.02
"""The share of a disk that is taken to change between the last round of `warm` and its stop."""
GAIN = 2.0
"""How many times shorter a gap must be for the snapshots of a running server to be worth their cost."""
STOP_AND_START = 20.0
"""Seconds for stopping a server and for its snapshot's bookkeeping."""


def choose(
    wanted: str | None, *, pool: bool, behind_balancer: bool, within: bool = False, driver: str = ""
) -> tuple[str, str]:
    """(mover, why): a pool's servers are alike and are replaced; a single server has a disk of its own and keeps it.

    ``within`` one cloud, from hypervisor to hypervisor, nothing needs to stop. ``driver`` is the pool's.
    """
    if wanted:
        return wanted, "asked for"
    if driver == "libvirt":
        return "libvirt", "hypervisors that share no control plane: it moves while it runs, peer to peer"
    if within:
        return "live", "within one cloud a server moves while it runs"
    if pool:
        return "replace", "servers of a pool are alike: new ones serve before the old ones go" + (
            "" if behind_balancer else " (no balancer: clients must find the new addresses themselves)"
        )
    # What its check finds may make it warm: `warmer`.
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


def seconds(
    mover: str, *, copy_bytes: int, per_second: float, boots: Sequence[float], drain: float, memory_mb: int = 0
) -> float:
    """How long a move takes, from its first write to its last.

    ``boots`` are seconds that earlier runs took to bring servers up. `image`: the client of a server that stands
    alone waits for all of it but the release.
    """
    if mover == "live":
        return memory_mb * MIB / LIVE_RATE + LIVE_BOOKKEEPING
    boot = float(median(boots)) if boots else BOOT_UNKNOWN
    if mover == "replace":
        return boot + drain
    whole = copy_bytes / per_second if mover == "warm" else 0.0
    return drain + whole + gap(mover, copy_bytes=copy_bytes, per_second=per_second, boots=boots)


def gap(mover: str, *, copy_bytes: int, per_second: float, boots: Sequence[float]) -> float:
    """Seconds in which nobody answers at the address of a server that stands alone; 0 where something always does."""
    if mover not in ("image", "warm"):
        return 0.0
    boot = float(median(boots)) if boots else BOOT_UNKNOWN
    if mover == "image":
        return STOP_AND_START + copy_bytes / per_second + boot
    return STOP_AND_START + copy_bytes / LOCAL_RATE + CHANGED * copy_bytes / per_second + boot


def warmer(found: Findings, per_second: float, boots: Sequence[float]) -> str:
    """Why `warm` rather than `image`; empty where its gap would not be `GAIN` times shorter, or it cannot be."""
    cold, warm = (
        gap(mover, copy_bytes=found.copy_bytes, per_second=per_second, boots=boots) for mover in ("image", "warm")
    )
    if not found.hosted or warm * GAIN > cold:
        return ""
    return f"one server keeps its disk: copied while it runs, for a gap of {warm:.0f} s, not {cold:.0f} s by image"


def opens(demands: Iterable[Demand], now: dt.datetime, needed: float) -> dt.datetime:
    """When a move of ``needed`` seconds may begin so that it is over before a crowd gathers: ``now``, or later.

    A match is from the beginning of its ramp to the end of it after its length.
    """
    at = now
    for start, end in sorted(_spans(demands)):
        if at + dt.timedelta(seconds=needed) > start and at < end:
            at = end
    return at


def _spans(demands: Iterable[Demand]) -> Iterable[tuple[dt.datetime, dt.datetime]]:
    for one in demands:
        ramp = dt.timedelta(seconds=one.ramp)
        yield one.start - ramp, one.start + dt.timedelta(seconds=one.length) + ramp


def row(
    server: str,
    clouds: tuple[str, str],
    choice: tuple[str, str],
    found: Findings,
    took: tuple[float, float],
    refusals: Sequence[str],
) -> MovePlan:
    """A line of `migrate plan`. ``took`` are the seconds of the move, and of its gap."""
    return MovePlan(
        server=server,
        source=clouds[0],
        target=clouds[1],
        mover=choice[0],
        why="; ".join(part for part in (choice[1], found.why) if part),
        copy_mb=round(found.copy_bytes / MIB, 1),
        seconds=round(found.seconds or took[0], 1),
        gap=round(took[1], 1),
        refusals=tuple(dict.fromkeys(refusals)),
    )
