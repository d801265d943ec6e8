"""The hall's floor for the size of pools: how many servers stand against how many are wanted, and sizes set by hand.

New sizes are a new revision of the event. Writers that come at once take turns, and each one's sizes hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudsentry import turns
from cloudsentry.errors import UserError
from cloudsentry.executor import Clock
from cloudsentry.records.reports import Listener, Report, silent
from cloudsentry.spec.event import Event, Pool
from cloudsentry.spec.scaling import count_of, scaled
from cloudsentry.weights.weigh import unit_of

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

COUNT_MOST = 1000
"""Servers of a pool; `cloudsentry.spec.parts.Count` has the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLine:
    """A pool's servers at one place. ``wanted`` is the newest revision's count, ``active`` those that are ACTIVE.

    ``other`` are neither ACTIVE nor gone: building, in ERROR, stopped. ``weight`` is None for a place that the event
    does not name (any more).
    """

    pool: str
    unit: str
    cloud: str
    wanted: int
    active: int
    other: int
    weight: int | None


def pools(sentry: Sentry, name: str) -> tuple[PoolLine, ...]:
    """A line per place of every pool, by unit. Reads the clouds. Raises `UserError` or `DriverError`."""
    event, number = sentry.event(name)
    status = sentry.status(name)
    kept = not number or sentry.show(event.event)[0].state == "kept"
    wanted: Counter[str] = Counter()
    weights: dict[str, int] = {}
    for pool, spec in event.pools.items():
        for pin in spec.pins:
            wanted[unit_of(pool, pin)] += pin.count if kept else 0
            weights[unit_of(pool, pin)] = pin.weight
    active: Counter[str] = Counter()
    other: Counter[str] = Counter()
    for line in status.servers:
        unit = next((unit for unit in wanted if line.unit == unit or line.unit.startswith(f"{unit}:")), line.unit)
        (active if line.status == "ACTIVE" else other)[unit] += 1
    return tuple(
        PoolLine(
            pool=(pool := unit.split("@")[0]),
            unit=unit,
            cloud=event.cloud_of(event.pools[pool].site) if pool in event.pools else "",
            wanted=wanted[unit],
            active=active[unit],
            other=other[unit],
            weight=weights.get(unit),
        )
        for unit in sorted({*wanted, *active, *other})
    )


def set_sizes(
    sentry: Sentry,
    name: str,
    wanted: Mapping[str, int],
    *,
    wait: float = turns.WAIT,
    clock: Clock | None = None,
    listen: Listener = silent,
) -> Report:
    """The pools and units named in ``wanted`` have so many servers, and no other writer's change is lost.

    Servers that go are drained first. Raises `UserError` for a name that is not there (with the nearest) and for a
    count that cannot be, and as `turns.taken`.
    """
    return turns.taken(sentry, name, lambda event: resized(event, wanted), wait=wait, clock=clock, listen=listen)


def proposed(sentry: Sentry, name: str, wanted: Mapping[str, int]) -> tuple[Event, int]:
    """The event that `set_sizes` would apply now, and the revision that it is made from. Raises `UserError`."""
    return turns.proposed(sentry, name, lambda event: resized(event, wanted))


def resized(event: Event, wanted: Mapping[str, int]) -> Event:
    """The event with other counts. A pool's is spread over its pins, in proportion; a unit's is its own.

    Raises `UserError`, also for a count outside the bounds within which the event scales the pool: the next decision
    would take it back.
    """
    for name, count in wanted.items():
        if not 0 <= count <= COUNT_MOST:
            raise UserError(f"{name}: a count is within 0 and {COUNT_MOST}, not {count}")
    whole = {name: count for name, count in wanted.items() if name in event.pools}
    made = scaled(event, whole)
    for pool, count in whole.items():
        if count_of(made.pools[pool].pins) < count:
            raise UserError(f"{pool}: its pins allow {count_of(made.pools[pool].pins)} servers at most, not {count}")
    changed = dict(made.pools)
    for unit, count in wanted.items():
        if unit not in whole:
            pool = unit.split("@")[0]
            if pool in whole:
                raise UserError(f"{unit}: pool {pool} is given a count as a whole already")
            changed[pool] = _unit(_named(changed, unit), unit, count)
    made = made.model_copy(update={"pools": changed})
    _bounded(made, {name.split("@")[0] for name in wanted})
    return made


def _named(pools: Mapping[str, Pool], unit: str) -> Pool:
    pool = unit.split("@")[0]
    if pool in pools and any(unit_of(pool, pin) == unit for pin in pools[pool].pins):
        return pools[pool]
    known = [*pools, *(unit_of(name, pin) for name, spec in pools.items() for pin in spec.pins)]
    raise turns.unknown("pool or unit", unit, known)


def _unit(pool: Pool, unit: str, count: int) -> Pool:
    """The pool with this many servers at one of its places; several pins of one place: at the first, none at others."""
    pins, left = [], count
    for pin in pool.pins:
        if unit_of(unit.split("@")[0], pin) == unit:
            if pin.most is not None and left > pin.most:
                raise UserError(f"{unit}: its pin allows {pin.most} servers at most, not {left}")
            pin, left = pin.model_copy(update={"count": left, "share": None}), 0
        pins.append(pin)
    return pool.model_copy(update={"pins": pins})


def _bounded(event: Event, pools: set[str]) -> None:
    for pool in sorted(pools & event.scaling.keys()):
        count, scaling = count_of(event.pools[pool].pins), event.scaling[pool]
        if not scaling.least <= count <= scaling.most:
            raise UserError(
                f"{pool}: {count} servers, but the event scales it between {scaling.least} and {scaling.most}; "
                "apply the file with other bounds"
            )
