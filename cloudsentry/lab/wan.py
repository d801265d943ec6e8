"""The WAN between the lab's sites: its settings, and the relay that carries it (inside/wan.c, compiled where it
runs).
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cloudsentry.errors import UserError
from cloudsentry.lab import processes, programs, waiting
from cloudsentry.lab.inside import link, wires
from cloudsentry.lab.layout import Layout

DEVICE = "wan0"
# What the relay keeps of a delay in microseconds and of a rate in kbit/s fits a C long long; people need far less.
MOST = {"rtt_ms": 60_000.0, "rate_mbit": 100_000.0, "loss_percent": 100.0, "mtu": 65_535.0}
MTU_LEAST = 68
"""Bytes: what every link of IPv4 must carry (RFC 791)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Round trip in ms, rate of each direction in Mbit/s (0: no limit), loss of each direction in percent of the
    packets, bytes of the largest IP packet that passes (0: no limit). Larger ones vanish, and nobody is told.
    """

    rtt_ms: float
    rate_mbit: float
    loss_percent: float
    mtu: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What has crossed in one direction since the relay began; `lost` by chance, `dropped` by a full queue or as
    too large.
    """

    packets: int
    bytes: int
    lost: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wan:
    """The WAN as it is. `segments` are the VLANs ("physnet1.110") that are one layer 2 over both sites."""

    settings: Settings
    running: bool
    segments: tuple[str, ...]
    traffic: tuple[Traffic, ...]


def show(lab: Layout) -> Wan:
    """The WAN now. Traffic is empty while it does not run, else from the first site to the second, and back."""
    wires.enter(str(lab.root))
    state = link.state()
    running = relay(lab) is not None
    return Wan(
        settings=Settings(
            **{name: float(state[name]) for name in link.DEFAULTS if name != "mtu"}, mtu=round(state["mtu"])
        ),
        running=running,
        segments=tuple(name for name, ends in sorted(state["segments"].items()) if len(ends) == len(link.SITES)),
        traffic=_traffic(lab) if running else (),
    )


def change(
    lab: Layout,
    *,
    rtt_ms: float | None,
    rate_mbit: float | None,
    loss_percent: float | None,
    mtu: int | None = None,
) -> Wan:
    """The given settings hold within a fifth of a second, running or not. UserError where a number makes no sense."""
    wished = {"rtt_ms": rtt_ms, "rate_mbit": rate_mbit, "loss_percent": loss_percent, "mtu": mtu}
    wanted = {name: value for name, value in wished.items() if value is not None}
    for name, value in wanted.items():
        if not 0 <= value <= MOST[name]:
            raise UserError(f"{name} is {value:g}; expected 0 to {MOST[name]:g}")
    if mtu and mtu < MTU_LEAST:
        raise UserError(f"mtu is {mtu}; expected {MTU_LEAST} or more, or 0 for no limit")
    wires.enter(str(lab.root))
    link.change(wanted)
    return show(lab)


def relay(lab: Layout) -> processes.Process | None:
    """The living relay."""
    return processes.known(_pid(lab), str(programs.path(lab, programs.WAN)))


def start(lab: Layout) -> None:
    """The relay runs and its device is at both sites. The sites' namespaces must exist."""
    if relay(lab) is not None:
        return
    program = programs.compiled(lab, programs.WAN)
    # Bridges of an earlier run are gone; the segments come back with their networks.
    link.change({"segments": {}})
    counters = Path(link.path("wan.conf.counters"))
    counters.unlink(missing_ok=True)
    with (lab.root / "log" / "wan.log").open("ab") as log:
        started = subprocess.Popen(
            [str(program), link.path("wan.conf")],
            env=processes.environment(lab.root),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    if found := processes.look(started.pid):
        processes.remember(_pid(lab), found)
    waiting.until(counters.exists, "the WAN's relay", deadline_s=10)


def stop(lab: Layout) -> None:
    """No relay runs."""
    if found := relay(lab):
        processes.end([found], grace_s=2)
    _pid(lab).unlink(missing_ok=True)


def _pid(lab: Layout) -> Path:
    return lab.run / "wan.pid"


def _traffic(lab: Layout) -> tuple[Traffic, ...]:
    with suppress(OSError, ValueError):
        rows = [line.split() for line in (lab.run / "wan.conf.counters").read_text(encoding="ascii").splitlines()]
        return tuple(
            Traffic(packets=int(packets), bytes=int(size), lost=int(lost), dropped=int(dropped))
            for packets, size, lost, dropped in rows
        )
    return ()
