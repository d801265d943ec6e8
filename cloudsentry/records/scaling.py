"""What a scaling policy is given, and what it answers. Times are aware and in UTC, load in requests per second."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

Rule = Literal[
    "calendar",
    "forecast",
    "load",
    "asked",
    "bounds",
    "missing",
    "cooldown",
    "window",
    "spare",
    "doubt",
    "booting",
    "steady",
]
"""What decided in the end: the timetable, earlier matches, the load, somebody's call, the pool's bounds; or why
nothing changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One crowd: rises over ``ramp`` seconds until ``start``, stays ``length`` seconds, falls over ``ramp``."""

    name: str
    start: dt.datetime
    length: float
    ramp: float
    peak: float
    finale: float = 0.0
    """The last seconds of ``length``, when bursts come."""
    kind: str = ""
    """What the course of its crowd is alike to."""

    def at(self, when: dt.datetime) -> float:
        """Requests per second at a moment."""
        since = (when - self.start).total_seconds()
        outside = max(-since, since - self.length, 0.0)
        if outside == 0.0:
            return self.peak
        return self.peak * max(0.0, 1 - outside / self.ramp) if self.ramp else 0.0

    @property
    def begins(self) -> dt.datetime:
        """When the first of the crowd come."""
        return self.start - dt.timedelta(seconds=self.ramp)

    @property
    def ends(self) -> dt.datetime:
        """When the last have gone."""
        return self.start + dt.timedelta(seconds=self.length + self.ramp)

    @property
    def bends(self) -> tuple[dt.datetime, ...]:
        """The moments between which the demand is a straight line."""
        return self.begins, self.start, self.start + dt.timedelta(seconds=self.length), self.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A counter that only grows, as it stood at a moment."""

    name: str
    value: int
    at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A signal's answer. ``source`` says where it was read, for people."""

    value: float
    unit: str
    source: str
    counts: tuple[Count, ...] = ()
    """The counters that the value was made from, for the next reading's rate."""
    lost: int = 0
    """Servers on hypervisors that do not answer: a sign of overload, and capacity that does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A signal that did not answer, or not with a load; never taken for no load."""

    why: str
    source: str
    counts: tuple[Count, ...] = ()
    """What was counted all the same: the first look at a counter tells no rate yet."""
    lost: int = 0
    """As `Reading.lost`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a signal read at an earlier moment, in requests per second."""

    at: dt.datetime
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Somebody's call for capacity: ``by`` more (or fewer), or ``to`` so many servers; one of them is None."""

    by: int | None = None
    to: int | None = None
    source: str = ""

    def wish(self, current: int) -> int:
        """The number of servers asked for."""
        return self.to if self.to is not None else current + (self.by or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """Servers of one unit that came up: ``seconds`` from the decision until they were members, ``batch`` in one run."""

    unit: str
    batch: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What really came of a match that is over.

    ``shares[n]`` is the most load in the ``n``-th `COURSE_STEP` seconds since its first clients were due, as a share of
    what was announced.
    """

    match: str
    kind: str
    start: dt.datetime
    length: float
    ramp: float
    shares: tuple[float, ...]


COURSE_STEP = 60.0
"""Seconds of a course that one share stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that a policy may look at: the same inputs give the same decision.

    ``capacities[n]`` is what ``n`` servers answer; the list ends where bounds or pins do. ``boot`` is the seconds
    from a decision until its servers serve, ``ahead`` what the servers must serve before the crowd is there.
    """

    event: str
    pool: str
    now: dt.datetime
    current: int
    least: int
    most: int
    capacities: tuple[float, ...]
    step: int
    cooldown: float
    ahead: float
    boot: float
    utilisation: float = 1.0
    demands: tuple[Demand, ...] = ()
    signal: Reading | Missing | None = None
    witness: Reading | Missing | None = None
    """A second signal that counts only clients who behave as people do."""
    recent: tuple[Sample, ...] = ()
    """What the signal read before, oldest first."""
    courses: tuple[Course, ...] = ()
    """Earlier matches, oldest first; none that is not over."""
    ask: Ask | None = None
    changed: dt.datetime | None = None
    """When the number of servers was last changed by a decision."""
    called: dt.datetime | None = None
    """When somebody's call last brought servers, which are kept for ``hold`` seconds."""
    hold: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many servers there should be, what rule said so, and why, in sentences."""

    wanted: int
    rule: Rule
    demand: float | None
    """Requests per second that the capacity is for; None where it was not asked for."""
    reasons: tuple[str, ...]
