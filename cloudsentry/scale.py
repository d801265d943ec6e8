"""The hall's floor for scaling: looks at the timetable, the signals and the calls, lets a policy decide, and applies.

A decision that changes something is a new revision of the event with new counts, applied through the same
corridor as any other. What was decided, from what and why, is kept in the journal before it is done.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudsentry import conf, loading
from cloudsentry.drivers.signal.base import SignalOptions
from cloudsentry.errors import Busy, DriverError, Lost, Owned, PlanStale, SentryError, Unreachable, UserError
from cloudsentry.journal.decisions import DecisionRow, Decisions, row_of
from cloudsentry.records.reports import Listener, Report
from cloudsentry.records.scaling import Ask, Decision, Inputs, Missing, Reading, Sample
from cloudsentry.spec.event import Event
from cloudsentry.spec.scaling import SignalSpec, capacities, count_of, scaled

if TYPE_CHECKING:
    from cloudsentry.journal import RunRow
    from cloudsentry.journal.ownership import Hold
    from cloudsentry.journal.passes import Passes
    from cloudsentry.sentry import Sentry

BOOT_UNKNOWN = 240.0
"""Seconds that servers are given to come up while no run of the event tells better: the slow end of usual clouds."""
BOOT_LEAST = 30.0
"""Seconds: no run that found servers half made may promise less."""
RECENT = 900.0
"""Seconds that readings are kept for the next decisions: as long as a policy looks back."""
HOOK = "hook:"
"""How the source of a decision begins that a hook's worker carries out."""


def silent(note: object) -> None:
    """A listener that hears nothing."""


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


