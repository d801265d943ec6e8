"""The hall's floor for scaling: looks at the timetable, the signals and the calls, lets a policy decide, and applies.

A decision that changes something is a new revision of the event with new counts, applied through the same
corridor as any other. What was decided, from what and why, is kept in the journal before it is done.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudsentry import conf, loading
from cloudsentry.drivers.policy.timetable import alarms
from cloudsentry.errors import Busy, DriverError, Lost, Owned, PlanStale, SentryError, Unreachable, UserError
from cloudsentry.journal.decisions import DecisionRow, Decisions, DecisionState, row_of
from cloudsentry.records.reports import Listener, Report, silent
from cloudsentry.records.scaling import Ask, Boot, Decision, Inputs, Missing, Reading
from cloudsentry.scaling.gathering import HOOK, Gatherer
from cloudsentry.scaling.meanwhile import Meanwhile
from cloudsentry.spec.event import Event
from cloudsentry.spec.scaling import SignalSpec, count_of, scaled

if TYPE_CHECKING:
    from cloudsentry.journal import RunRow
    from cloudsentry.journal.ownership import Hold
    from cloudsentry.journal.passes import Passes
    from cloudsentry.sentry import Sentry

AFTER_CALLS = "tick"
"""The source of decisions that fall while calls are carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call for capacity from outside.

    ``digest`` is what equal calls have in common; ``again`` the seconds after which an equal one is a new alarm.
    """

    event: str
    pool: str
    ask: Ask
    source: str
    digest: str
    again: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One pass over an event: a decision per scaled pool, and the report of the run, if there was need for one."""

    event: str
    now: dt.datetime
    decisions: tuple[DecisionRow, ...]
    report: Report | None = None
    alarms: tuple[str, ...] = ()
    """What somebody should act on: matches that cannot be ready in time, or at all."""


