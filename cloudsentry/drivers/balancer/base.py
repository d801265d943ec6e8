"""The contract of a balancer driver: two methods.

Constructed with the place it works on and its options; no memory of the event; never
sleeps, retries, starts a thread, reads configuration or prints.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass

from cloudsentry.records.orders import BalancerOrder
from cloudsentry.records.views import BalancerView


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerScope:
    """What to look for, of every event where ``event`` is empty.

    ``full`` True also checks the named networks, subnets and providers.
    """

    event: str
    full: bool = False
    networks: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    counters: bool = False
    """Whether connection counts are wanted (one more call per balancer)."""
    limits: bool = False
    """Whether quotas are wanted (a full look only; some calls more)."""


class BalancerDriver(abc.ABC):
    """Keeps the balancers of an event at one place."""

    @abc.abstractmethod
    def observe(self, scope: BalancerScope) -> BalancerView:
        """Look, and write nothing: every balancer with the event's mark, with its members. Raises a `DriverError`."""

    @abc.abstractmethod
    def act(self, order: BalancerOrder) -> None:
        """Make the one call of an order and return at once.

        All members and weights of a pool change in one transaction. Members without a mark
        are kept as they are. Deleting what is gone is done. `Busy` while the balancer works on
        something (Octavia's immutable 409), `NotSupported` where the provider cannot weigh.
        """
