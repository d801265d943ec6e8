"""The contract of a load driver: one method.

Constructed with the place it sends load from (``local``, ``netns:NAME`` or ``ssh://user@host[:port]``).
"""

from __future__ import annotations

import abc

from cloudsentry.records.loading import LoadOrder, LoadResult

SECONDS_MOST = 15.0
"""A driver's one call ends within what a command on a host may take (`cloudsentry.clouds.hosts.ANSWER`)."""


class LoadDriver(abc.ABC):
    """Sends load from one place."""

    @abc.abstractmethod
    def drive(self, order: LoadOrder) -> LoadResult:
        """Drive an order for its seconds (at most `SECONDS_MOST`), and tell what came back.

        Targets that do not answer are errors in the result. `NotSupported` where the place has not what it takes,
        or the order makes no sense; another `DriverError` where the place cannot be reached.
        """
