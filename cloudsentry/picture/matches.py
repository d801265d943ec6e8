"""The crowd as the timetable has it: now, in the next hours, and what it needs of each pool."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from cloudsentry.picture.rows import MatchNow, PoolWish
from cloudsentry.records.scaling import Demand
from cloudsentry.spec.event import Event
from cloudsentry.spec.scaling import capacities, count_of

AHEAD = dt.timedelta(hours=6)
"""How far ahead the crowd is drawn."""
SOON = 3600
"""Seconds of the future of which the most is told."""
GRID = 300
"""Seconds between two points of the crowd to come."""


def demands_of(event: Event) -> tuple[Demand, ...]:
    """The event's crowds; none where nothing is scaled by them."""
    return event.calendar.demands() if event.calendar and event.scaling else ()


def expected(demands: tuple[Demand, ...], when: dt.datetime) -> float | None:
    """Load expected at a moment, None where there is no timetable."""
    return sum(demand.at(when) for demand in demands) if demands else None


def ahead(demands: tuple[Demand, ...], now: dt.datetime) -> tuple[tuple[float, float], ...]:
    """(time, load) of the hours to come."""
    if not demands:
        return ()
    first = (int(now.timestamp()) // GRID + 1) * GRID
    grid = range(first, first + int(AHEAD.total_seconds()) + 1, GRID)
    return tuple((float(t), round(sum(d.at(dt.datetime.fromtimestamp(t, dt.UTC)) for d in demands), 1)) for t in grid)


def wishes(event: Event, now: dt.datetime, measured: Mapping[str, float]) -> tuple[PoolWish, ...]:
    """Every scaled pool against its crowd; ``measured`` is by pool. Each pool has the whole crowd to answer."""
    demands = demands_of(event)
    crowd, coming = expected(demands, now), _next(event, now)
    soon = [load for when, load in ahead(demands, now) if when <= now.timestamp() + SOON]
    return tuple(
        PoolWish(
            pool=name,
            unit=scaling.unit,
            policy=scaling.policy,
            least=scaling.least,
            most=scaling.most,
            wanted=count_of(event.pools[name].pins),
            crowd=None if crowd is None else round(crowd, 1),
            soon=None if crowd is None else round(max([crowd, *soon]), 1),
            measured=measured.get(name),
            needed=_needed(event, name, coming) if coming else None,
        )
        for name, scaling in sorted(event.scaling.items())
    )


def next_match(event: Event, now: dt.datetime) -> MatchNow | None:
    """The match that is on, or the next one; None where none is to come."""
    demand = _next(event, now)
    if demand is None:
        return None
    needed = sum(_needed(event, name, demand) for name in event.scaling)
    wanted = sum(count_of(event.pools[name].pins) for name in event.scaling)
    over = demand.start + dt.timedelta(seconds=demand.length)
    lead = max((scaling.lead for scaling in event.scaling.values()), default=0.0)
    return MatchNow(
        match=demand.name,
        ready_by=demand.begins.timestamp() - lead,
        begins=demand.begins.timestamp(),
        start=demand.start.timestamp(),
        finale=over.timestamp() - demand.finale if demand.finale else None,
        over=over.timestamp(),
        ends=demand.ends.timestamp(),
        crowd=demand.peak,
        needed=needed,
        wanted=wanted,
    )


def _next(event: Event, now: dt.datetime) -> Demand | None:
    return next((one for one in (event.calendar.demands() if event.calendar else ()) if one.ends > now), None)


def _needed(event: Event, pool: str, demand: Demand) -> int:
    scaling = event.scaling[pool]
    ladder = capacities(event.pools[pool].pins, scaling)
    enough = next((n for n, answers in enumerate(ladder) if answers >= demand.peak), len(ladder) - 1)
    return max(enough, scaling.least)
