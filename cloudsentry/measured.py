"""`weights: measured`: an event's weights, and the numbers of its servers, from the journal's calibrations.

What was measured belongs to a cloud, a kind of hypervisor (the pin's place), a flavor, an image and a size of answers;
whose event it was measured for does not matter. The event that comes out is like any other: its pins have numbers, and
so has its revision, so that a later calibration changes nothing before the file is applied again.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass

from cloudsentry.errors import UserError
from cloudsentry.planner import sizing
from cloudsentry.planner.ratios import kinds_of, width_of
from cloudsentry.planner.sizing import Measured
from cloudsentry.records.loading import Capacity
from cloudsentry.spec.calibration import CalibrationSpec
from cloudsentry.spec.event import BalancerSpec, Event, Pin, unit_of

APART = 0.2
"""Answers whose sizes differ by more than this part are another load."""
FINE = 10
"""The least weight where parts of it are wanted: a tenth is the default floor of `reweigh`, and the first of `ramp`."""
MOST = {"apache": 100}
"""The largest weight of balancer drivers that have another range than 256: `mod_proxy_balancer`'s load factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Where a measured weight comes from. ``each`` is one server's responses/s among ``packing``.

    ``derating`` is that as a part of what one carried alone, ``error`` how much more than its part the rounded weight
    gives it, ``measured`` the most servers at once that were measured. ``alike`` are the units that were not told apart
    from it, within ``width`` of what was measured.
    """

    unit: str
    weight: int
    count: int
    each: float
    packing: int
    measured: int
    derating: float
    error: float
    at: dt.datetime
    event: str
    limit: str
    alike: tuple[str, ...] = ()
    width: float = 0.0

    def __str__(self) -> str:
        alone = self.packing == 1
        what = "alone" if alone else f"with {self.packing} on a hypervisor (derating {self.derating:.2f})"
        past = "" if self.packing <= self.measured else f", measured with {self.measured} only"
        how = {"computed": ", computed from its use of CPU", "machine": ", or more: the machine was the limit"}
        kind = f"; equal to {', '.join(self.alike)} within ±{self.width:.1%}, taken as one" if self.alike else ""
        return (
            f"measured {self.at:%Y-%m-%d %H:%M} for {self.event}: {self.each:.0f} responses/s each {what}{past}"
            f"{how.get(self.limit, '')}{kind}; {'off' if self.alike else 'rounding'} {self.error:+.1%}"
        )


def is_measured(event: Event) -> bool:
    """Whether any balancer's weights are."""
    return any(spec.weights == "measured" for spec in event.balancers.values())


def resolved(event: Event, journal: str, *, now: dt.datetime | None = None) -> Event:
    """The event with numbers in place of `measured`: weights, and counts where it says what is to be carried.

    Raises `UserError` where a pin was not measured, or too long ago, or with other answers, with the command that
    mends it; and where the pins have no room for what is to be carried.
    """
    if not is_measured(event):
        return event
    found = _found(event, journal, now or dt.datetime.now(dt.UTC))
    pins = _measured(event, found)
    counts = _counts(event, pins)
    weights = sizing.weigh(pins, counts)
    pools = dict(event.pools)
    for name, pool in event.pools.items():
        told = [_pin_with(pin, unit_of(name, pin), counts, weights) for pin in pool.pins]
        pools[name] = pool.model_copy(update={"pins": told})
    return event.model_copy(update={"pools": pools})


def reasons(event: Event, journal: str, *, now: dt.datetime | None = None) -> dict[str, Reason]:
    """By unit, why an event's measured weights are what the newest calibrations make them; as `resolved` raises."""
    found = _found(event, journal, now or dt.datetime.now(dt.UTC))
    pins = _measured(event, found)
    counts = {pin.unit: _count(event, pin.unit) for pin in pins}
    weights = sizing.weigh(pins, counts)
    return {pin.unit: _reason(pin, counts, weights, pins, found[pin.unit]) for pin in pins}


