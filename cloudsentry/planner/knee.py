"""The knee of a ramp: the fewest connections at which servers give what they have. Pure.

In a closed loop of n connections a server that is not full answers in its service time, and n more connections bring
n times the responses; a full one brings no more, and every further connection only waits (Little's law: n = rate ×
time). So the knee is where responses stop growing; where latency or errors have left all bounds before that, the last
step that was within them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloudsentry.records.loading import LoadResult

GROWTH = 0.05
"""A step that brings less than this part more is no growth: runs of a few seconds differ by about as much."""
SLOWER = 50.0
"""A p99 beyond this many times the least one of the ramp is out of bounds: a queue of 50 answers before one's own."""
BROKEN = 0.01
"""Errors, as a part of the answers, that are out of bounds."""
FLAT = 2
"""Steps in a row without growth after which a ramp is over: one may be somebody else's noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knee:
    """Where a ramp bends: the step, the best rate within bounds (responses/s), and why it bends there."""

    at: LoadResult
    responses: float
    why: str


def further(ramp: Sequence[LoadResult], seconds: float) -> bool:
    """Whether a ramp of steps of that many seconds should go on with more connections."""
    if not ramp:
        return True
    if not _bounded(ramp[-1], ramp, seconds):
        return False
    return len(ramp) - 1 - ramp.index(_first_best(ramp)) < FLAT


def knee(ramp: Sequence[LoadResult], seconds: float) -> Knee | None:
    """The knee of a ramp (fewest connections first), or None where nobody answered within bounds."""
    within = [step for step in ramp if _bounded(step, ramp, seconds)]
    if not within:
        return None
    at, most = _first_best(within), max(step.responses for step in within)
    last = ramp[-1]
    if at is not last:
        told = "no more" if last in within else _beyond(last)
        why = f"{last.connections} connections each: {told}"
    else:
        why = "the ramp's end: it may carry more"
    return Knee(at=at, responses=most, why=why)


def _first_best(steps: Sequence[LoadResult]) -> LoadResult:
    """The first step that later ones do not exceed by more than `GROWTH`."""
    most = max(step.responses for step in steps)
    return next(step for step in steps if step.responses * (1 + GROWTH) >= most)


def _bounded(step: LoadResult, ramp: Sequence[LoadResult], seconds: float) -> bool:
    answers = step.responses * seconds
    if answers <= 0 or step.errors > BROKEN * answers:
        return False
    return step.p99_ms <= SLOWER * min(one.p99_ms for one in ramp if one.responses > 0)


def _beyond(step: LoadResult) -> str:
    return f"p99 {step.p99_ms:.0f} ms, {step.errors} errors"
