"""The crowd of a rehearsal, from the timetable: as large as announced, more or less, and as sudden as crowds are."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from collections.abc import Sequence

from cloudsentry.spec.calendar import Calendar, Match, begin, repeated

LEVEL = 0.6
"""Share of the crowd that is there before the finale."""
BURST = 120.0
"""Seconds within which the whole crowd comes in the finale."""
GONE = 180.0
"""Seconds after the end when most have left."""
SPREAD = 1.645
"""Standard deviations within which 95 % of crowds stay: as many as the announced uncertainty is to cover."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What really comes of one match: ``crowd`` requests per second at the most."""

    name: str
    start: dt.datetime
    length: float
    ramp: float
    finale: float
    crowd: float

    def at(self, when: dt.datetime) -> float:
        """Requests per second at a moment."""
        since = (when - self.start).total_seconds()
        if since < 0:
            return self.crowd * LEVEL * max(0.0, 1 + since / self.ramp) if self.ramp else 0.0
        if since > self.length:
            left = max(0.0, 1 - (since - self.length) / GONE)
            return self.crowd * (0.15 + 0.85 * left) if since < self.length + self.ramp else 0.0
        bursts = since - (self.length - self.finale)
        return self.crowd * (LEVEL + (1 - LEVEL) * min(1.0, max(0.0, bursts / BURST)))


def crowds(calendar: Calendar, seed: int) -> tuple[Course, ...]:
    """A course for every match, by its start; the same seed gives the same ones."""
    rng = random.Random(seed)
    found = (_course(one, calendar.timezone, rng) for match in calendar.matches for one in repeated(match))
    return tuple(sorted(found, key=lambda one: (one.start, one.name)))


def _course(match: Match, zone: str, rng: random.Random) -> Course:
    share = max(0.3, rng.gauss(1.0, match.uncertainty / SPREAD))
    return Course(
        name=match.match,
        start=begin(match, zone),
        length=match.length,
        ramp=match.ramp,
        finale=match.finale or min(900.0, match.length),
        crowd=match.crowd * share,
    )


def load(courses: Sequence[Course], when: dt.datetime) -> float:
    """Requests per second of all matches at a moment."""
    return sum(course.at(when) for course in courses)
