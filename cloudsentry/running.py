"""One run from its plan to its report, by one process at a time: intents settled, servers spilled, the end told."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudsentry import conf, tracing
from cloudsentry.executor import Clock, Pace, Place, Run
from cloudsentry.executor.run import PLANNED_AGAIN, never
from cloudsentry.loading import Loader
from cloudsentry.looking import Looker
from cloudsentry.planner import Short, host_of, origin_of, plan_apply, status_of
from cloudsentry.records.orders import AwaitServers, CreateServers
from cloudsentry.records.plans import Plan
from cloudsentry.records.reports import Counts, Listener, Note, Outcome, Report, StepReport
from cloudsentry.records.views import Dark, Snapshot
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import digest, dump

if TYPE_CHECKING:
    from cloudsentry.journal import Journal
    from cloudsentry.journal.ownership import Hold

ROUNDS = 4
"""How often a run plans for servers that cannot be had where they are pinned; a further apply goes on from there."""

LATE = 60.0
"""Seconds from the announcement of a call to the call: names are looked up between, of services that may be slow."""

Fresh = Callable[[], tuple[Plan, Snapshot]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What a run needs of the house. ``places`` tells where anything of an event may be."""

    looker: Looker
    journal: Journal
    loader: Loader
    settings: conf.Settings
    pace: Pace
    clock: Clock
    places: Callable[[Event], tuple[Place, ...]]
    forsaken: tuple[str, ...] = ()
    """Places that are gone for good: what a destroy cannot see there is told, and is no failure."""
    until: Callable[[], bool] = never
    """Asked while servers boot: whether to end as ``stopped`` because more is wanted."""

    def go(self, event: Event, fresh: Fresh, listen: Listener, hold: Hold) -> Report:
        """Plan with ``fresh`` and do it, under a hold of the event. Raises what ``fresh`` does.

        Raises `Lost` where the lease ends meanwhile: from then on nothing is written, neither here nor to a cloud.
        """
        with tracing.traced(event.event, listen) as trace:
            report = replace(self, journal=self.journal.under(hold))._go(event, fresh, trace.listen, hold)
            trace.ended(report)
            return report

    def _go(self, event: Event, fresh: Fresh, listen: Listener, hold: Hold) -> Report:
        began, calls = self.clock.now(), self.loader.calls()
        self._settle(event, listen)
        plan, first = fresh()
        revision = self.journal.revise(event.event, digest(event), json.dumps(dump(event), sort_keys=True))
        number = self.journal.begin(event.event, revision.number, plan.goal, plan.steps)
        steps, last, whole = self._rounds(event, plan, first, number, listen, hold)
        report = self._report(event, plan, number, steps, last, first, whole)
        reads, writes = self.loader.calls()
        report = replace(
            report, seconds=round(self.clock.now() - began, 3), reads=reads - calls[0], writes=writes - calls[1]
        )
        self.journal.run_ended(number, report)
        return report

    def _rounds(
        self, event: Event, plan: Plan, snapshot: Snapshot, number: int, listen: Listener, hold: Hold
    ) -> tuple[tuple[StepReport, ...], Snapshot, bool]:
        """Run the plan; while servers cannot be had where they are pinned, plan and run what stands in for them.

        The last of the three is whether it went on to its end.
        """
        ended: dict[str, StepReport] = {}
        short, spills = Short(), {name for name, pool in event.pools.items() if pool.spill}
        for left in range(ROUNDS - 1, -1, -1):
            # The last round but one waits for all: what falls short in it is the last that is planned again.
            run = self._run(event, plan, snapshot, number, listen, hold, spills=spills if left > 1 else set())
            ended |= {step.id: step for step in run.go()}
            snapshot = run.snapshot
            lacking = tuple(step.id for step in plan.steps if ended[step.id].lack)
            if run.gave_way or self.clock.stopped:
                return tuple(ended.values()), snapshot, False
            if not (left and lacking and spills):
                break
            lost, avoid = _learnt(plan, lacking, snapshot)
            short = Short(units=Counter(short.units) + lost, avoid=short.avoid | avoid)
            snapshot = self.looker.lit(event, self.places(event), full=True, limits=True)
            plan = plan_apply(event, snapshot, digest(event), short=short)
            placed = _standing_in(plan)
            if not (placed or run.fallen_short):
                break
            self.journal.add_steps(number, plan.steps)
            ended |= {step.id: step for step in self._handed_on(number, plan, ended)}
            for id in lacking:
                origin = origin_of(ended[id].unit)
                if placed[origin] >= lost[origin]:
                    ended[id] = self._spilled(number, ended[id])
        return tuple(ended.values()), snapshot, not self.clock.stopped

    def _run(
        self,
        event: Event,
        plan: Plan,
        snapshot: Snapshot,
        number: int,
        listen: Listener,
        hold: Hold,
        *,
        spills: Set[str],
    ) -> Run:
        return Run(
            plan,
            snapshot,
            number=number,
            act=lambda place, order: self.looker.act(place, order, hold),
            look=lambda place: self.looker.place(place, event),
            ledger=self.journal,
            pace=self.pace,
            clock=self.clock,
            listen=listen,
            until=self.until,
            early=lambda step: origin_of(step.unit).partition("@")[0] in spills,
        )

    def _handed_on(self, number: int, plan: Plan, ended: dict[str, StepReport]) -> list[StepReport]:
        """The steps that a round left while they waited and that the next plan has not: it waits for their effects."""
        known = {step.id for step in plan.steps}
        left = [step for step in ended.values() if step.error == PLANNED_AGAIN and step.id not in known]
        for step in left:
            self.journal.step_ended(number, step.id, "done", step.attempts)
        return [replace(step, outcome="done", error="") for step in left]

    def _spilled(self, number: int, step: StepReport) -> StepReport:
        error = f"{step.error}; others stand in"
        self.journal.step_ended(number, step.id, "spilled", step.attempts, error)
        return replace(step, outcome="spilled", lack=False, error=error)

    def _settle(self, event: Event, listen: Listener) -> None:
        """Wait for the effects of calls that a killed process made just now, so that they are not made twice."""
        since = self.clock.wall() - dt.timedelta(seconds=self.pace.settle + LATE)
        intents = {intent.op: intent for intent in self.journal.open_intents(event.event, since) if intent.op}
        began = self.clock.now()
        places, wanted = self.places(event), len(intents)
        while intents and self.clock.now() < began + self.pace.settle and not self.clock.stopped:
            first = next(iter(intents.values()))
            listen(
                Note(
                    kind="progress",
                    step="settle",
                    unit=first.unit,
                    cloud=first.cloud,
                    verb="settle",
                    done=wanted - len(intents),
                    wanted=wanted,
                    detail=f"waiting for the effect of an interrupted call (run {first.run}, {first.step})",
                    elapsed=self.clock.now() - began,
                )
            )
            for op in _ops(self.looker.lit(event, places, full=False, forsaken=self.forsaken)) & intents.keys():
                del intents[op]
            if intents:
                self.clock.sleep(self.pace.poll_least)
        if wanted:
            told = (
                "its effect is there" if not intents else f"no effect after {self.pace.settle:g} s: taken for not made"
            )
            listen(Note(kind="ended", step="settle", unit="", cloud="", verb="settle", detail=told))

    def _report(
        self,
        event: Event,
        plan: Plan,
        number: int,
        steps: tuple[StepReport, ...],
        last: Snapshot,
        first: Snapshot,
        whole: bool,
    ) -> Report:
        failed = any(step.outcome == "failed" for step in steps)
        left = tuple(f"{step.id}: {step.error}" for step in steps if step.outcome not in ("done", "spilled"))
        if plan.goal == "destroy" and not self.clock.stopped:
            places = [(view.family, view.cloud, view.driver) for view in first.views]
            after = self.looker.lit(event, places, full=False, forsaken=self.forsaken)
            # What the clouds list counts, and not how a step ended: whatever failed may be gone all the same.
            left, failed = _marked(after), False
            dark = (*first.dark, *after.dark)
        else:
            dark = first.dark
        told = _unseen if plan.goal == "destroy" else _dark
        left = (*left, *(told(event, one) for one in dark if one.cloud not in self.forsaken))
        given_up = tuple(_dark(event, one) for one in dark if one.cloud in self.forsaken)
        outcome: Outcome = "stopped" if self.clock.stopped or not whole else "failed" if failed or left else "done"
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
            forsaken=given_up,
        )