def _reason(
    pin: Measured,
    counts: Mapping[str, int],
    weights: Mapping[str, int],
    pins: tuple[Measured, ...],
    lines: tuple[Capacity, ...],
) -> Reason:
    mine = [one for one in pins if one.group == pin.group]
    count = counts[pin.unit]
    whole = sum(weights[one.unit] * max(1, counts[one.unit]) for one in mine)
    answers = sum(one.one(counts[one.unit]) * max(1, counts[one.unit]) for one in mine)
    each, spreads = sizing.measured(mine, counts)
    kind = next((one.units for one in kinds_of(each, spreads) if pin.unit in one.units), ())
    fullest = max(lines, key=lambda one: one.servers)
    return Reason(
        unit=pin.unit,
        weight=weights[pin.unit],
        count=count,
        each=pin.one(count),
        packing=pin.packing(count),
        measured=len(pin.each),
        derating=pin.one(count) / pin.each[0],
        error=(weights[pin.unit] / whole) / (pin.one(count) / answers) - 1 if whole and answers else 0.0,
        at=fullest.at,
        event=fullest.event,
        limit=fullest.limit,
        alike=tuple(unit for unit in kind if unit != pin.unit),
        width=width_of(pin.unit, spreads),
    )


def _pin_with(pin: Pin, unit: str, counts: Mapping[str, int], weights: Mapping[str, int]) -> Pin:
    if unit not in weights:
        return pin
    return pin.model_copy(update={"weight": weights[unit], "count": counts[unit]})


def _counts(event: Event, pins: tuple[Measured, ...]) -> dict[str, int]:
    spec = event.calibration
    if spec is None or spec.responses is None:
        return {pin.unit: _count(event, pin.unit) for pin in pins}
    sized = sizing.size(pins, spec.responses, spec.headroom, spec.survive)
    if sized.carried < spec.responses:
        case = "" if sized.worst == "nothing" else f" without {sized.worst}"
        room = ", ".join(f"{pin.unit} {pin.room}" for pin in pins)
        raise UserError(
            f"calibration: {spec.responses:g} responses/s are to be carried with {spec.headroom:.0%} kept free; "
            f"{sum(sized.counts.values())} servers carry {sized.carried:.0f}{case}, and the pins have room for no more "
            f"that helps ({room}): raise their `most`, calibrate with more at once, or add pins elsewhere"
        )
    return dict(sized.counts)


def _count(event: Event, unit: str) -> int:
    pool = unit.split("@")[0]
    return next(pin.count for pin in event.pools[pool].pins if unit_of(pool, pin) == unit)


def _pools(event: Event) -> dict[str, str]:
    """By pool that has measured weights, the name of its group: pools that share a balancer are weighed together."""
    groups: dict[str, str] = {}
    for name, spec in event.balancers.items():
        if spec.weights != "measured":
            continue
        pools = [part.pool for part in spec.members]
        joined = {groups[pool] for pool in pools if pool in groups}
        groups = {pool: name if group in joined else group for pool, group in groups.items()}
        groups |= dict.fromkeys(pools, name)
    return groups


def _measured(event: Event, found: Mapping[str, tuple[Capacity, ...]]) -> tuple[Measured, ...]:
    groups, made = _pools(event), []
    for pool, group in groups.items():
        balancers = [spec for spec in event.balancers.values() if any(part.pool == pool for part in spec.members)]
        site = event.pools[pool].site
        for pin in event.pools[pool].pins:
            unit, lines = unit_of(pool, pin), found[unit_of(pool, pin)]
            made.append(
                Measured(
                    unit=unit,
                    site=site,
                    domain=f"hypervisor {pin.hypervisor}" if pin.hypervisor else f"one hypervisor of {unit}",
                    group=group,
                    each=_each(lines),
                    hosts=_hosts(pin, lines),
                    least=pin.count,
                    most=pin.most,
                    weight_most=min(MOST.get(spec.driver, 256) for spec in balancers),
                    spreads=_spreads(lines),
                    fine=max(_fine(spec) for spec in balancers),
                )
            )
    return tuple(made)


