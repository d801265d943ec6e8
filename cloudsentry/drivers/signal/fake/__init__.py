"""A load that is not there: the query is the answer."""

from __future__ import annotations

from cloudsentry.drivers.signal.base import SignalDriver, measured
from cloudsentry.records.scaling import Missing, Reading

SOURCE = "fake"


class FakeSignal(SignalDriver):
    """``query: "120"`` reads 120; ``query: "missing: why"`` is missing."""

    def read(self) -> Reading | Missing:
        """What the query says."""
        word, _, why = self.options.query.partition(":")
        if word == "missing":
            return Missing(why=why.strip() or "on order", source=SOURCE)
        return measured(self.options.query, self.options.unit, SOURCE)