class Scaler:
    """Scaling of the events of one journal. Thread-safe."""

    def __init__(
        self,
        sentry: Sentry,
        *,
        wall: Callable[[], dt.datetime] | None = None,
        signals: Callable[[SignalSpec], Reading | Missing] | None = None,
        boots: Callable[[str], tuple[Boot, ...]] | None = None,
    ) -> None:
        """For a rehearsal: ``wall`` tells the time, aware; ``signals`` the load; ``boots`` how long servers take.

        The defaults are the machine's clock, the drivers of the family, and the event's own runs.
        """
        self._sentry = sentry
        self._wall = wall or (lambda: dt.datetime.now(dt.UTC))
        self._decisions = Decisions(sentry.settings.journal.connection)
        self._gatherer = Gatherer(
            self._decisions, signals=signals, boots=boots, connect=sentry.connect, look=sentry.balancer
        )
        # Two calls at once must see each other: the second one's "two more" is counted from the first one's.
        self._asking = threading.Lock()

    def close(self) -> None:
        """Let go of the journal."""
        self._gatherer.close()
        self._decisions.close()

    @property
    def settings(self) -> conf.Settings:
        """How the house is set up."""
        return self._sentry.settings

    def events(self) -> tuple[str, ...]:
        """The events that are to be kept."""
        return tuple(row.name for row in self._sentry.events() if row.state == "kept")

    @property
    def decisions(self) -> Decisions:
        """What was decided so far."""
        return self._decisions

    # By timetable and load

    def tick(
        self,
        name: str,
        *,
        at: dt.datetime | None = None,
        dry_run: bool = False,
        reconcile: bool = False,
        source: str = "tick",
        listen: Listener = silent,
        hold: Hold | None = None,
    ) -> Tick:
        """Decide for every scaled pool of an event, and apply what changes, or what an earlier run left undone.

        ``reconcile`` also looks at the clouds and mends what is not as the event wants it. ``dry_run`` keeps and
        applies nothing. Raises `UserError` for an event that is not there to be kept, and as `Sentry.apply`.
        """
        if dry_run:
            return self._tick(name, at, None, reconcile, source, listen)
        with contextlib.nullcontext(hold) if hold else self._sentry.holding(name) as mine:
            return self._tick(name, at, mine, reconcile, source, listen)

    def _tick(
        self, name: str, at: dt.datetime | None, hold: Hold | None, reconcile: bool, source: str, listen: Listener
    ) -> Tick:
        event, number, runs = self._kept(name)
        now = at or self._wall()
        seen = [self._gatherer.inputs(event, pool, now) for pool in sorted(event.scaling)]
        rows = tuple(self._decided(event, inputs, source) for inputs in seen)
        alarmed = tuple(line for inputs in seen for line in alarms(inputs))
        if hold is None:
            return Tick(event=name, now=now, decisions=rows, alarms=alarmed)
        for inputs in seen:
            self._gatherer.remember(inputs)
        decisions = self._decisions.under(hold)
        rows = tuple(decisions.add(row) for row in rows)
        wanted = {row.pool: row.wanted for row in rows if row.wanted != row.current}
        report = None
        if wanted or _unfinished(runs) or (reconcile and self._sentry.plan(event).steps):
            ids = [row.id for row in rows if row.pool in wanted]
            report = self._apply(event, wanted, number, ids, listen, hold, source)
        rows = tuple(self._decisions.get(row.id) if row.pool in wanted else row for row in rows)
        return Tick(event=name, now=now, decisions=rows, report=report, alarms=alarmed)

    def agents_tick(self, name: str, agent: str) -> Tick:
        """A reconciling `tick` that the other agents of the journal know of. Raises as `tick` does."""
        with self._sentry.holding(name) as hold:
            began = dt.datetime.now(dt.UTC)
            try:
                return self.tick(name, reconcile=True, source="agent", hold=hold)
            finally:
                self._sentry.passes(hold).made(name, agent, began)

    @property
    def passes(self) -> Passes:
        """When agents passed over events."""
        return self._sentry.passes()

    def explain(self, name: str, limit: int = 50, at: dt.datetime | None = None) -> tuple[DecisionRow, ...]:
        """An event's decisions, newest first; with ``at`` those that had been made by then."""
        self._sentry.event(name)
        return self._decisions.of(name, limit, at)

    # By somebody's call

    def ask(self, call: Call) -> tuple[DecisionRow, bool]:
        """Decide on a call, and queue what is to be done; returns the decision and whether the call is a new one.

        Raises `UserError` where the event or the pool is unknown or is not scaled: nothing is kept then.
        """
        with self._asking:
            now = self._wall()
            since = now - dt.timedelta(seconds=call.again)
            known = self._decisions.repeated(call.source, call.digest, since)
            if known is not None:
                return known, False
            event, _, _ = self._kept(call.event)
            inputs = self._gatherer.inputs(event, call.pool, now, call.ask)
            queued = [row for row in self._decisions.open(HOOK, call.event) if row.pool == call.pool]
            if queued:
                inputs = dataclasses.replace(inputs, current=queued[-1].wanted)
            decision: Decision = loading.load("cloudsentry.policy", "asked")().decide(inputs)
            row = row_of(inputs, decision, source=call.source, policy="asked", queued=True)
            return self._decisions.accept(row, call.source, call.digest, since, now)

    def waiting(self) -> tuple[str, ...]:
        """Events with accepted calls that are still to be carried out."""
        return tuple(sorted({row.event for row in self._decisions.open(HOOK)}))

    def carry_out(self, name: str, expiry: float) -> bool:
        """Do in one run what calls have asked of an event, unless they are older than ``expiry`` seconds.

        Returns False when nothing is left to do. Raises `Owned`, `PlanStale`, `Busy` or `Unreachable` where it is to
        be tried again; what cannot be done at all is noted at the decisions.
        """
        if not self._decisions.open(HOOK, name):
            return False
        with self._sentry.holding(name) as hold:
            return self._carried_out(name, expiry, hold)

    def _carried_out(self, name: str, expiry: float, hold: Hold) -> bool:
        decisions = self._decisions.under(hold)
        rows = decisions.open(HOOK, name)
        old = [row.id for row in rows if (self._wall() - row.at).total_seconds() > expiry]
        if old:
            decisions.move(old, "failed", error=f"given up after {expiry:g} s")
        rows = tuple(row for row in rows if row.id not in old)
        if not rows:
            return False
        ids = [row.id for row in rows]
        try:
            event, number, _ = self._kept(name)
            self._apply(event, _combined(event, rows), number, ids, silent, hold, AFTER_CALLS)
        except Lost:
            raise
        except (Owned, PlanStale, Busy, Unreachable):
            decisions.move(ids, "queued")
            raise
        except SentryError as error:
            decisions.move(ids, "failed", error=str(error))
        return True

    # What both need

    def _kept(self, name: str) -> tuple[Event, int, tuple[RunRow, ...]]:
        """An event that is to be kept as its newest revision says, that revision's number, and its newest run."""
        # The journal first: a caller's word for an event must never be taken for a file's name.
        row = self._sentry.known(name)
        if row is None:
            raise UserError(f"there is no event {name!r} in the journal: apply its file first")
        event, number = self._sentry.event(name)
        runs = self._sentry.runs(name, 1)
        if row.state != "kept" or (runs and runs[0].goal == "destroy"):
            raise UserError(f"event {name} was destroyed, or is about to be: apply its file to have it again")
        return event, number, runs

    def _decided(self, event: Event, inputs: Inputs, source: str) -> DecisionRow:
        policy = event.scaling[inputs.pool].policy
        decision: Decision = loading.load("cloudsentry.policy", policy)().decide(inputs)
        return row_of(inputs, decision, source=source, policy=policy)

    def _redecided(self, event: Event, source: str) -> tuple[DecisionRow, ...]:
        """Decisions on what is coming, while it comes."""
        now = self._wall()
        seen = [self._gatherer.inputs(event, pool, now) for pool in sorted(event.scaling)]
        for inputs in seen:
            self._gatherer.remember(inputs)
        return tuple(self._decided(event, inputs, source) for inputs in seen)

    def _called(self, event: Event) -> tuple[DecisionRow, ...]:
        """Open calls for more servers than are coming."""
        rows = self._decisions.open(HOOK, event.event)
        coming = {pool: count_of(event.pools[pool].pins) for pool in event.scaling}
        return tuple(row for row in rows if row.state == "queued" and row.wanted > coming.get(row.pool, row.wanted))

    def _apply(
        self,
        event: Event,
        wanted: dict[str, int],
        number: int,
        ids: list[int],
        listen: Listener,
        hold: Hold,
        source: str,
    ) -> Report:
        """Apply an event with new counts, and note at the decisions how it went.

        While servers boot decisions go on: what wants more of them ends the run, and a larger one goes on at once.
        """
        decisions = self._decisions.under(hold)
        ids = list(ids)
        try:
            while True:
                decisions.move(ids, "running")
                event = scaled(event, wanted)
                more = self._meanwhile(event, decisions, source)
                report = self._sentry.apply(event, since=number, listen=listen, hold=hold, until=more)
                if not more.grown or report.outcome != "stopped":
                    break
                ids += [row.id for row in more.grown]
                wanted = _combined(event, more.grown)
                event, number, _ = self._kept(event.event)
        except Lost:
            raise  # whoever has the event now goes on with what is noted as running
        except (Owned, PlanStale, Busy, Unreachable) as error:
            self._move_on(decisions, ids, "queued", str(error))
            raise
        except (SentryError, DriverError) as error:
            decisions.move(ids, "failed", error=str(error))
            raise
        if report.outcome == "stopped":  # this process ends: the next one goes on with the calls
            self._move_on(decisions, ids, "queued", "\n".join(report.left))
        else:
            state: DecisionState = "done" if report.outcome == "done" else "failed"
            decisions.move(ids, state, run=report.run, error="\n".join(report.left))
        return report

    def _meanwhile(self, event: Event, decisions: Decisions, source: str) -> Meanwhile:
        return Meanwhile(
            self._wall,
            decide=lambda: self._redecided(event, source),
            keep=decisions.add,
            called=lambda: self._called(event),
        )

    def _move_on(self, decisions: Decisions, ids: list[int], state: DecisionState, error: str) -> None:
        """Calls go on being tried; what a policy decided is decided anew."""
        calls = [id for id in ids if self._decisions.get(id).source.startswith(HOOK)]
        decisions.move(calls, state)
        decisions.move([id for id in ids if id not in calls], "failed", error=error)


def _unfinished(runs: tuple[RunRow, ...]) -> bool:
    """Whether the newest run did not reach its end as wanted: killed, stopped or failed."""
    return bool(runs) and runs[0].outcome != "done"


def _combined(event: Event, rows: Iterable[DecisionRow]) -> dict[str, int]:
    """What several calls want of each pool now: one that asked for more never takes away what came meanwhile."""
    wanted: dict[str, int] = {}
    for row in rows:
        scaling = event.scaling.get(row.pool)
        if scaling is None:
            continue
        count = wanted.get(row.pool, count_of(event.pools[row.pool].pins))
        count = max(count, row.wanted) if row.wanted > row.current else min(count, row.wanted)
        wanted[row.pool] = max(scaling.least, min(scaling.most, count))
    return wanted