class Scaler:
    """Scaling of the events of one journal. Thread-safe."""

    def __init__(
        self,
        sentry: Sentry,
        *,
        wall: Callable[[], dt.datetime] | None = None,
        signals: Callable[[SignalSpec], Reading | Missing] | None = None,
        boots: Callable[[tuple[RunRow, ...]], float] | None = None,
    ) -> None:
        """For a rehearsal: ``wall`` tells the time, aware; ``signals`` the load; ``boots`` how long servers take.

        The defaults are the machine's clock, the drivers of the family, and the event's own runs.
        """
        self._sentry = sentry
        self._signals = signals or _read
        self._boots = boots or boot_seconds
        self._wall = wall or (lambda: dt.datetime.now(dt.UTC))
        self._decisions = Decisions(sentry.settings.journal.connection)
        # Two calls at once must see each other: the second one's "two more" is counted from the first one's.
        self._asking = threading.Lock()

    def close(self) -> None:
        """Let go of the journal."""
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
        rows = tuple(self._decided(event, pool, now, runs, source) for pool in sorted(event.scaling))
        if hold is None:
            return Tick(event=name, now=now, decisions=rows)
        decisions = self._decisions.under(hold)
        rows = tuple(decisions.add(row) for row in rows)
        wanted = {row.pool: row.wanted for row in rows if row.wanted != row.current}
        report = None
        if wanted or _unfinished(runs) or (reconcile and self._sentry.plan(event).steps):
            report = self._apply(event, wanted, number, [row.id for row in rows if row.pool in wanted], listen, hold)
        rows = tuple(self._decisions.get(row.id) if row.pool in wanted else row for row in rows)
        return Tick(event=name, now=now, decisions=rows, report=report)

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
            event, _, runs = self._kept(call.event)
            inputs = self._inputs(event, call.pool, now, runs, call.ask)
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
            if self._apply(event, _combined(event, rows), number, ids, silent, hold).outcome == "stopped":
                decisions.move(ids, "queued")  # this process ends: the next one goes on
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
        """An event that is to be kept as its newest revision says, that revision's number, and its runs."""
        # The journal first: a caller's word for an event must never be taken for a file's name.
        row = next((row for row in self._sentry.events() if row.name == name), None)
        if row is None:
            raise UserError(f"there is no event {name!r} in the journal: apply its file first")
        event, number = self._sentry.event(name)
        runs = self._sentry.runs(name)
        if row.state != "kept" or (runs and runs[0].goal == "destroy"):
            raise UserError(f"event {name} was destroyed, or is about to be: apply its file to have it again")
        return event, number, runs

    def _decided(self, event: Event, pool: str, now: dt.datetime, runs: tuple[RunRow, ...], source: str) -> DecisionRow:
        policy = event.scaling[pool].policy
        inputs = self._inputs(event, pool, now, runs)
        decision: Decision = loading.load("cloudsentry.policy", policy)().decide(inputs)
        return row_of(inputs, decision, source=source, policy=policy)

    def _inputs(
        self, event: Event, pool: str, now: dt.datetime, runs: tuple[RunRow, ...], ask: Ask | None = None
    ) -> Inputs:
        scaling = event.scaling.get(pool)
        if scaling is None:
            known = ", ".join(sorted(event.scaling)) or "none"
            raise UserError(f"event {event.event} does not scale a pool {pool!r} (it scales: {known})")
        pins = event.pools[pool].pins
        return Inputs(
            event=event.event,
            pool=pool,
            now=now,
            current=count_of(pins),
            least=scaling.least,
            most=scaling.most,
            capacities=capacities(pins, scaling),
            step=scaling.step,
            cooldown=scaling.cooldown,
            ahead=scaling.lead,
            boot=self._boots(runs),
            utilisation=scaling.utilisation,
            demands=event.calendar.demands() if event.calendar else (),
            signal=self._signals(scaling.signal) if scaling.signal else None,
            witness=self._signals(scaling.witness) if scaling.witness else None,
            recent=self._recent(event.event, pool, now),
            ask=ask,
            changed=self._decisions.changed(event.event, pool),
            called=self._decisions.changed(event.event, pool, grown_by=HOOK),
            hold=scaling.hold,
        )

    def _recent(self, event: str, pool: str, now: dt.datetime) -> tuple[Sample, ...]:
        """What the signal read lately: each decision hands on what it saw, so that a one-shot tick knows it too."""
        row = self._decisions.newest(event, pool)
        if row is None:
            return ()
        known = [(dt.datetime.fromisoformat(old["at"]), old["value"]) for old in row.inputs.get("recent", ())]
        if "value" in (row.inputs.get("signal") or {}):
            known.append((row.until, row.inputs["signal"]["value"]))
        return tuple(Sample(at=at, value=value) for at, value in known if 0 < (now - at).total_seconds() < RECENT)

    def _apply(
        self, event: Event, wanted: dict[str, int], number: int, ids: list[int], listen: Listener, hold: Hold
    ) -> Report:
        """Apply an event with new counts, and note at the decisions how it went."""
        decisions = self._decisions.under(hold)
        decisions.move(ids, "running")
        try:
            report = self._sentry.apply(scaled(event, wanted), since=number, listen=listen, hold=hold)
        except Lost:
            raise  # whoever has the event now goes on with what is noted as running
        except (SentryError, DriverError) as error:
            decisions.move(ids, "failed", error=str(error))
            raise
        state = "done" if report.outcome == "done" else "failed"
        decisions.move(ids, state, run=report.run, error="\n".join(report.left))  # type: ignore[arg-type]
        return report


def boot_seconds(runs: Iterable[RunRow]) -> float:
    """The 99th percentile (nearest rank) of how long the event's own applies took that wrote something."""
    took = sorted(
        (run.ended - run.started).total_seconds()
        for run in runs
        if run.goal == "apply" and run.outcome == "done" and run.ended is not None and run.writes
    )
    return max(BOOT_LEAST, took[math.ceil(0.99 * len(took)) - 1]) if took else BOOT_UNKNOWN


def _unfinished(runs: tuple[RunRow, ...]) -> bool:
    """Whether the newest run did not reach its end as wanted: killed, stopped or failed."""
    return bool(runs) and runs[0].outcome != "done"


def _read(spec: SignalSpec) -> Reading | Missing:
    options = SignalOptions(url=spec.url or "", query=spec.query or "", unit=spec.unit, timeout=spec.timeout)
    found: Reading | Missing = loading.load("cloudsentry.signal", spec.driver)(options).read()
    return found


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
