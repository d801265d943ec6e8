"""The contract of a signal: one method."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudsentry.records.scaling import Count, Missing, Reading
from cloudsentry.records.views import Balancer

if TYPE_CHECKING:
    from cloudsentry.clouds.session import Cloud

UNITS = {
    "requests/s": ("requests/s", 1.0),
    "requests/min": ("requests/s", 1 / 60),
    "sessions": ("sessions", 1.0),
    "Mbit/s": ("Mbit/s", 1.0),
    "bit/s": ("Mbit/s", 1e-6),
    "bytes/s": ("Mbit/s", 8e-6),
    "packets/s": ("packets/s", 1.0),
}
"""Units that a signal may count in: what they measure, and how many of it one is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalOptions:
    """What a signal is made with; ``timeout`` in seconds.

    ``before`` are the counters of the reading before this one. ``event``, ``pool``, ``cloud`` and ``balancer`` are the
    event's own names, ``connect`` opens a cloud and ``look`` a balancer, for the signals that read those.
    """

    url: str = ""
    query: str = ""
    unit: str = "requests/s"
    timeout: float = 5.0
    event: str = ""
    pool: str = ""
    cloud: str = ""
    balancer: str = ""
    community: str = field(default="public", repr=False)
    before: tuple[Count, ...] = ()
    connect: Callable[[str], Cloud] | None = None
    look: Callable[[str], Balancer | None] | None = None


class SignalDriver(abc.ABC):
    """Constructed with its options; makes no call by that."""

    def __init__(self, options: SignalOptions) -> None:
        self.options = options

    @abc.abstractmethod
    def read(self) -> Reading | Missing:
        """The load of now in what its unit measures, or why there is none.

        Raises nothing for a source that is down, slow, or answers something else than one number: that is `Missing`.
        """


def measured(value: object, unit: str, source: str) -> Reading | Missing:
    """A number of ``unit`` as a reading; `Missing` for what is no load: no number, negative, NaN, infinite."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return Missing(why=f"expected a number, found {str(value)[:60]!r}", source=source)
    if unit not in UNITS:
        return Missing(why=f"unit {unit!r} is not one of {', '.join(UNITS)}", source=source)
    if not 0 <= number < float("inf"):
        return Missing(why=f"{number} is no load", source=source)
    measures, times = UNITS[unit]
    return Reading(value=number * times, unit=measures, source=source)
