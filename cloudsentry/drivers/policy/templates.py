"""What comes of a match, from what came of earlier ones of its kind: templates, and quantiles over them.

Nothing but what is over is looked at: a course is made when its match has ended.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence

from cloudsentry.records.scaling import COURSE_STEP, Course, Demand, Inputs, Sample

FEWEST = 3
"""Earlier matches of a kind, without which nothing is foretold."""
NEWEST = 24
"""Earlier matches of a kind that are looked at: what crowds did long ago says less."""
QUANTILE = 0.99
"""Share of the templates, by their weight, that capacity is enough for."""
BLUR = 0.06
"""Share of the announced crowd within which a reading does not tell one template from another."""
SIZES = 0.35
"""Standard deviation of the logarithm of how much larger or smaller a crowd is than an earlier one was."""
SEEN = 900.0
"""Seconds whose readings are held against the templates."""
TELLING = 5.0
"""Readings that count at the most: those of one minute say much the same."""
LATE = (0.0, 300.0, 600.0, 1200.0)
"""Seconds by which a match may run later than its timetable: each template is tried at each of them. An early one is
seen by its load."""
USUAL = 300.0
"""Standard deviation of those; what is this late needs readings that say so."""
SPREAD = 900.0
"""Seconds over which a kind's bursts come: of so many templates the first is about this over their number earlier."""


def foretold(inputs: Inputs, seconds: float) -> float | None:
    """The most requests per second within ``seconds`` that earlier matches let expect; None where too few are known.

    A match whose first clients are not due yet is looked for ``ahead`` seconds further: it is made ready for by then.
    Crowds of matches that overlap add up. A match without earlier ones of its kind counts as announced.
    """
    near = [demand for demand in inputs.demands if _near(inputs, demand, seconds)]
    known = {demand.name: alike(demand, inputs.courses) for demand in near}
    if not near or not any(known.values()):
        return None
    return sum(_foretold(inputs, demand, known[demand.name], seconds) for demand in near)


def alike(demand: Demand, courses: Sequence[Course]) -> tuple[Course, ...]:
    """The newest earlier matches of a match's kind; none where they are too few."""
    found = tuple(course for course in courses if course.kind == demand.kind and course.match != demand.name)
    return found[-NEWEST:] if len(found) >= FEWEST else ()


def _near(inputs: Inputs, demand: Demand, seconds: float) -> bool:
    last = inputs.now + dt.timedelta(seconds=seconds + inputs.ahead)
    return demand.begins <= last and inputs.now <= demand.ends


def _foretold(inputs: Inputs, demand: Demand, courses: Sequence[Course], seconds: float) -> float:
    since = (inputs.now - demand.start).total_seconds()
    reach = seconds if since >= 0 else min(seconds + inputs.ahead, max(seconds, -since + seconds))
    if not courses:
        return max(demand.at(inputs.now), demand.at(inputs.now + dt.timedelta(seconds=reach)))
    seen = _seen(inputs, demand)
    early = SPREAD / (len(courses) + 1)
    weighed = []
    for course in courses:
        for late in LATE:
            size, weight = _fit(course, demand, seen, late)
            weighed.append((size * most(course, demand, since - late, since - late + reach + early), weight))
    return demand.peak * quantile(weighed, QUANTILE)


def _seen(inputs: Inputs, demand: Demand) -> list[tuple[float, float]]:
    """(seconds from the start, share of the announced crowd) as read lately, as far as it is this match's."""
    found = []
    for sample in inputs.recent:
        if (inputs.now - sample.at).total_seconds() <= SEEN:
            share = belongs(sample, demand, inputs.demands)
            if share is not None:
                found.append(((sample.at - demand.start).total_seconds(), share))
    return found


def belongs(sample: Sample, demand: Demand, demands: Iterable[Demand]) -> float | None:
    """What of a reading is a match's, as a share of its announced crowd: in proportion to what was announced for then.

    None while none of its clients are due.
    """
    mine = demand.at(sample.at)
    if mine <= 0:
        return None
    return sample.value * mine / sum(other.at(sample.at) for other in demands) / demand.peak


def _fit(course: Course, demand: Demand, seen: Sequence[tuple[float, float]], late: float) -> tuple[float, float]:
    """(size, weight): how many times an earlier crowd this one is, and how much it is like it, so much later.

    The size is the ridge estimate around 1; the weight a likelihood, blurred by what readings are worth.
    """
    pairs = [(share, at(course, demand, since - late)) for since, share in seen]
    counts = min(1.0, TELLING / len(pairs)) if pairs else 0.0
    tight = (BLUR / SIZES) ** 2
    size = (tight + counts * sum(o * v for o, v in pairs)) / (tight + counts * sum(v * v for _, v in pairs))
    size = min(4.0, max(0.1, size))
    miss = counts * sum((o - size * v) ** 2 for o, v in pairs) / BLUR**2
    return size, math.exp(-0.5 * min(60.0, miss + (math.log(size) / SIZES) ** 2 + (late / USUAL) ** 2))


def at(course: Course, demand: Demand, since: float) -> float:
    """A course's share ``since`` seconds from the start of a match that may be longer or shorter."""
    index = int((_aligned(course, demand, since) + course.ramp) // COURSE_STEP)
    return course.shares[index] if 0 <= index < len(course.shares) else 0.0


def most(course: Course, demand: Demand, first: float, last: float) -> float:
    """The most of a course between two moments, in seconds from the start."""
    begin = int((_aligned(course, demand, first) + course.ramp) // COURSE_STEP)
    end = int((_aligned(course, demand, last) + course.ramp) // COURSE_STEP)
    return max(course.shares[max(0, begin) : max(0, end + 1)], default=0.0)


def _aligned(course: Course, demand: Demand, since: float) -> float:
    """The same moment in an earlier match: as far from its start in the first half, from its end in the second."""
    if since <= demand.length / 2:
        return min(since, course.length / 2)
    return course.length - min(demand.length - since, course.length / 2)


def quantile(weighed: Sequence[tuple[float, float]], share: float) -> float:
    """The least of (value, weight) at which ``share`` of the weights is reached."""
    total, reached = sum(weight for _, weight in weighed), 0.0
    for value, weight in sorted(weighed):
        reached += weight
        if reached >= share * total:
            return value
    return max(value for value, _ in weighed)
