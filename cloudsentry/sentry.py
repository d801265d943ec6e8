"""The hall: every door comes through here, and every verb of the product is one method.

One way through the house: the event is read at the door, the clouds are looked at, the
planner compares, the executor does, the journal remembers. Nothing here decides or draws.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cloudsentry import conf
from cloudsentry.auditing import BETWEEN, Audit
from cloudsentry.drivers.balancer.base import BalancerScope
from cloudsentry.errors import Denied, PlanError, PlanStale, SentryError, UserError
from cloudsentry.executor import Circuits, Clock, Pace, Place
from cloudsentry.executor.run import never
from cloudsentry.loading import Loader
from cloudsentry.looking import Looker
from cloudsentry.planner import plan_apply, plan_destroy, preflight, shortages, status_of
from cloudsentry.probing import note, noted
from cloudsentry.recalling import Recall
from cloudsentry.records.plans import Plan
from cloudsentry.records.reports import Audited, CircuitLine, Finding, Listener, Report, Status, silent
from cloudsentry.records.stretching import Probed
from cloudsentry.records.views import Balancer, BalancerView, Snapshot
from cloudsentry.running import Fresh, Running
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import digest

if TYPE_CHECKING:
    from cloudsentry.clouds.session import Cloud
    from cloudsentry.journal import EventRow, Journal, Revision, RunRow
    from cloudsentry.journal.ownership import Hold
    from cloudsentry.journal.passes import Passes


class Sentry:
    """All verbs. Thread-safe for reads; one apply or destroy per event at a time, over all processes."""

    def __init__(
        self, settings: conf.Settings | None = None, *, clock: Clock | None = None, loader: Loader | None = None
    ) -> None:
        self._settings = settings or conf.settings()
        self._clock = clock or Clock()
        self._loader = loader or Loader()
        self._pace = Pace(**asdict(self._settings.executor))
        self._recall = Recall(self._settings.journal.connection, self._clock)
        circuits = Circuits(self._settings.state / "circuits.json")
        self._looker = Looker(self._loader, self._pace, self._clock, circuits)

    @property
    def settings(self) -> conf.Settings:
        """How the house is set up."""
        return self._settings

    def connect(self, cloud: str) -> Cloud:
        """The session of a cloud of clouds.yaml; opened at the first call."""
        return self._loader.open(cloud)

    def close(self) -> None:
        """Let go of the journal."""
        self._recall.close()

    @property
    def _journal(self) -> Journal:
        return self._recall.journal

    @cached_property
    def _running(self) -> Running:
        return Running(
            looker=self._looker,
            journal=self._journal,
            loader=self._loader,
            settings=self._settings,
            pace=self._pace,
            clock=self._clock,
            places=self._recall.places,
        )

    # What is wanted

    def load(self, path: str | Path) -> Event:
        """Read an event file; what is to be measured is as the journal's calibrations have it.

        What was found for its units while it ran still holds. Raises `SpecError` with every fault, and `UserError`
        where a calibration is missing or does not hold.
        """
        return self._recall.load(path)

    def event(self, name: str) -> tuple[Event, int]:
        """The newest revision of an event that the journal knows, or of the file of that name. Raises `UserError`."""
        return self._recall.event(name)

    def events(self) -> tuple[EventRow, ...]:
        """Every event that the journal knows."""
        return self._journal.events()

    def known(self, name: str) -> EventRow | None:
        """One event as the journal knows it, or None."""
        return self._journal.event(name)

    def show(self, name: str) -> tuple[EventRow, Revision]:
        """One event and its newest revision. Raises `UserError`."""
        return self._recall.show(name)

    def runs(self, event: str | None = None, limit: int = 50) -> tuple[RunRow, ...]:
        """The newest runs, newest first."""
        return self._journal.runs(event, limit)

    def run(self, number: int) -> RunRow:
        """One run with its steps. Raises `UserError`."""
        return self._journal.run(number)

    # Looking and planning: no write anywhere but in the journal

    def plan(self, event: Event, goal: str = "apply") -> Plan:
        """What `apply` (or ``goal="destroy"``) would do now. Raises `PlanError` with every refusal."""
        if goal == "destroy":
            snapshot = self._looker.snapshot(event, self._recall.places(event), full=False)
            return plan_destroy(event.event, snapshot, digest(event))
        return self._planned(event)[0]

    def plan_destroy(self, name: str) -> Plan:
        """What `destroy` would remove now."""
        return self.plan(self.event(name)[0], "destroy")

    def status(self, name: str | Event) -> Status:
        """An event as it is now, against its newest revision (or the event given)."""
        event, number = (name, 0) if isinstance(name, Event) else self.event(name)
        snapshot = self._looker.lit(event, self._recall.places(event), full=True)
        note(self._settings.journal.connection, snapshot)
        return status_of(event, snapshot, number)

    def balancer(self, event: Event, name: str) -> Balancer | None:
        """One balancer of an event as it is now, in one quick look at its place alone; None where it is not there."""
        spec = event.balancers[name]
        place = ("balancer", event.place_of(spec), spec.driver)
        view: BalancerView = self._loader.at(place).observe(BalancerScope(event=event.event, counters=True))
        return view.named(name) if isinstance(view, BalancerView) else None

    def resting(self) -> tuple[str, ...]:
        """One line per cloud and service that is left alone just now, as it did not answer."""
        return tuple(f"{cloud} {family}: circuit {state}" for (cloud, family), state in self._looker.breaker.open())

    def circuits(self) -> tuple[CircuitLine, ...]:
        """Every cloud and service that did not answer of late, by the calls of this process and of earlier ones."""
        breaker, now = self._looker.breaker, self._clock.now()
        return tuple(
            CircuitLine(
                cloud=cloud,
                family=family,
                state=circuit.state(now),
                failures=circuit.failures,
                seconds=round(max(0.0, circuit.until - now), 1) if circuit.rest else 0.0,
            )
            for (cloud, family), circuit in breaker.circuits()
            if circuit.failures
        )

    def check(self, event: Event) -> tuple[Finding, ...]:
        """What would make an apply of the event fail now, each with what to do; nothing is written."""
        seen, unseen = self._looker.each(event, self._recall.places(event), limits=True)
        told = dict.fromkeys(_unseen(place, error) for place, error in unseen)
        return (*told, *preflight(event, seen, whole=not unseen))

    def probes(self, name: str, stretch: str) -> tuple[Probed, ...]:
        """What the ends of a stretch have seen of each other, newest first."""
        return noted(self._settings.journal.connection, name, stretch)

    def _planned(self, event: Event, plan: Plan | None = None) -> tuple[Plan, Snapshot]:
        """A plan of now, refused where it would make what there is no room for. The room is asked for only then."""
        places, spills = self._recall.places(event), any(pool.spill for pool in event.pools.values())
        snapshot = self._looker.lit(event, places, full=True, limits=spills)
        note(self._settings.journal.connection, snapshot)
        made = plan_apply(event, snapshot, digest(event))
        if plan is not None and plan.digest != made.digest:
            raise PlanStale(_stale(plan, made))
        return made, snapshot

    def audit(self, *, delete: bool = False, between: float = BETWEEN) -> tuple[Audited, ...]:
        """What no event wants and what is gone, on all clouds of clouds.yaml and of the journal's events.

        With ``delete`` the leaks that two passes, ``between`` seconds apart, have seen are deleted by id, and only
        they are returned.
        """
        from cloudsentry.clouds.opening import cloud_names
        from cloudsentry.journal.leaks import Leaks
        from cloudsentry.journal.moves import Moves

        rows = self._journal.events()
        newest = {row.name: self.event(row.name)[0] for row in rows}
        places = {name: self._recall.places(event) for name, event in newest.items()}
        leaks, moves = Leaks(self._settings.journal.connection), Moves(self._settings.journal.connection)
        moving = [move for row in rows for move in moves.unended(row.name)]
        try:
            audit = Audit(
                looker=self._looker,
                leaks=leaks,
                clouds=cloud_names(),
                kept=tuple((newest[row.name], places[row.name]) for row in rows if row.state == "kept"),
                open=self._loader.open,
                ended=tuple((newest[row.name], places[row.name]) for row in rows if row.state != "kept"),
                moving=frozenset(str(move.memo.get("op", "")) for move in moving) - {""},
                places=tuple(place for known in places.values() for place in known),
            )
            lines = audit.lines(between)
            return audit.delete(lines) if delete else lines
        finally:
            leaks.close()
            moves.close()

    # Doing

    @contextlib.contextmanager
    def holding(self, name: str) -> Iterator[Hold]:
        """Hold an event: nobody else writes about it or for it meanwhile. Raises `Owned` at once where it is held."""
        from cloudsentry.journal.ownership import owned

        where = self._settings.ownership
        with owned(name, where.backend_url, lease=where.lease, fences=self._journal.fences) as hold:
            yield hold

    def passes(self, hold: Hold | None = None) -> Passes:
        """When agents passed over events, and who asks for a pass; for whoever holds an event, or for reading."""
        return (self._journal.under(hold) if hold else self._journal).passes

    def nudge(self, name: str) -> None:
        """Have an event looked at soon by whatever agent comes first. Raises `UserError` for one that is not kept."""
        if not self._recall.kept(name):
            raise UserError(f"there is no event {name!r} to be kept in the journal: apply its file first")
        self._journal.passes.nudge(name)

    def _alone(
        self, event: Event, fresh: Fresh, listen: Listener, hold: Hold | None, until: Callable[[], bool] = never
    ) -> Report:
        with contextlib.nullcontext(hold) if hold else self.holding(event.event) as mine:
            return replace(self._running, until=until).go(event, fresh, listen, mine)

    def apply(
        self,
        event: Event,
        *,
        plan: Plan | None = None,
        since: int | None = None,
        listen: Listener = silent,
        hold: Hold | None = None,
        until: Callable[[], bool] = never,
    ) -> Report:
        """Make the clouds as the event wants them; applying twice writes nothing.

        With ``plan`` it is refused (`PlanStale`) unless planning now gives that very plan; with ``since`` unless the
        event is still kept and its newest revision is of that number. Raises `PlanError`,
        `Owned` while another process works on the event, `DriverError` if a cloud cannot be looked at. ``hold`` is
        the event's, where the caller has it already. ``until`` is asked now and then while servers boot; once it says
        so, the run ends as ``stopped``, the servers go on booting, and the next apply goes on with them.
        Ctrl-C ends the run cleanly with outcome ``stopped``.
        """

        def fresh() -> tuple[Plan, Snapshot]:
            self._recall.unmoved(event.event)
            self._recall.still(event.event, since)
            made, snapshot = self._planned(event, plan)
            self._room_for(event, made, snapshot)
            return made, snapshot

        return self._alone(event, fresh, listen, hold, until)

    def destroy(self, name: str | Event, *, forsaken: tuple[str, ...] = (), listen: Listener = silent) -> Report:
        """Remove everything of an event, and prove by listing that nothing is left (``report.left`` is empty).

        ``forsaken`` are places (clouds, hosts, addresses of APIs) that are gone for good: where one does not answer,
        what stands there is told in ``report.forsaken`` and is no failure. Raises `UserError` for one that the event
        does not touch.
        """
        event = name if isinstance(name, Event) else self.event(name)[0]
        places = self._recall.places(event)
        known = {place[1] for place in places} | {one.host for spec in event.steering.values() for one in spec.fronts}
        for place in sorted(set(forsaken) - known):
            raise UserError(f"event {event.event} has nothing at {place!r}: its places are {', '.join(sorted(known))}")

        def fresh() -> tuple[Plan, Snapshot]:
            self._recall.unmoved(event.event)
            snapshot = self._looker.lit(event, places, full=False, forsaken=forsaken)
            return plan_destroy(event.event, snapshot, digest(event), forsaken), snapshot

        with self.holding(event.event) as hold:
            report = replace(self._running, forsaken=forsaken).go(event, fresh, listen, hold)
            if report.outcome == "done":
                self._journal.under(hold).event_gone(event.event)
        return report

    def rotate(self, name: str, stretch: str, *, listen: Listener = silent) -> Report:
        """Give a stretch of an applied event other keys, and apply it. Raises `UserError`, and what `apply` raises."""
        from cloudsentry.drivers.stretch.keys import rotate

        event, newest = self.event(name)[0], self._recall.newest(name)
        if stretch not in event.stretches:
            known = ", ".join(sorted(event.stretches)) or "none"
            raise UserError(f"event {event.event} has no stretch {stretch!r} (known: {known})")
        self._recall.unmoved(event.event)
        rotate(event.stretches[stretch].driver, event.event, stretch)
        return self.apply(event, since=newest.number, listen=listen)

    def rollback(self, name: str, to: int | None = None, *, listen: Listener = silent) -> Report:
        """Apply an earlier revision of an event (default: the one before the newest); 0 is nothing: a destroy.

        An event that was destroyed comes back as new servers.
        Raises `UserError` where there is no such revision, and what `apply` raises.
        """
        newest = self._recall.newest(name)
        number = newest.number - 1 if to is None else to
        if to is None and number == 0:
            raise UserError(f"event {name} has no earlier revision; `event destroy {name}` removes it, so does --to 0")
        if number == 0:
            return self.destroy(name, listen=listen)
        since = newest.number if self._recall.kept(name) else None
        return self.apply(self._recall.revision(name, number), since=since, listen=listen)

    def retry_run(self, number: int, *, listen: Listener = silent) -> Report:
        """Go on with a run that stopped: its revision once more. Raises `UserError` where that is not the newest."""
        run = self._recall.stopped_run(number)
        if run.goal == "destroy":
            return self.destroy(run.event, listen=listen)
        return self.apply(self._recall.revision(run.event, run.revision), since=run.revision, listen=listen)

    def rollback_run(self, number: int, *, listen: Listener = silent) -> Report:
        """Undo a run that stopped: the revision before its own. Raises `UserError` as `retry_run` does."""
        run = self._recall.stopped_run(number)
        if run.goal == "destroy":
            raise UserError(f"run {number} destroys {run.event}: `event rollback {run.event} --to {run.revision}`")
        return self.rollback(run.event, listen=listen)

    def fail_run(self, number: int) -> RunRow:
        """Mark a run that stopped as failed, without touching a cloud. Raises `Owned` while it works still."""
        run = self._journal.run(number)
        with self.holding(run.event) as hold:
            if self._journal.run(number).outcome is not None:
                raise UserError(f"run {number} has ended already: {run.outcome}")
            self._journal.under(hold).run_failed(number)
        return self._journal.run(number)

    def _room_for(self, event: Event, plan: Plan, snapshot: Snapshot) -> None:
        """Refuse a plan that would make what there is no room for. Raises `PlanError`; asks only where it creates."""
        if not any(step.action == "create" for step in plan.steps):
            return
        places = {(step.family, step.cloud, step.driver) for step in plan.steps if step.family in ("pool", "balancer")}
        grounds = self._looker.snapshot(event, sorted(places), full=True, limits=True)
        refusals = tuple(f"{one.cloud}: {one.found}; {one.do}" for one in shortages(plan.steps, grounds))
        if refusals:
            raise PlanError(refusals)


def _unseen(place: Place, error: SentryError) -> Finding:
    """Why a place could not be looked at, and what helps."""
    match error:
        case Denied():
            do = "mend its entry in clouds.yaml"
        case UserError():
            do = "mend the cloud's name in the event file, or its entry in clouds.yaml"
        case _:
            do = "try again later"
    return Finding(check="cloud", cloud=place[1], found=str(error).removeprefix(f"{place[1]}: "), do=do)


def _stale(old: Plan, new: Plan) -> str:
    if old.revision != new.revision:
        return "the plan was made from another revision of the event: plan again"
    gone = {step.id for step in old.steps} - {step.id for step in new.steps}
    come = {step.id for step in new.steps} - {step.id for step in old.steps}
    told = [f"no longer needed: {', '.join(sorted(gone))}"] if gone else []
    told += [f"new: {', '.join(sorted(come))}"] if come else []
    return f"the clouds have moved on since the plan was made ({'; '.join(told) or 'steps differ'}): plan again"
