"""Carries accepted calls out: one thread per event that has some, none otherwise."""

from __future__ import annotations

import logging
import threading

from cloudsentry.errors import Busy, Owned, PlanStale, SentryError, Unreachable
from cloudsentry.executor.clock import Clock
from cloudsentry.scaling.scale import Scaler

LOG = logging.getLogger(__name__)
AGAIN = 2.0
"""Seconds until an event that another process holds is tried again."""


class Worker:
    """What is accepted is in the journal, so a worker that is killed loses nothing: `resume` goes on."""

    def __init__(self, scaler: Scaler, clock: Clock, *, expiry: float) -> None:
        """``clock`` is stopped by `stop`; runs that share it end cleanly then."""
        self._scaler, self._clock, self._expiry = scaler, clock, expiry
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Thread] = {}
        self._nudged: set[str] = set()

    def resume(self) -> None:
        """Go on with what an earlier process accepted."""
        for event in self._scaler.waiting():
            self.nudge(event)

    def nudge(self, event: str) -> None:
        """See to it that the event's accepted calls are carried out; returns at once."""
        with self._lock:
            self._nudged.add(event)
            if event not in self._busy:
                thread = threading.Thread(target=self._work, args=(event,), name=f"hook-{event}", daemon=True)
                self._busy[event] = thread
                thread.start()

    def stop(self, seconds: float = 30.0) -> None:
        """End the runs cleanly, and wait for them at most so long."""
        self._clock.stop()
        self.settle(seconds)

    def settle(self, seconds: float = 30.0) -> bool:
        """Wait until nothing is being carried out, at most so long; whether that is so."""
        with self._lock:
            threads = tuple(self._busy.values())
        for thread in threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in threads)

    def _work(self, event: str) -> None:
        while self._more(event):
            try:
                while not self._clock.stopped and self._carried(event):
                    pass
            except SentryError as error:
                LOG.error("event %s: %s", event, error)

    def _more(self, event: str) -> bool:
        """Whether somebody nudged since; leaves, under the lock, where nobody did: no nudge falls in between."""
        with self._lock:
            if event in self._nudged and not self._clock.stopped:
                self._nudged.discard(event)
                return True
            del self._busy[event]
            return False

    def _carried(self, event: str) -> bool:
        try:
            return self._scaler.carry_out(event, self._expiry)
        except (Owned, PlanStale, Busy, Unreachable) as error:
            LOG.warning("event %s: not yet: %s", event, error)
            self._clock.sleep(AGAIN)
            return True
