"""What the timetable and the scaling say of each other and of the pools."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator

from cloudsentry.drivers.signal.base import UNITS
from cloudsentry.errors import Fault
from cloudsentry.spec.calendar import exists, local, starts
from cloudsentry.spec.positions import Path, Tree
from cloudsentry.spec.wording import nearest

Mapped = dict[str, object]


def check_scaling(tree: Tree) -> Iterator[Fault]:
    """Every fault of matches and scaling between the parts of ``tree``; wrong types are passed over."""
    root = _mapping(tree.data)
    calendar, pools = _mapping(root.get("calendar")), _mapping(root.get("pools"))
    yield from _matches(tree, calendar)
    for name, part in _mapping(root.get("scaling")).items():
        scaling, path = _mapping(part), ("scaling", name)
        if name not in pools:
            yield tree.fault(path, f"there is no pool '{name}'{nearest(name, pools)}", at_key=True)
        yield from _bounds(tree, path, scaling, _mapping(pools.get(name)))
        yield from _signal(tree, path, scaling)


def _mapping(value: object) -> Mapped:
    return value if isinstance(value, dict) else {}


def _matches(tree: Tree, calendar: Mapped) -> Iterator[Fault]:
    matches, zone = calendar.get("matches"), calendar.get("timezone", "UTC")
    seen: set[object] = set()
    for index, match in enumerate(matches if isinstance(matches, list) else []):
        path: Path = ("calendar", "matches", index)
        name, start = _mapping(match).get("match"), _local(_mapping(match).get("start"))
        if isinstance(name, str) and name in seen:
            yield tree.fault((*path, "match"), f"there is a match '{name}' already")
        seen.add(name if isinstance(name, str) else None)
        if start is not None and isinstance(zone, str) and not _shown(start, zone):
            message = f"the clocks of {zone} skip {start:%H:%M} on {start:%Y-%m-%d}: the match would never start"
            yield tree.fault((*path, "start"), message)
        yield from _rule(tree, (*path, "rrule"), _mapping(match).get("rrule"), start)
        if start is not None and not _within(start.date(), calendar):
            days = f"{calendar.get('from')} to {calendar.get('until')}"
            yield tree.fault((*path, "start"), f"{start:%Y-%m-%d} is not one of the calendar's days, {days}")


def _rule(tree: Tree, path: Path, rule: object, start: dt.datetime | None) -> Iterator[Fault]:
    if isinstance(rule, str) and start is not None:
        try:
            starts(rule, start)
        except ValueError as error:
            yield tree.fault(path, str(error))


def _local(value: object) -> dt.datetime | None:
    try:
        found = local(value)
    except ValueError:
        return None
    return found if isinstance(found, dt.datetime) else None


def _shown(start: dt.datetime, zone: str) -> bool:
    try:
        return exists(start, zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, OverflowError):
        return True  # no zone, or a year that no clock shows: said elsewhere


def _within(day: dt.date, calendar: Mapped) -> bool:
    try:
        first, last = (dt.date.fromisoformat(str(calendar.get(key))) for key in ("from", "until"))
    except ValueError:
        return True
    return first <= day <= last


def _bounds(tree: Tree, path: Path, scaling: Mapped, pool: Mapped) -> Iterator[Fault]:
    least, most = scaling.get("least", 1), scaling.get("most")
    if not (_whole(least) and _whole(most)):
        return
    if least > most:  # type: ignore[operator]
        yield tree.fault((*path, "most"), f"at most {most} servers are fewer than at least {least}")
        return
    pins = pool.get("pins")
    places = [_mapping(pin).get("most") for pin in pins] if isinstance(pins, list) else [None]
    room = sum(place for place in places if isinstance(place, int))
    if all(_whole(place) for place in places) and room < least:  # type: ignore[operator]
        yield tree.fault((*path, "least"), f"the pool's pins hold at most {room} servers, at least {least} are wanted")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


NEEDED = {
    "prometheus": ("url", "query"),
    "balancer": ("balancer", "query"),
    "nova": ("query",),
    "snmp": ("url", "query"),
    "gnocchi": ("query",),
}
"""Keys without which a driver cannot read."""


def _signal(tree: Tree, path: Path, scaling: Mapped) -> Iterator[Fault]:
    if scaling.get("policy") in ("target", "forecast") and not _mapping(scaling.get("signal")):
        yield tree.fault((*path, "policy"), f"the policy '{scaling['policy']}' follows a signal: add 'signal'")
    balancers = _mapping(_mapping(tree.data).get("balancers"))
    for name in ("signal", "witness"):
        signal = _mapping(scaling.get(name))
        if not signal:
            continue
        driver = signal.get("driver", "prometheus")
        for key in NEEDED.get(str(driver), ()):
            if signal.get(key) is None:
                yield tree.fault((*path, name), f"a {driver} signal needs '{key}'", at_key=True)
        measures = UNITS.get(str(signal.get("unit", "requests/s")), ("", 0))[0]
        if measures and measures != scaling.get("unit", "requests/s"):
            counted = scaling.get("unit", "requests/s")
            yield tree.fault((*path, name), f"the signal measures {measures}, the pool is counted in {counted}")
        behind = signal.get("balancer")
        if isinstance(behind, str) and behind not in balancers:
            yield tree.fault((*path, name, "balancer"), f"there is no balancer '{behind}'{nearest(behind, balancers)}")
