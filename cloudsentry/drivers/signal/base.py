"""The contract of a signal: one method."""

from __future__ import annotations

import abc
from dataclasses import dataclass

from cloudsentry.records.scaling import Missing, Reading

PER_SECOND = {"requests/s": 1.0, "requests/min": 1 / 60}
"""Units that a signal may count in, as requests per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalOptions:
    """What a signal is made with; ``timeout`` in seconds."""

    url: str = ""
    query: str = ""
    unit: str = "requests/s"
    timeout: float = 5.0


class SignalDriver(abc.ABC):
    """Constructed with its options; makes no call by that."""

    def __init__(self, options: SignalOptions) -> None:
        self.options = options

    @abc.abstractmethod
    def read(self) -> Reading | Missing:
        """The load of now in requests per second, or why there is none.

        Raises nothing for a source that is down, slow, or answers something else than one number: that is `Missing`.
        """


def measured(value: object, unit: str, source: str) -> Reading | Missing:
    """A number of ``unit`` as a reading; `Missing` for what is no load: no number, negative, NaN, infinite."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return Missing(why=f"expected a number, found {str(value)[:60]!r}", source=source)
    if unit not in PER_SECOND:
        return Missing(why=f"unit {unit!r} is not one of {', '.join(PER_SECOND)}", source=source)
    if not 0 <= number < float("inf"):
        return Missing(why=f"{number} is no load", source=source)
    return Reading(value=number * PER_SECOND[unit], unit="requests/s", source=source)
