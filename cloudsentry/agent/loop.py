"""Pass after pass over all events: decide, apply, mend. One event's trouble is not another's.

Between passes, weights of the events that ask for it follow what their members show: more often, by a thread of its
own, and at the agent that passed over the event last, so that of many agents one follows.

Many agents may share one journal. Whoever gets the lease of an event passes over it; the others leave it alone until
its next pass is due. A held event is asked for again within half a lease, so that a dead agent's events
are taken over soon after its lease is over.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import queue
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from cloudsentry.errors import Lost, Owned, SentryError
from cloudsentry.executor.clock import Clock
from cloudsentry.journal.passes import PassRow
from cloudsentry.scaling.scale import Scaler, Tick

LOG = logging.getLogger(__name__)

LISTEN = 1.0
"""Seconds between two looks at the journal for nudges and new events."""
FOLLOW = 5.0
"""Seconds between two looks at the members of events whose weights follow, as `weights follow` has them."""


class Agent:
    """Ticks and reconciles the events of a journal; as many at once as there are scalers, each with its own calls."""

    def __init__(
        self,
        scaler: Scaler,
        clock: Clock,
        *,
        every: float,
        others: Sequence[Scaler] = (),
        name: str = "",
        follow: Callable[[str], object] | None = None,
    ) -> None:
        """``every`` is the seconds from the begin of one pass to that of the next; ``clock`` ends all when stopped.

        ``name`` tells this agent from others of the same journal; by default it is the process's. ``follow`` looks
        once at an event whose weights may follow its members; it is called by one thread at a time.
        """
        self._follow, self._follow_due = follow, 0.0
        self._looking: Future[None] | None = None
        self._scaler, self._clock, self._every = scaler, clock, every
        self._name = name or f"{socket.gethostname()}-{os.getpid()}"
        self._workers = 1 + len(others)
        self._free: queue.SimpleQueue[Scaler] = queue.SimpleQueue()
        for one in (scaler, *others):
            self._free.put(one)
        self._due: dict[str, float] = {}
        self._nudges: dict[str, int] = {}
        self._running: dict[str, Future[Tick | None]] = {}
        self._held: set[str] = set()

    def run(self, times: int = 0) -> int:
        """Pass over the events until the clock is stopped, or so many times; returns the passes made."""
        if not times:
            self.keep()
            return 0
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
        events = self._events()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="agent") as pool:
            ticks = tuple(pool.map(self._tick, events))
        self._look_at(self._mine())
        return tuple(tick for tick in ticks if tick is not None)

    def keep(self) -> None:
        """Every event at its own time, until the clock is stopped; those under way are brought to a clean end."""
        with (
            ThreadPoolExecutor(self._workers, thread_name_prefix="agent") as pool,
            ThreadPoolExecutor(1, thread_name_prefix="follow") as beside,
        ):
            while not self._clock.stopped:
                self._begin(pool)
                self._begin_to_look(beside)
                self._clock.until_done(set(self._running.values()), self._pause())
                self._collect()

    def _pause(self) -> float:
        """Seconds until something may be begun, unless a pass ends sooner."""
        waiting = [at for event, at in self._due.items() if event not in self._running]
        if len(self._running) >= self._workers or not waiting:
            return LISTEN
        return min(LISTEN, max(0.05, min(waiting) - self._clock.now()))

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        now, events, passes = self._clock.now(), self._events(), self._passes()
        for gone in self._due.keys() - set(events):
            del self._due[gone]
        for event in events:
            row = passes.get(event)
            nudged = row is not None and row.nudges > self._nudges.get(event, row.nudges)
            self._nudges[event] = row.nudges if row else 0
            if nudged:
                LOG.info("event %s: nudged", event)
            due = nudged or self._due.setdefault(event, now) <= now
            if not due or event in self._running or len(self._running) >= self._workers:
                self._due[event] = min(self._due[event], now) if nudged else self._due[event]
                continue
            since = None if row is None else _age(row)
            if not nudged and row is not None and row.agent != self._name and since is not None and since < self._every:
                self._due[event] = now + self._every - since  # another agent has seen to it
                continue
            self._due[event] = now + self._every
            self._running[event] = pool.submit(self._tick, event)

    def _begin_to_look(self, beside: ThreadPoolExecutor) -> None:
        now = self._clock.now()
        if self._follow is None or now < self._follow_due or (self._looking and not self._looking.done()):
            return
        if self._looking is not None:
            self._looking.result()
        self._follow_due = now + FOLLOW
        self._looking = beside.submit(self._look_at, self._mine())

    def _mine(self) -> tuple[str, ...]:
        """The events that this agent passed over last."""
        if self._follow is None:
            return ()
        rows = self._passes()
        return tuple(event for event in self._events() if event in rows and rows[event].agent == self._name)

    def _look_at(self, events: Sequence[str]) -> None:
        """One look at each; what cannot be seen or done now is logged, and met again in the next one."""
        for event in events:
            if self._follow is None or self._clock.stopped:
                return
            try:
                self._follow(event)
            except SentryError as error:
                LOG.info("event %s: weights do not follow now: %s", event, error)

    def _collect(self) -> None:
        """An event that another holds, or has taken, is asked for again well within its lease."""
        for event in [event for event, future in self._running.items() if future.done()]:
            self._running.pop(event).result()
            if event in self._held:
                self._held.discard(event)
                self._due[event] = self._clock.now() + min(self._every, self._scaler.settings.ownership.lease / 2)

    def _events(self) -> tuple[str, ...]:
        try:
            return self._scaler.events()
        except SentryError as error:
            LOG.error("no pass: %s", error)
            return ()

    def _passes(self) -> dict[str, PassRow]:
        try:
            return self._scaler.passes.all()
        except SentryError as error:
            LOG.error("no pass: %s", error)
            return {}

    def _tick(self, event: str) -> Tick | None:
        if self._clock.stopped:
            return None
        scaler = self._free.get()
        try:
            return self._reported(scaler, event)
        finally:
            self._free.put(scaler)

    def _reported(self, scaler: Scaler, event: str) -> Tick | None:
        try:
            tick = scaler.agents_tick(event, self._name)
        except Lost as error:
            LOG.error("%s", error)
            self._held.add(event)
            return None
        except Owned as error:
            LOG.info("%s", error)
            self._held.add(event)
            return None
        except SentryError as error:
            LOG.error("event %s: %s", event, error)
            return None
        _tell(event, tick)
        return tick


def _age(row: PassRow) -> float | None:
    """Seconds since an event's newest pass began; None where there was none, or its agent's clock is ahead."""
    if row.began is None:
        return None
    age = (dt.datetime.now(dt.UTC) - row.began).total_seconds()
    return age if age >= 0 else None


def _tell(event: str, tick: Tick) -> None:
    for line in tick.alarms:
        LOG.warning("event %s: alarm: %s", event, line)
    for row in tick.decisions:
        if row.wanted != row.current:
            why = "; ".join(row.reasons)
            LOG.warning("event %s pool %s: %d → %d (%s): %s", event, row.pool, row.current, row.wanted, row.rule, why)
    if tick.report is not None:
        LOG.warning("event %s: run %d %s", event, tick.report.run, tick.report.outcome)
