"""What an event's report is made of: what came, what was there for it, what went wrong. Times are aware, in UTC."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

IncidentKind = Literal["run", "step", "decision", "signal", "placement", "move"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run. ``seconds`` is None where it never ended; ``active`` and ``wanted`` are what it saw at its end.

    ``outcome`` is ``gave way`` where it stopped for a larger one to go on, and ``no end`` where it has none.
    """

    run: int
    goal: str
    revision: int
    outcome: str
    started: dt.datetime
    seconds: float | None
    writes: int
    reads: int
    wanted: int | None = None
    active: int | None = None
    misplaced: int | None = None
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Servers from ``at`` until the next level."""

    at: dt.datetime
    wanted: int
    active: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudLine:
    """One cloud: its levels, oldest first, and the server-hours that were active."""

    cloud: str
    levels: tuple[Level, ...]
    hours: float
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareLine:
    """One unit behind a balancer. ``share`` is percent of the balancer's new requests, None without any weight."""

    balancer: str
    unit: str
    cloud: str
    servers: int
    weight: int
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadLine:
    """One match and one scaled pool.

    ``needed`` is the servers that answer the match's crowd, ``ready`` since when they were there without a gap,
    ``lead`` the seconds from then until the whole crowd is there at the match's ``start``, ``promised`` what the event
    asks for. ``kept`` is None before that can be said.
    """

    match: str
    pool: str
    begins: dt.datetime
    start: dt.datetime
    crowd: float
    needed: int
    ready: dt.datetime | None
    lead: float | None
    promised: float
    kept: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that did not go as it should. ``cause`` is what the journal has of it."""

    at: dt.datetime
    kind: IncidentKind
    what: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLine:
    """One decision; ``times`` counts how often the same was decided again, until ``until``."""

    id: int
    at: dt.datetime
    until: dt.datetime
    times: int
    pool: str
    source: str
    rule: str
    current: int
    wanted: int
    state: str
    demand: float | None
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveLine:
    """One move as it stands or ended. What its mover predicted is None where it predicts nothing; both in seconds."""

    id: int
    server: str
    source: str
    target: str
    mover: str
    phase: str
    state: str
    started: dt.datetime
    seconds: float | None
    error: str
    predicted: float | None = None
    predicted_gap: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line over time. Where nothing was measured there is no point."""

    name: str
    points: tuple[tuple[dt.datetime, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Lines that belong together, from outside of the journal. ``source`` says where they were read, or made up."""

    title: str
    curves: tuple[Curve, ...]
    unit: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """An event from its first run to ``made``.

    Servers by cloud are reckoned from the steps of the runs: what a person or a failing host took away between two
    runs shows from the next run on, and not before.
    """

    event: str
    title: str
    state: str
    revision: int
    began: dt.datetime
    made: dt.datetime
    runs: tuple[RunLine, ...]
    clouds: tuple[CloudLine, ...]
    shares: tuple[ShareLine, ...]
    leads: tuple[LeadLine, ...]
    incidents: tuple[Incident, ...]
    decisions: tuple[DecisionLine, ...]
    moves: tuple[MoveLine, ...]
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know before anything else, such as that it was a rehearsal."""

    @property
    def hours(self) -> float:
        """Server-hours over all clouds."""
        return sum(cloud.hours for cloud in self.clouds)
