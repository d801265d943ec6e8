"""What a picture shows, row by row; times are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass

from cloudsentry.records.reports import CircuitLine, SteerLine, StretchLine


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitNow:
    """The servers of a pool at one place. ``other`` are neither active nor gone: building, in ERROR, shut off.

    ``answers`` is the load that the active ones answer, None where the pool is not scaled.
    """

    cloud: str
    unit: str
    hypervisors: str
    wanted: int
    active: int
    other: int
    misplaced: int
    answers: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNow:
    """The event's servers on one hypervisor, whatever their pools; ``answers`` as of a unit."""

    cloud: str
    hypervisor: str
    pools: str
    active: int
    other: int
    misplaced: int
    answers: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWish:
    """A scaled pool against its crowd, as the journal has it; loads are in ``unit``.

    ``crowd`` is expected by the timetable now, ``soon`` the most of the next hour, ``measured`` what the newest
    decision of the last `picture.painter.FRESH` seconds was made from. ``needed`` servers answer the match that is on
    or comes next.
    """

    pool: str
    unit: str
    policy: str
    least: int
    most: int
    wanted: int
    crowd: float | None
    soon: float | None
    measured: float | None
    needed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareNow:
    """A unit behind a balancer. ``weight`` is of one server, as text where they differ; ``share`` in percent."""

    balancer: str
    unit: str
    members: int
    online: int | None
    weight: str
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNow:
    """One server."""

    id: str
    name: str
    cloud: str
    unit: str
    status: str
    hypervisor: str
    placed: bool
    address: str
    weight: int | None
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Servers wanted and active, and requests per second expected, measured and answerable.

    None where no pool is scaled, or nothing was measured.
    """

    at: float
    wanted: int
    active: int
    crowd: float | None
    capacity: float | None
    measured: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look at an event's clouds found, ``at`` seconds since 1970."""

    at: float
    state: str
    units: tuple[UnitNow, ...]
    shares: tuple[ShareNow, ...]
    servers: tuple[ServerNow, ...]
    drift: tuple[tuple[str, str, str, str], ...]
    """(kind, cloud, unit, what)."""
    capacity: float | None
    """What the active servers of the weakest scaled pool answer: every scaled pool has the whole crowd."""
    hosts: tuple[HostNow, ...] = ()
    stretches: tuple[StretchLine, ...] = ()
    steers: tuple[SteerLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionNow:
    """One decision and its reasons; ``demand`` is the load it was made from."""

    id: int
    at: float
    pool: str
    current: int
    wanted: int
    rule: str
    source: str
    state: str
    times: int
    demand: float | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveNow:
    """A move in flight."""

    id: int
    server: str
    source: str
    target: str
    mover: str
    phase: str
    state: str
    started: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNow:
    """The newest run; ``steps`` counts those that ended well, went wrong, and all. ``outcome`` is "" while it works."""

    id: int
    goal: str
    outcome: str
    started: float
    seconds: float | None
    done: int
    failed: int
    steps: int
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchNow:
    """The match that is on, or the next one: servers ``needed`` for it in scaled pools, and ``wanted`` there now.

    Its phases: servers are to be there from ``ready_by`` on, the crowd ``begins`` to come, is whole from ``start``
    on, storms the site from ``finale`` on (where there is one), leaves from ``over`` on, and has gone at ``ends``.
    """

    match: str
    ready_by: float
    begins: float
    start: float
    finale: float | None
    over: float
    ends: float
    crowd: float
    needed: int
    wanted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the journal tells of an event. ``wanted`` is by cloud."""

    event: str
    title: str
    revision: int
    wanted: tuple[tuple[str, int], ...]
    crowd: float | None
    ahead: tuple[tuple[float, float], ...]
    match: MatchNow | None
    decisions: tuple[DecisionNow, ...]
    moves: tuple[MoveNow, ...]
    run: RunNow | None
    pools: tuple[PoolWish, ...] = ()
    circuits: tuple[CircuitLine, ...] = ()

    @property
    def measured(self) -> float | None:
        """The most that was measured at a scaled pool of late."""
        return max((pool.measured for pool in self.pools if pool.measured is not None), default=None)
