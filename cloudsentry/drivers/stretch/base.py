"""The contract of a stretch driver: two methods, and never a look at the other cloud.

Constructed with its cloud; no memory of the event; never sleeps, retries, starts a thread, reads
configuration or prints.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass

from cloudsentry.records.stretching import StretchOrder, StretchView


@dataclass(frozen=True, slots=True, kw_only=True)
class StretchScope:
    """What to look for. ``wanted`` are (unit, options) of the event's stretches at this place, for a full look."""

    event: str
    full: bool = False
    wanted: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()


class StretchDriver(abc.ABC):
    """Keeps this cloud's ends of an event's stretched networks."""

    @abc.abstractmethod
    def observe(self, scope: StretchScope) -> StretchView:
        """Look, and write nothing: every end with the event's mark, its offer and what it is joined to.

        A full look also says in ``missing`` why a wanted end could not be made: an extension that is not
        loaded, a segment in use, addresses that overlap, rights or quota. Raises a `DriverError`.
        """

    @abc.abstractmethod
    def act(self, order: StretchOrder) -> None:
        """Make the calls of an order as far as their objects are not there yet, and return at once.

        Safe to repeat: every object is looked for by its mark first. Deleting what is gone is done.
        """
