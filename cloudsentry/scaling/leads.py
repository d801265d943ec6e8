"""How long before they are needed servers must be ordered, from the event's own runs: nobody types it by hand. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from cloudsentry.records.scaling import Boot

BOOT_UNKNOWN = 240.0
"""Seconds that servers are given to come up while no run of the event tells better: the slow end of usual clouds."""
BOOT_LEAST = 30.0
"""Seconds: no run that found servers half made may promise less."""
SHARE = 0.99
"""Share of the boots that a lead is long enough for."""


def lead(boots: Sequence[Boot], units: Collection[str], batch: int) -> float:
    """Seconds from a decision until ``batch`` servers serve: the 99th percentile of what it took on the slowest unit.

    A unit that no run tells of counts as the others do. What was learnt with larger or smaller batches is corrected by
    what each further server took (least squares over all boots, never less than nothing). A batch larger than any
    before is taken to last in proportion to the largest: the most it can be while servers boot alike.
    """
    if not boots:
        return BOOT_UNKNOWN
    largest = max(boot.batch for boot in boots)
    if batch > largest:
        return lead(boots, units, largest) * batch / largest
    each = slope(boots)
    known = {boot.unit for boot in boots if boot.unit in units}
    groups = [[boot for boot in boots if boot.unit == unit] for unit in known] or [list(boots)]
    took = [percentile([boot.seconds + each * (batch - boot.batch) for boot in group], SHARE) for group in groups]
    return max(BOOT_LEAST, *took)


def slope(boots: Sequence[Boot]) -> float:
    """Seconds that one more server in a batch takes; 0 where all batches were of one size."""
    middle = sum(boot.batch for boot in boots) / len(boots)
    mean = sum(boot.seconds for boot in boots) / len(boots)
    spread = sum((boot.batch - middle) ** 2 for boot in boots)
    if not spread:
        return 0.0
    return max(0.0, sum((boot.batch - middle) * (boot.seconds - mean) for boot in boots) / spread)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank; ``values`` in any order, at least one."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
