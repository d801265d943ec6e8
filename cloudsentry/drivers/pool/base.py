"""The contract of a pool driver: two methods.

A driver is constructed with the place it works on and its options; it keeps no memory of
the event. It never sleeps, retries, starts a thread, reads configuration or prints.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass

from cloudsentry.records.orders import PoolOrder
from cloudsentry.records.views import PoolView


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolScope:
    """What to look for: the event's mark (every event's where ``event`` is empty), and the names it refers to here.

    ``full`` False asks for the marked servers and groups only (a poll), True also for
    hypervisors, rights and the named images, flavors, networks, keypairs and security groups.
    """

    event: str
    full: bool = False
    images: tuple[str, ...] = ()
    flavors: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    hypervisors: tuple[str, ...] = ()
    aggregates: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    key_names: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    groups: bool = False
    """Whether the event uses server groups (saves the call where it does not)."""
    limits: bool = False
    """Whether quotas, sizes and free addresses are wanted (a full look only; some calls more)."""

    @property
    def pinned(self) -> bool:
        """Whether any pin needs the administrator's view of hypervisors."""
        return bool(self.hypervisors or self.aggregates or self.traits)


class PoolDriver(abc.ABC):
    """Keeps the servers of an event on one cloud."""

    @abc.abstractmethod
    def observe(self, scope: PoolScope) -> PoolView:
        """Look, and write nothing.

        Returns every server that bears the event's mark, whatever its state, in one filtered list
        (paged by the cloud). Raises a `DriverError`.
        """

    @abc.abstractmethod
    def act(self, order: PoolOrder) -> None:
        """Make the calls of one order and return at once, without waiting for their effect.

        Deleting what is gone is done. Making the same order twice makes it twice: whoever calls
        looks first (`order.seen`). Raises a `DriverError`; `Ambiguous` where a create may have
        had its effect.
        """
