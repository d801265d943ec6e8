"""Load that is driven on purpose, and what servers were measured to carry."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one server serves: an IPv4 or IPv6 address, and a TCP port."""

    address: str
    port: int = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOrder:
    """So many kept connections to each of the targets, each asking for ``path`` again as soon as it is answered."""

    targets: tuple[Target, ...]
    path: str
    connections: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What all targets of an order answered together. ``connections`` are those of the order, to each target.

    ``responses`` are answers per second without errors; ``errors`` are counted: broken connections, time-outs and
    answers of status 400 and above. ``mbits`` counts heads and bodies.
    """

    connections: int
    responses: float
    mbits: float
    errors: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What ``servers`` servers of a unit on one hypervisor carry together, at the knee.

    ``responses`` and ``mbits`` are per second and of all of them; ``connections`` to each. ``derating`` is what one
    of them carries as a part of what a single one carried alone.
    """

    event: str
    pool: str
    unit: str
    hypervisor: str
    servers: int
    connections: int
    responses: float
    mbits: float
    p50_ms: float
    p99_ms: float
    derating: float
    path: str
    why: str
    at: dt.datetime

    @property
    def each(self) -> float:
        """Responses per second of one server among its neighbours."""
        return self.responses / self.servers
