"""Pass after pass over all events: decide, apply, mend. One event's trouble is not another's.

Many agents may share one journal: who works on an event holds it, the others pass it over.
"""

from __future__ import annotations

import logging

from cloudsentry.errors import Owned, SentryError
from cloudsentry.executor.clock import Clock
from cloudsentry.scale import Scaler, Tick

LOG = logging.getLogger(__name__)


class Agent:
    """Ticks and reconciles the events of a journal."""

    def __init__(self, scaler: Scaler, clock: Clock, *, every: float) -> None:
        """``every`` is the seconds from the begin of one pass to that of the next; ``clock`` ends all when stopped."""
        self._scaler, self._clock, self._every = scaler, clock, every

    def run(self, times: int = 0) -> int:
        """Pass over the events until the clock is stopped, or so many times; returns the passes made."""
        passes = 0
        while not self._clock.stopped:
            began = self._clock.now()
            self.once()
            passes += 1
            if passes == times:
                break
            self._clock.sleep(self._every - (self._clock.now() - began))
        return passes

    def once(self) -> tuple[Tick, ...]:
        """One pass; what cannot be done now is logged, and met again in the next one."""
        try:
            events = self._scaler.events()
        except SentryError as error:
            LOG.error("no pass: %s", error)
            return ()
        ticks = [self._tick(event) for event in events if not self._clock.stopped]
        return tuple(tick for tick in ticks if tick is not None)

    def _tick(self, event: str) -> Tick | None:
        try:
            tick = self._scaler.tick(event, reconcile=True, source="agent")
        except Owned as error:
            LOG.info("%s", error)
            return None
        except SentryError as error:
            LOG.error("event %s: %s", event, error)
            return None
        for row in tick.decisions:
            if row.wanted != row.current:
                why = "; ".join(row.reasons)
                LOG.warning(
                    "event %s pool %s: %d → %d (%s): %s", event, row.pool, row.current, row.wanted, row.rule, why
                )
        if tick.report is not None:
            LOG.warning("event %s: run %d %s", event, tick.report.run, tick.report.outcome)
        return tick
