"""What a run did, as data; `render` makes text of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cloudsentry.records.plans import Drift

Outcome = Literal["done", "failed", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """How one step ended. ``seconds`` is from its first call to its last look."""

    id: str
    unit: str
    cloud: str
    verb: str
    outcome: Literal["done", "failed", "skipped", "spilled"]
    """``spilled``: what it could not have stands elsewhere."""
    seconds: float = 0.0
    attempts: int = 0
    error: str = ""
    lack: bool = False
    """Failed for want of room or because what was made did not come up: another place may have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Servers: wanted by the event, active now, and active where they should not be."""

    wanted: int
    active: int
    misplaced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The end of a run. ``writes`` and ``reads`` are HTTP calls of this process, retries included."""

    run: int
    event: str
    goal: Literal["apply", "destroy"]
    outcome: Outcome
    seconds: float
    writes: int
    reads: int
    steps: tuple[StepReport, ...]
    servers: Counts
    left: tuple[str, ...] = ()
    """One line per thing that is still to do, or still there after a destroy."""
    forsaken: tuple[str, ...] = ()
    """One line per place that a destroy was told to give up: what stands there of the event is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLine:
    """One server as an operator wants to see it. ``pinned`` is where it should be, ``hypervisor`` where it is."""

    cloud: str
    unit: str
    name: str
    id: str
    status: str
    hypervisor: str
    pinned: str
    placed: bool
    address: str
    weight: int | None
    member: str
    """The member's operating status, or empty where it is behind no balancer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerLine:
    """One balancer: its VIP, its state, and (address, weight, operating status) of its members."""

    cloud: str
    unit: str
    name: str
    vip: str
    provisioning: str
    operating: str
    members: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StretchLine:
    """One end of a stretched network. ``offer`` is what it tells the far end, ``objects`` counts what it is made of."""

    cloud: str
    unit: str
    driver: str
    state: str
    joined: bool
    offer: str
    objects: int
    detail: str = ""
    alive: bool | None = None
    """Whether packets come back from the far end; None where nobody has tried of late."""
    rtt: float | None = None
    """Round trip in ms."""
    loss: float | None = None
    """In percent, of the last try."""
    server: str = ""
    """The id of the router that moves with its group, and its ``hypervisor``; empty for ends that stay."""
    hypervisor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SteerLine:
    """One target of a steering: percent of the clients wanted, and given by the means as they stand."""

    unit: str
    driver: str
    cloud: str
    target: str
    to: str
    wanted: float | None
    share: float | None
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitLine:
    """A service of a cloud that did not answer of late: ``failures`` in a row; asked again in ``seconds``."""

    cloud: str
    family: str
    state: str
    failures: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """An event as it is now, against what its revision wants."""

    event: str
    revision: int
    state: str
    """``up`` (as wanted), ``drifted``, ``absent`` (nothing there)."""
    servers: tuple[ServerLine, ...]
    balancers: tuple[BalancerLine, ...]
    drift: tuple[Drift, ...]
    counts: Counts
    stretches: tuple[StretchLine, ...] = ()
    steers: tuple[SteerLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that would make an apply fail. ``check`` is what was checked, ``do`` what helps."""

    check: str
    cloud: str
    found: str
    do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One line of an audit: a ``leak`` (marked, wanted by no event) or something ``gone`` (wanted, not there).

    ``passes`` is in how many audits a leak was seen; from `cloudsentry.auditing.SURE` on it is offered for deletion.
    """

    state: Literal["leak", "gone", "unseen", "deleted"]
    cloud: str
    kind: str
    id: str
    name: str
    event: str
    passes: int = 0
    why: str = ""
    driver: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something happened in a run: told to whoever watches, as it happens.

    ``kind`` is ``started``, ``progress``, ``retry`` or ``ended``; ``elapsed`` is seconds since the run began.
    """

    kind: Literal["started", "progress", "retry", "ended"]
    step: str
    unit: str
    cloud: str
    verb: str
    done: int = 0
    wanted: int = 0
    detail: str = ""
    elapsed: float = 0.0


Listener = Callable[[Note], None]
"""Whoever watches a run. It must return at once and must not raise."""


def silent(note: object) -> None:
    """A listener that hears nothing."""
