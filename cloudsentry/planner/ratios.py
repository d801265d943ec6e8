"""From capacities to weights, and what weighted servers carry together. Pure.

Capacity belongs to a kind of hypervisor, and what is measured of two hosts of one kind differs all the same, by as much
as the rounds of each differ among themselves. Weights that follow such differences, as 13/14/68/66, are no truer than
1/1/5/5: they load alike hosts unlike each other, and their long cycle spreads the requests less evenly. So units that
cannot be told apart are taken for one kind, and of all integers that agree with what was measured the smallest count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from statistics import fmean, median

TOLERANCE = 0.02
"""Integers are good enough where no unit gets more than this part more than another, measured by capacity."""
SPREAD_MOST = 0.1
"""A spread of the rounds beyond this part says that something else went on, and nothing of what units are alike."""
ROUNDING = 1e-9
"""So that 3 × (1 / 3) is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Units that were not told apart: every capacity from ``low`` to ``high`` agrees with what was measured of each."""

    units: tuple[str, ...]
    capacity: float
    low: float
    high: float


def kinds_of(
    capacities: Mapping[str, float], spreads: Mapping[str, float] | None = None, *, tolerance: float = TOLERANCE
) -> tuple[Kind, ...]:
    """The kinds among units with a capacity, by capacity; ``spreads`` as `width_of` takes them.

    What is known of a unit is its capacity, give or take its width. Units are one kind where some capacity agrees with
    all of them, so that chains of neighbours do not join what is far apart; the kinds' own ranges do not overlap.
    """
    known = {unit: capacity for unit, capacity in capacities.items() if capacity > 0}
    kinds: list[Kind] = []
    for capacity in sorted(set(known.values())):
        units = tuple(sorted(unit for unit in known if known[unit] == capacity))
        width = min(width_of(unit, spreads or {}, tolerance=tolerance) for unit in units)
        one = Kind(units=units, capacity=capacity, low=capacity * (1 - width), high=capacity * (1 + width))
        last = kinds[-1] if kinds else None
        if last is not None and one.low <= last.high:
            kinds[-1] = _joined((*last.units, *units), known, max(one.low, last.low), min(one.high, last.high))
        else:
            kinds.append(one)
    return tuple(kinds)


def _joined(units: tuple[str, ...], known: Mapping[str, float], low: float, high: float) -> Kind:
    middle = median(known[unit] for unit in units)
    return Kind(units=units, capacity=min(max(middle, low), high), low=low, high=high)


def width_of(unit: str, spreads: Mapping[str, float], *, tolerance: float = TOLERANCE) -> float:
    """By which part of it a unit's capacity may be off.

    ``spreads`` are the units' own: how far their rounds were off their median, as a part of it. Rounds are few, and may
    agree by chance: so a unit counts as known no better than all were on average, and never as better than within the
    tolerance.
    """
    usual = fmean(spreads.values()) if spreads else 0.0
    return max(min(SPREAD_MOST, max(spreads.get(unit, 0.0), usual)), tolerance / (2 + tolerance))


def weights_of(
    capacities: Mapping[str, float],
    most: int,
    spreads: Mapping[str, float] | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> dict[str, int]:
    """Integers from 1 to ``most`` in the ratio of the capacities; 0 for a capacity of 0.

    Units of one kind (`kinds_of`) have the same weight. The weights are the smallest integers in a ratio that agrees
    with all that was measured: times some number, each is within its unit's width. Where the range has none, those of
    the least error.
    """
    kinds = kinds_of(capacities, spreads, tolerance=tolerance)
    found = dict.fromkeys(capacities, 0)
    if not kinds:
        return found
    agreeing = list(_agreeing(kinds, most))
    weights = (
        min(agreeing, key=lambda made: (max(made), _error(made, kinds), made))
        if agreeing
        else min(_nearest(kinds, most), key=lambda made: (_error(made, kinds), max(made), made))
    )
    return found | {unit: weight for kind, weight in zip(kinds, weights, strict=True) for unit in kind.units}


def _agreeing(kinds: Sequence[Kind], most: int) -> Iterator[tuple[int, ...]]:
    """Weights that agree with what was measured, among them the smallest.

    What one point of weight stands for can be raised until a weight meets the upper end of its kind's range; so those
    are all the scales that matter. At each, a weight is the smallest within its range, or that nearest to its middle.
    """
    for kind in kinds:
        for weight in range(1, most + 1):
            scale = kind.high / weight
            ranges = [
                (max(1, ceil(k.low / scale - ROUNDING)), min(most, floor(k.high / scale + ROUNDING))) for k in kinds
            ]
            if all(least <= largest for least, largest in ranges):
                yield tuple(least for least, _ in ranges)
                yield tuple(
                    min(max(round(k.capacity / scale), least), largest)
                    for k, (least, largest) in zip(kinds, ranges, strict=True)
                )


def _nearest(kinds: Sequence[Kind], most: int) -> Iterator[tuple[int, ...]]:
    """Weights among which those of least error are: one kind is best off, and the others get as near as they can.

    Given the best-off kind and its weight, a larger weight of another that stays below it only lessens the error.
    """
    for best in kinds:
        for weight in range(1, most + 1):
            made = tuple(min(most, floor(weight * kind.capacity / best.capacity + ROUNDING)) for kind in kinds)
            if min(made) >= 1:
                yield made


def _error(weights: Sequence[int], kinds: Sequence[Kind]) -> float:
    parts = [weight / kind.capacity for weight, kind in zip(weights, kinds, strict=True)]
    return max(parts) / min(parts) - 1


def error(weights: Mapping[str, int], capacities: Mapping[str, float]) -> float:
    """How much more per capacity the best-off unit gets than the worst-off: 0 where the ratio is exact."""
    parts = [weight / capacities[unit] for unit, weight in weights.items() if weight and capacities[unit] > 0]
    return max(parts) / min(parts) - 1 if parts else 0.0


def carried(
    capacities: Mapping[str, float], counts: Mapping[str, int], weights: Mapping[str, int], headroom: float
) -> float:
    """Responses per second of all servers together when each gets its weight's share and none gets past its capacity.

    ``capacities`` are one server's, ``headroom`` is the part kept free. The first unit to be full bounds them all.
    """
    total = sum(counts[unit] * weights[unit] for unit in counts)
    bounds = [capacities[unit] * total / weights[unit] for unit in counts if counts[unit] and weights[unit]]
    return min(bounds, default=0.0) * (1 - headroom)
