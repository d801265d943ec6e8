"""Load as the event's own balancer counts it: HAProxy, Apache or Octavia, through its driver."""

from __future__ import annotations

import datetime as dt

from cloudsentry.drivers.signal.base import SignalDriver, measured
from cloudsentry.drivers.signal.counters import rate
from cloudsentry.errors import SentryError
from cloudsentry.records.scaling import Count, Missing, Reading
from cloudsentry.records.views import Balancer


class BalancerSignal(SignalDriver):
    """``query`` is ``sessions`` (open now), ``requests`` or ``bytes`` (per second, from counters)."""

    def read(self) -> Reading | Missing:
        """One quick look. What a driver does not count is missing, as is a member whose counter began anew."""
        source = f"balancer {self.options.balancer}"
        try:
            found = self.options.look(self.options.balancer) if self.options.look else None
        except SentryError as error:
            return Missing(why=str(error), source=source)
        if found is None:
            return Missing(why="it is not there", source=source)
        if self.options.query == "sessions":
            return measured(found.connections, self.options.unit, source)
        counts = _counts(found, self.options.query)
        if counts is None:
            return Missing(why=f"its driver counts no {self.options.query}", source=source)
        return rate(self.options.before, counts, self.options.unit, source)


def _counts(found: Balancer, what: str) -> tuple[Count, ...] | None:
    now = dt.datetime.now(dt.UTC)
    whole = {"requests": found.served, "bytes": found.octets}.get(what)
    if whole is not None:
        return (Count(name=found.name, value=whole, at=now),)
    each = [(one.name, {"requests": one.served, "bytes": one.octets}.get(what)) for one in found.members]
    known = tuple(Count(name=name, value=value, at=now) for name, value in each if value is not None)
    return known if known or not each else None
