"""The contract of a steering driver: two methods.

Constructed with the place it works at; no memory of the event; never sleeps, retries, starts a thread, reads
configuration or prints. What stood before the event is kept beside the mark, at the place itself.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass

from cloudsentry.records.steering import Options, SteeringOrder, SteeringView

CLOSE = 1.0
"""Percent: how far the share that the means give may be from the wanted one, of itself or of all clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringScope:
    """What to look for. ``wanted`` are (unit, options) of the event's steerings at this place, for a full look."""

    event: str
    full: bool = False
    wanted: tuple[tuple[str, Options], ...] = ()


class SteeringDriver(abc.ABC):
    """Sends shares of an event's clients to its targets, at one place."""

    @abc.abstractmethod
    def observe(self, scope: SteeringScope) -> SteeringView:
        """Look, and write nothing: every steering with the event's mark, and the shares that its means really give.

        A full look also says in ``missing`` why a wanted one could not be done. Raises a `DriverError`.
        """

    @abc.abstractmethod
    def act(self, order: SteeringOrder) -> None:
        """Make the change of an order, and return at once.

        `SetShares`: the mark and what stands now are durable before anything changes; safe to repeat, also after
        a kill anywhere within. `Conflict` where clients would be sent to nobody, `NotSupported` where the means
        cannot give the shares to within `CLOSE`. `Revert`: what stood before is back, byte for byte where nobody
        else has changed it since; the mark stays and tells when old answers end. `Forget`: mark and backup are gone;
        what was not reverted is a `Conflict`. Reverting or forgetting what is not there is done.
        """
