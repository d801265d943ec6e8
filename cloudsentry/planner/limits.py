"""What bounded a step of load, and what its servers carry: told apart from what the machine had to give. Pure.

A server that is at its own limit of CPU shows what it carries. One that is not, because the load's driver or the
machine that it shares had no more to give, does not; but by the utilisation law (rate = utilisation / cost of an
answer, Denning and Buzen 1978) it carries its rate divided by the part of its limit that it used for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from cloudsentry.records.loading import Bound, Limit, LoadResult

FULL = 0.85
"""A server that used up its quota in this part of its periods was bound by it."""
USED_LEAST = 0.05
"""With less than this part of its CPU used, a server's cost of an answer is not known well enough."""
PRESSURE_MOST = 0.5
"""Where something waited for a core in more than this part of the time, the machine may have been the limit."""
BUSY_MOST = 0.9
"""A load driver that used more than this of its CPU may have been the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Responses per second that servers carry together, how that is known, and from what to what rounds had it."""

    responses: float
    limit: Limit
    low: float | None = None
    high: float | None = None


def estimate(step: LoadResult, bound: Bound | None) -> Estimate:
    """What one step says of its servers."""
    if bound is None:
        strained = (step.pressure or 0.0) > PRESSURE_MOST or (step.busy or 0.0) > BUSY_MOST
        return Estimate(responses=step.responses, limit="machine" if strained else "server")
    if bound.throttled >= FULL:
        return Estimate(responses=step.responses, limit="server")
    if bound.used >= USED_LEAST:
        return Estimate(responses=step.responses / min(1.0, bound.used), limit="computed")
    return Estimate(responses=step.responses, limit="machine")


def settled(rounds: Iterable[Estimate]) -> Estimate:
    """What several rounds say together: the median of the best kind of knowledge that there is.

    Of rounds in which the machine was the limit the highest counts: whoever else works there only makes less of it.
    """
    found = list(rounds)
    known: tuple[Limit, ...] = ("server", "computed")
    for limit in known:
        rates = [one.responses for one in found if one.limit == limit]
        if rates:
            return Estimate(responses=median(rates), limit=limit, **_range(rates))
    return max(found, key=lambda one: one.responses)


def _range(rates: list[float]) -> dict[str, float]:
    """One round has none."""
    return {"low": min(rates), "high": max(rates)} if len(rates) > 1 else {}
