"""Rates from counters that only grow, wrap, and begin anew. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cloudsentry.drivers.signal.base import measured
from cloudsentry.records.scaling import Count, Missing, Reading

OLDEST = 900.0
"""Seconds after which a counter's earlier reading tells no rate of now."""
FASTEST = 12.5e9
"""Bytes, or anything else, per second that no link carries (100 Gbit/s): a "wrap" that would mean more is a restart."""


def rate(before: Sequence[Count], now: Sequence[Count], unit: str, source: str, bits: int = 0) -> Reading | Missing:
    """What all counters grew by per second since ``before``, in ``unit``; counters of ``bits`` wrap.

    Missing at the first look, where a counter began anew, and where the last look is too long ago. A counter that is
    new since then (a server that came) counts from the next look on; one that is gone counts no more.
    """
    old = {count.name: count for count in before}
    pairs = [(old[count.name], count) for count in now if count.name in old]
    if not now:
        return Missing(why="there is nothing that counts", source=source)
    spans = [(after.at - earlier.at).total_seconds() for earlier, after in pairs]
    if not pairs or max(spans) > OLDEST or min(spans) <= 0:
        return Missing(why="counted for the first time: a rate needs two looks", source=source, counts=tuple(now))
    total = 0.0
    for (earlier, after), span in zip(pairs, spans, strict=True):
        grown = after.value - earlier.value
        if grown < 0 and bits:
            grown += 2**bits
        if grown < 0 or grown / span > FASTEST:
            return Missing(why=f"the counter {after.name} began anew", source=source, counts=tuple(now))
        total += grown / span
    found = measured(total, unit, source)
    if isinstance(found, Missing):
        return found
    return Reading(value=found.value, unit=found.unit, source=source, counts=tuple(now))
