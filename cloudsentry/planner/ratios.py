"""From capacities to weights, and what weighted servers carry together. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import floor

TOLERANCE = 0.02
"""Smaller integers are taken where no unit gets more than this part more than another, measured by capacity."""
ROUNDING = 1e-9
"""So that 3 × (1 / 3) is 1."""


def weights_of(capacities: Mapping[str, float], most: int, *, tolerance: float = TOLERANCE) -> dict[str, int]:
    """Integers from 1 to ``most`` in the ratio of the capacities; 0 for a capacity of 0.

    The error of weights is how much more per capacity the best-off unit gets than the worst-off. The result has the
    least error that is possible, or where that is within ``tolerance`` one within it, of smaller integers.
    """
    known = {unit: capacity for unit, capacity in capacities.items() if capacity > 0}
    if not known:
        return dict.fromkeys(capacities, 0)
    rated = [(error(found, capacities), max(found.values()), found) for found in _candidates(known, most)]
    small = [one for one in rated if one[0] <= tolerance]
    best = min(small, key=lambda one: (one[1], one[0])) if small else min(rated, key=lambda one: (one[0], one[1]))
    return dict.fromkeys(capacities, 0) | best[2]


def _candidates(known: Mapping[str, float], most: int) -> Iterator[dict[str, int]]:
    """Weights among which those of least error are: one unit is best off, and the others get as near as they can.

    Given the best-off unit and its weight, a larger weight of another unit that stays below it only lessens the error.
    """
    for capacity in known.values():
        for weight in range(1, most + 1):
            made = {unit: min(most, floor(weight * other / capacity + ROUNDING)) for unit, other in known.items()}
            if min(made.values()) >= 1:
                yield made


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
