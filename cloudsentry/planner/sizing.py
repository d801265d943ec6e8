"""From measured capacities to weights and to numbers of servers, also with a part of them lost. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cloudsentry.planner.ratios import carried, weights_of

Survive = Literal["nothing", "hypervisor", "site"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One pin and what its servers were measured to carry.

    ``each[k - 1]`` is what one server carries among k on its hypervisor, in responses/s; ``hosts`` the hypervisors
    that it spreads evenly over. ``domain`` is what is lost with one hypervisor: equal for pins that stand on the same.
    ``group`` is equal for pins behind the same balancers, whose weights divide one stream of requests. ``spreads`` are
    those of ``each``, as `ratios.width_of` takes them, None where not known. ``fine`` is the least weight that leaves
    room for parts of it: where weights follow how fast members answer, or grow by and by.
    """

    unit: str
    site: str
    domain: str
    group: str
    each: tuple[float, ...]
    hosts: int = 1
    least: int = 0
    most: int | None = None
    weight_most: int = 256
    spreads: tuple[float | None, ...] = ()
    fine: int = 1

    def packing(self, count: int) -> int:
        """Servers on its fullest hypervisor."""
        return max(1, -(-count // self.hosts))

    def one(self, count: int) -> float:
        """Responses per second of one of ``count`` servers; past what was measured, that of the fullest measured."""
        return self.each[min(self.packing(count), len(self.each)) - 1]

    def spread(self, count: int) -> float | None:
        """How far the rounds that measured this were apart, as a part of it; None where that is not known."""
        place = min(self.packing(count), len(self.each)) - 1
        return self.spreads[place] if place < len(self.spreads) else None

    @property
    def room(self) -> int:
        """The most servers that it may have: the pin's own bound, and no packing that was not measured."""
        measured = len(self.each) * self.hosts
        return max(self.least, measured if self.most is None else min(self.most, measured))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """Servers by unit, and what they carry together in the worst case that is to be survived (``worst`` says which)."""

    counts: Mapping[str, int]
    carried: float
    worst: str


def weigh(pins: Sequence[Measured], counts: Mapping[str, int]) -> dict[str, int]:
    """Integer weights by unit, as `ratios.weights_of` has them, within each group of pins that share balancers."""
    found: dict[str, int] = {}
    for group in sorted({pin.group for pin in pins}):
        mine = [pin for pin in pins if pin.group == group]
        each, spreads = measured(mine, counts)
        most = min(pin.weight_most for pin in mine)
        weights = weights_of(each, most, spreads)
        times = _times(weights.values(), most, max(pin.fine for pin in mine))
        found |= {unit: weight * times for unit, weight in weights.items()}
    return found


def measured(pins: Sequence[Measured], counts: Mapping[str, int]) -> tuple[dict[str, float], dict[str, float]]:
    """By unit, what one server carries, and how far its rounds were apart where that is known."""
    each = {pin.unit: pin.one(counts[pin.unit]) for pin in pins}
    spreads = {pin.unit: pin.spread(counts[pin.unit]) for pin in pins}
    return each, {unit: spread for unit, spread in spreads.items() if spread is not None}


def _times(weights: Iterable[int], most: int, fine: int) -> int:
    """By what to multiply weights so that the least is ``fine``, as far as the range lets it; the ratio stays."""
    given = [weight for weight in weights if weight]
    return max(1, min(-(-fine // min(given)), most // max(given))) if given else 1


def size(pins: Sequence[Measured], responses: float, headroom: float, survive: Survive) -> Sized:
    """The fewest servers found that carry so much with ``headroom`` kept free, whatever one thing is lost.

    Greedy: each server goes where it takes most from what the cases still lack, then whoever turns out not to be
    needed goes again. Where ``carried`` is below ``responses`` the pins have no room for more.
    """
    counts = {pin.unit: pin.least for pin in pins}
    # Rounded weights and unequal packings cost a little of the plain sum; so a little more is asked until it is enough.
    for extra in (1.0, 1.02, 1.05, 1.1, 1.2, 1.4):
        counts = _grown(pins, counts, responses / (1 - headroom) * extra, survive)
        found = rated(pins, counts, headroom, survive)
        if found.carried >= responses:
            return _pruned(pins, found, responses, headroom, survive)
    return rated(pins, counts, headroom, survive)


def rated(pins: Sequence[Measured], counts: Mapping[str, int], headroom: float, survive: Survive) -> Sized:
    """What these servers carry, weighted as they would be, in the worst of the cases."""
    weights = weigh(pins, counts)
    rates = {name: _carried(pins, left, weights, headroom) for name, left in _cases(pins, counts, survive)}
    worst = min(rates, key=lambda name: rates[name])
    return Sized(counts=dict(counts), carried=rates[worst], worst=worst)


def _carried(pins: Sequence[Measured], left: Mapping[str, int], weights: Mapping[str, int], headroom: float) -> float:
    """Groups add up; within one the first unit to be full bounds it. A server's packing is that before the loss."""
    total = 0.0
    for group in {pin.group for pin in pins}:
        mine = [pin for pin in pins if pin.group == group and left[pin.unit]]
        each = {pin.unit: pin.one(left[pin.unit]) for pin in mine}
        total += carried(each, {unit: left[unit] for unit in each}, weights, headroom)
    return total


def _cases(
    pins: Sequence[Measured], counts: Mapping[str, int], survive: Survive
) -> Iterator[tuple[str, dict[str, int]]]:
    """What is left in each case: (what is lost, servers by unit)."""
    if survive == "nothing":
        yield "nothing", dict(counts)
    elif survive == "site":
        for site in sorted({pin.site for pin in pins}):
            yield f"site {site}", {pin.unit: 0 if pin.site == site else counts[pin.unit] for pin in pins}
    else:
        for domain in sorted({pin.domain for pin in pins}):
            lost = {pin.unit: pin.packing(counts[pin.unit]) for pin in pins if pin.domain == domain}
            yield domain, {unit: max(0, count - lost.get(unit, 0)) for unit, count in counts.items()}


def _grown(pins: Sequence[Measured], counts: Mapping[str, int], need: float, survive: Survive) -> dict[str, int]:
    made = dict(counts)
    lacking = _lack(pins, made, need, survive)
    while lacking > 0:
        tries = [
            (_lack(pins, made | {pin.unit: made[pin.unit] + 1}, need, survive), number)
            for number, pin in enumerate(pins)
            if made[pin.unit] < pin.room
        ]
        if not tries or min(tries)[0] >= lacking:
            break
        lacking, number = min(tries)
        made[pins[number].unit] += 1
    return made


def _lack(pins: Sequence[Measured], counts: Mapping[str, int], need: float, survive: Survive) -> float:
    """What all cases lack, summed; the worst counts most, so that it is mended first."""
    lacks = [
        max(0.0, need - sum(left[pin.unit] * pin.one(left[pin.unit]) for pin in pins))
        for _, left in _cases(pins, counts, survive)
    ]
    return sum(lack * lack for lack in lacks)


def _pruned(pins: Sequence[Measured], found: Sized, responses: float, headroom: float, survive: Survive) -> Sized:
    for pin in sorted(pins, key=lambda one: one.one(found.counts[one.unit])):
        while found.counts[pin.unit] > pin.least:
            fewer = rated(pins, {**found.counts, pin.unit: found.counts[pin.unit] - 1}, headroom, survive)
            if fewer.carried < responses:
                break
            found = fewer
    return dataclasses.replace(found, counts=dict(found.counts))
