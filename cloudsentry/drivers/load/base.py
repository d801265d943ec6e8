"""The contract of a load driver: one method.

Constructed with the place it sends load from (``local``, ``netns:NAME`` or ``ssh://user@host[:port]``).
"""

from __future__ import annotations

import abc
import re

from cloudsentry.errors import NotSupported
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


_PATH = re.compile(r"/[!-~]*")


def sensible(order: LoadOrder) -> None:
    """Raises `NotSupported` for an order that makes no sense."""
    if not order.targets or order.connections < 1 or not 1 <= order.seconds <= SECONDS_MOST:
        raise NotSupported(f"an order needs targets, connections, and from 1 to {SECONDS_MOST:.0f} seconds")
    if not _PATH.fullmatch(order.path):
        raise NotSupported(f"{order.path!r} is no path: it begins with a slash and has no blanks")
