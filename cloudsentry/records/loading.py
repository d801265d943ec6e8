"""Load that is driven on purpose, and what servers were measured to carry."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal


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
    busy: float | None = None
    """Part of the CPU that it can use which the load's own driver used; None where it does not tell."""
    pressure: float | None = None
    """Part of the time in which something at the load's place waited for a core; None where it does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How a server stood to its own limit of CPU in a span of time, from the counters of its control group.

    ``throttled`` is the part of the limit's periods in which it was used up, ``used`` what the server used as a part
    of what it may have.
    """

    throttled: float
    used: float


Limit = Literal["server", "computed", "machine"]
"""What a measured capacity is bounded by.

``server``: by the servers themselves. ``computed``: the machine had no more to give, so it is what they answered
divided by the part of their CPU that this took them. ``machine``: that was not to be known; they may carry more.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What ``servers`` servers of a unit on one hypervisor carry together, at the knee.

    ``responses``, ``mbits`` and ``packets`` are per second and of all of them; ``connections`` to each. ``derating``
    is what one of them carries as a part of what a single one carried alone. ``size`` is an answer's bytes.
    ``responses`` is the median of rounds that were from ``low`` to ``high``; None where there was one round.
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
    cloud: str = ""
    flavor: str = ""
    image: str = ""
    size: int = 0
    packets: float = 0.0
    limit: Limit = "server"
    low: float | None = None
    high: float | None = None

    @property
    def spread(self) -> float | None:
        """How far the rounds were off their median, as a part of it; None where that is not known."""
        if self.low is None or self.high is None or self.responses <= 0:
            return None
        return max(self.responses - self.low, self.high - self.responses) / self.responses

    @property
    def each(self) -> float:
        """Responses per second of one server among its neighbours."""
        return self.responses / self.servers
