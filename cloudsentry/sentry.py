"""The hall: every door comes through here, and every verb of the product is one method.

One way through the house: the event is read at the door, the clouds are looked at, the
planner compares, the executor does, the journal remembers. Nothing here decides or draws.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cloudsentry import conf
from cloudsentry.errors import Owned, PlanStale, UserError
from cloudsentry.executor import Clock, Pace, Place, Run, reading
from cloudsentry.loading import Loader
from cloudsentry.observe import places_of, scope_of
from cloudsentry.planner import plan_apply, plan_destroy, status_of
from cloudsentry.records.orders import Order
from cloudsentry.records.plans import Plan
from cloudsentry.records.reports import Counts, Listener, Note, Outcome, Report, Status, StepReport
from cloudsentry.records.views import Snapshot, View
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import digest, dump, from_dict, load

if TYPE_CHECKING:
    from cloudsentry.journal import EventRow, Journal, Revision, RunRow


def silent(note: Note) -> None:
    """A listener that hears nothing."""


class Sentry:
    """All verbs. Thread-safe for reads; one apply or destroy per event at a time, over all processes."""

    def __init__(
        self, settings: conf.Settings | None = None, *, clock: Clock | None = None, loader: Loader | None = None
    ) -> None:
        self._settings = settings or conf.settings()
        self._clock = clock or Clock()
        self._loader = loader or Loader()
        self._pace = Pace(**asdict(self._settings.executor))

    @property
    def settings(self) -> conf.Settings:
        """How the house is set up."""
        return self._settings

    def close(self) -> None:
        """Let go of the journal."""
        if "_journal" in self.__dict__:
            self._journal.close()

    @cached_property
    def _journal(self) -> Journal:
        # SQLAlchemy costs a third of a second: only verbs that remember pay it.
        from cloudsentry.journal import Journal

        return Journal(self._settings.journal.connection)

    # What is wanted

    def load(self, path: str | Path) -> Event:
        """Read an event file. Raises `SpecError` with every fault."""
        return load(path)

    def event(self, name: str) -> tuple[Event, int]:
        """The newest revision of an event that the journal knows, or of the file of that name. Raises `UserError`."""
        if name.endswith((".yaml", ".yml")) or "/" in name:
            event = self.load(name)
            known = self._journal.revision(event.event)
            return event, known.number if known and known.digest == digest(event) else 0
        revision = self._journal.revision(name)
        if revision is None:
            known_names = ", ".join(row.name for row in self._journal.events()) or "none"
            raise UserError(f"no event {name!r} in the journal (known: {known_names}); give its file instead")
        return from_dict(json.loads(revision.body)), revision.number

    def events(self) -> tuple[EventRow, ...]:
        """Every event that the journal knows."""
        return self._journal.events()

    def show(self, name: str) -> tuple[EventRow, Revision]:
        """One event and its newest revision. Raises `UserError`."""
        self.event(name)
        row, revision = self._journal.event(name), self._journal.revision(name)
        assert row is not None
        assert revision is not None
        return row, revision

    def runs(self, event: str | None = None) -> tuple[RunRow, ...]:
        """The newest runs, newest first."""
        return self._journal.runs(event)

    def run(self, number: int) -> RunRow:
        """One run with its steps. Raises `UserError`."""
        return self._journal.run(number)

    # Looking and planning: no write anywhere but in the journal

    def plan(self, event: Event, goal: str = "apply") -> Plan:
        """What `apply` (or ``goal="destroy"``) would do now. Raises `PlanError` with every refusal."""
        places = self._places(event)
        if goal == "destroy":
            return plan_destroy(event.event, self._snapshot(event, places, full=False), digest(event))
        return plan_apply(event, self._snapshot(event, places, full=True), digest(event))

    def plan_destroy(self, name: str) -> Plan:
        """What `destroy` would remove now."""
        return self.plan(self.event(name)[0], "destroy")

    def status(self, name: str | Event) -> Status:
        """An event as it is now, against its newest revision (or the event given)."""
        event, number = (name, 0) if isinstance(name, Event) else self.event(name)
        return status_of(event, self._snapshot(event, self._places(event), full=True), number)

    def _places(self, event: Event) -> tuple[Place, ...]:
        newest = self._journal.revision(event.event)
        older = [self._journal.revision(event.event, number) for number in range(1, newest.number + 1 if newest else 1)]
        known = [from_dict(json.loads(revision.body)) for revision in older if revision]
        return places_of([event, *known])

    def _snapshot(self, event: Event, places: Iterable[Place], *, full: bool) -> Snapshot:
        """One look at every place, side by side; a place that does not answer is asked again."""
        listed = tuple(places)
        with ThreadPoolExecutor(max(1, len(listed))) as pool:
            views = tuple(pool.map(lambda place: self._patient_look(place, event, full), listed))
        return Snapshot.of(event.event, views)

    def _patient_look(self, place: Place, event: Event, full: bool) -> View:
        return reading(lambda: self._look(place, event, full=full, groups=True), self._pace, self._clock)

    def _look(self, place: Place, event: Event, *, full: bool, groups: bool = False) -> View:
        view: View = self._loader.at(place).observe(scope_of(place, event, full=full, groups=groups))
        return view

    def _act(self, place: Place, order: Order) -> None:
        self._loader.at(place).act(order)

    # Doing

    def apply(
        self, event: Event, *, plan: Plan | None = None, since: int | None = None, listen: Listener = silent
    ) -> Report:
        """Make the clouds as the event wants them; applying twice writes nothing.

        With ``plan`` it is refused (`PlanStale`) unless planning now gives that very plan; with ``since`` unless the
        event is still kept and its newest revision is of that number. Raises `PlanError`,
        `Owned` while another process works on the event, `DriverError` if a cloud cannot be looked at.
        Ctrl-C ends the run cleanly with outcome ``stopped``.
        """

        def fresh() -> tuple[Plan, Snapshot]:
            self._unmoved(event.event)
            self._still(event.event, since)
            snapshot = self._snapshot(event, self._places(event), full=True)
            made = plan_apply(event, snapshot, digest(event))
            if plan is not None and plan.digest != made.digest:
                raise PlanStale(_stale(plan, made))
            return made, snapshot

        return self._owned_run(event, fresh, listen)

    def destroy(self, name: str | Event, *, listen: Listener = silent) -> Report:
        """Remove everything of an event, and prove by listing that nothing is left (``report.left`` is empty)."""
        event = name if isinstance(name, Event) else self.event(name)[0]

        def fresh() -> tuple[Plan, Snapshot]:
            self._unmoved(event.event)
            snapshot = self._snapshot(event, self._places(event), full=False)
            return plan_destroy(event.event, snapshot, digest(event)), snapshot

        report = self._owned_run(event, fresh, listen)
        if report.outcome == "done":
            self._journal.event_gone(event.event)
        return report

    def _owned_run(self, event: Event, fresh: Callable[[], tuple[Plan, Snapshot]], listen: Listener) -> Report:
        from cloudsentry.journal.ownership import owned

        ownership = self._settings.ownership
        with owned(event.event, ownership.backend_url, lease=ownership.lease):
            began, calls = self._clock.now(), self._loader.calls()
            self._settle(event)
            plan, snapshot = fresh()
            revision = self._journal.revise(event.event, digest(event), json.dumps(dump(event), sort_keys=True))
            number = self._journal.begin(event.event, revision.number, plan.goal, plan.steps)
            run = Run(
                plan,
                snapshot,
                number=number,
                act=self._act,
                look=lambda place: self._look(place, event, full=False),
                ledger=self._journal,
                pace=self._pace,
                clock=self._clock,
                listen=listen,
            )
            steps = run.go()
            report = self._report(event, plan, number, steps, run.snapshot, snapshot)
            reads, writes = self._loader.calls()
            report = replace(
                report, seconds=round(self._clock.now() - began, 3), reads=reads - calls[0], writes=writes - calls[1]
            )
            self._journal.run_ended(number, report)
            return report

    def _unmoved(self, name: str) -> None:
        """A server on its way to another cloud is stopped here and half made there: nobody else may mend that."""
        from cloudsentry.journal.moves import Moves

        moves = Moves(self._settings.journal.connection)
        try:
            held_by_a_move = [move for move in moves.unended(name) if move.memo.get("holds")]
        finally:
            moves.close()
        for move in held_by_a_move:
            raise Owned(
                f"event {name} is held by move {move.id}, which is {move.state} at {move.phase}: "
                f"`migrate retry {move.id}` or `migrate rollback {move.id}` first"
            )

    def _still(self, name: str, number: int | None) -> None:
        """Refuse to go on from a revision that is not the newest one any more, or whose event was destroyed."""
        row = self._journal.event(name) if number is not None else None
        if row is not None and (row.revision, row.state) != (number, "kept"):
            raise PlanStale(f"event {name} has moved on since its revision {number} was read: look again")

    def _settle(self, event: Event) -> None:
        """Wait for the effects of calls that a killed process made just now, so that they are not made twice."""
        since = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=self._pace.settle)
        ops = {intent.op for intent in self._journal.open_intents(event.event, since) if intent.op}
        end = self._clock.now() + self._pace.settle
        places = self._places(event)
        while ops and self._clock.now() < end:
            snapshot = self._snapshot(event, places, full=False)
            ops -= {server.mark.op for view in snapshot.pools for server in view.servers}
            ops -= {balancer.mark.op for view in snapshot.balancers for balancer in view.balancers}
            ops -= {end.mark.op for view in snapshot.stretches for end in view.ends}
            if ops:
                self._clock.sleep(self._pace.poll_least)

    def _report(
        self, event: Event, plan: Plan, number: int, steps: tuple[StepReport, ...], last: Snapshot, first: Snapshot
    ) -> Report:
        failed = any(step.outcome == "failed" for step in steps)
        left = tuple(f"{step.id}: {step.error}" for step in steps if step.outcome != "done")
        if plan.goal == "destroy" and not self._clock.stopped:
            places = [(view.family, view.cloud, view.driver) for view in first.views]
            left = _marked(self._snapshot(event, places, full=False))
        outcome: Outcome = "stopped" if self._clock.stopped else "failed" if failed or left else "done"
        status = status_of(event, last)
        return Report(
            run=number,
            event=plan.event,
            goal=plan.goal,
            outcome=outcome,
            seconds=0.0,
            writes=0,
            reads=0,
            steps=steps,
            servers=Counts(wanted=plan.wanted, active=status.counts.active, misplaced=status.counts.misplaced),
            left=left,
        )


def _marked(snapshot: Snapshot) -> tuple[str, ...]:
    """One line per thing that still bears the event's mark."""
    lines = [f"{view.cloud}: server {item.name} ({item.id})" for view in snapshot.pools for item in view.servers]
    lines += [f"{view.cloud}: server group {item.name}" for view in snapshot.pools for item in view.groups]
    lines += [f"{view.cloud}: balancer {item.name}" for view in snapshot.balancers for item in view.balancers]
    lines += [
        f"{view.cloud}: stretch {end.mark.unit}: {kind} {id_}"
        for view in snapshot.stretches
        for end in view.ends
        for kind, id_ in end.objects
    ]
    return tuple(lines)


def _stale(old: Plan, new: Plan) -> str:
    if old.revision != new.revision:
        return "the plan was made from another revision of the event: plan again"
    gone = {step.id for step in old.steps} - {step.id for step in new.steps}
    come = {step.id for step in new.steps} - {step.id for step in old.steps}
    told = [f"no longer needed: {', '.join(sorted(gone))}"] if gone else []
    told += [f"new: {', '.join(sorted(come))}"] if come else []
    return f"the clouds have moved on since the plan was made ({'; '.join(told) or 'steps differ'}): plan again"