def _dark(event: Event, one: Dark) -> str:
    """A place that does not answer, and which steerings of the event it has."""
    names = [name for name, spec in sorted(event.steering.items()) if spec.at == one.cloud]
    kept = f" (not given back: {', '.join(names)})" if names and one.family == "steering" else ""
    return f"{one}{kept}"


def _unseen(event: Event, one: Dark) -> str:
    return f"{_dark(event, one)}; if it is gone for good: --forsake {one.cloud}"


def _learnt(
    plan: Plan, lacking: tuple[str, ...], snapshot: Snapshot
) -> tuple[Counter[str], frozenset[tuple[str, str]]]:
    """What a round could not have, by the unit that it is wanted for, and the hypervisors that did not have it."""
    lost, avoid = Counter[str](), set()
    for step in plan.steps:
        if step.id not in lacking or not isinstance(step.subject, CreateServers | AwaitServers):
            continue
        order = step.subject
        there = snapshot.pool(step.cloud, step.driver).servers
        if isinstance(order, CreateServers):
            count, host = order.count, order.hypervisor
            mine = [server for server in there if server.mark.op == order.mark.op]
        else:
            count, host = len(order.ids), host_of(step.unit)
            mine = [server for server in there if server.id in order.ids]
        lost[origin_of(step.unit)] += count - sum(server.active for server in mine)
        avoid |= {(step.cloud, host)} if host else set()
    return lost, frozenset(avoid)


def _standing_in(plan: Plan) -> Counter[str]:
    """How many servers a plan makes in place of others, by the unit that they stand in for."""
    placed = Counter[str]()
    for step in plan.steps:
        if isinstance(step.subject, CreateServers) and origin_of(step.unit) != step.unit:
            placed[origin_of(step.unit)] += step.subject.count
    return placed


def _ops(snapshot: Snapshot) -> set[str]:
    """The calls whose effects are there."""
    found = {server.mark.op for view in snapshot.pools for server in view.servers}
    found |= {balancer.mark.op for view in snapshot.balancers for balancer in view.balancers}
    found |= {steer.mark.op for view in snapshot.steerings for steer in view.steers}
    return found | {end.mark.op for view in snapshot.stretches for end in view.ends}


def _marked(snapshot: Snapshot) -> tuple[str, ...]:
    """One line per thing that still bears the event's mark."""
    lines = [f"{view.cloud}: server {item.name} ({item.id})" for view in snapshot.pools for item in view.servers]
    lines += [f"{view.cloud}: server group {item.name}" for view in snapshot.pools for item in view.groups]
    lines += [f"{view.cloud}: balancer {item.name}" for view in snapshot.balancers for item in view.balancers]
    lines += [f"{view.cloud}: steering {item.mark.unit}" for view in snapshot.steerings for item in view.steers]
    lines += [
        f"{view.cloud}: stretch {end.mark.unit}: {kind} {id_}"
        for view in snapshot.stretches
        for end in view.ends
        for kind, id_ in end.objects
    ]
    return tuple(lines)