def _fine(spec: BalancerSpec) -> int:
    return FINE if spec.reweigh is not None or any(part.ramp is not None for part in spec.members) else 1


def _each(lines: tuple[Capacity, ...]) -> tuple[float, ...]:
    """By packing, what one server carries; of several hosts the weakest's."""
    return tuple(line.each if line else math.nan for line in _weakest(lines))


def _spreads(lines: tuple[Capacity, ...]) -> tuple[float | None, ...]:
    return tuple(line.spread if line else None for line in _weakest(lines))


def _weakest(lines: tuple[Capacity, ...]) -> list[Capacity | None]:
    """By packing, the line of the weakest host; that of the packing before where one was not measured."""
    found: list[Capacity | None] = []
    for servers in range(1, max(line.servers for line in lines) + 1):
        known = [line for line in lines if line.servers == servers]
        found.append(min(known, key=lambda line: line.each) if known else found[-1] if found else None)
    return found


def _hosts(pin: Pin, lines: tuple[Capacity, ...]) -> int:
    """Over how many hypervisors a pin spreads: those that were measured for a trait or an aggregate."""
    kind, _ = pin.place
    if kind in ("trait", "aggregate"):
        return len({line.hypervisor for line in lines})
    if kind == "hypervisor":
        return 1
    # The scheduler decides: as full as it was when measured, or as an anti-affinity group lets it be.
    fullest = max(line.servers for line in lines)
    return max(1, -(-pin.count // (min(fullest, pin.anti_affinity) if pin.anti_affinity else fullest)))


def _found(event: Event, journal: str, now: dt.datetime) -> dict[str, tuple[Capacity, ...]]:
    """By unit, the lines of its newest calibration that holds for this event."""
    from cloudsentry.journal.calibrations import Calibrations

    found, lacking = {}, []
    with contextlib.closing(Calibrations(journal)) as kept:
        for name in _pools(event):
            pool = event.pools[name]
            known = kept.fitting(event.cloud_of(pool.site), pool.flavor, pool.image)
            for pin in pool.pins:
                unit = unit_of(name, pin)
                lines, why = _newest(known, pin, event.calibration or CalibrationSpec.model_validate({}), now)
                if lines:
                    found[unit] = lines
                else:
                    lacking.append((unit, why))
    if lacking:
        raise UserError(_refusal(event, lacking))
    return found


def _refusal(event: Event, lacking: list[tuple[str, str]]) -> str:
    told = "; ".join(f"{unit}: {why}" for unit, why in lacking)
    commands = [
        f"cloudsentry calibrate FILE {pool} --boot N --from PLACE"
        for pool in dict.fromkeys(unit.split("@")[0] for unit, _ in lacking)
    ]
    return f"event {event.event} has measured weights, but {told}. Run: {' and '.join(commands)}"


def _newest(
    known: tuple[Capacity, ...], pin: Pin, spec: CalibrationSpec, now: dt.datetime
) -> tuple[tuple[Capacity, ...], str]:
    mine = [line for line in known if _stands(line, pin)]
    if not mine:
        return (), "not measured with this image and flavor"
    known_well = [line for line in mine if line.limit != "machine"]
    if not known_well:
        return (), "measured only while the machine, not the servers, was the limit"
    alike = [line for line in known_well if abs(line.size - spec.size) <= APART * spec.size]
    if not alike:
        sizes = ", ".join(f"{size}" for size in sorted({line.size for line in mine}))
        return (), f"measured with answers of {sizes} bytes, the event's have {spec.size}"
    at = max(line.at for line in alike)
    if now - at > dt.timedelta(days=spec.days):
        return (), f"measured {at:%Y-%m-%d}, more than {spec.days} days ago"
    return tuple(line for line in alike if line.at == at), ""


def _stands(line: Capacity, pin: Pin) -> bool:
    """Whether a line was measured at a pin's place."""
    kind, value = pin.place
    if kind == "hypervisor":
        return line.hypervisor == value
    place = line.unit.partition("@")[2]
    wanted = unit_of("", pin)[1:]
    return place == wanted or place.startswith(f"{wanted}:")
