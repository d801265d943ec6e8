"""Runs a plan: one loop, some threads for calls, one look per place and tick for all that is waited for."""

from __future__ import annotations

import dataclasses
import graphlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, Protocol

from cloudsentry.errors import DriverError, NoCapacity, Unreachable
from cloudsentry.executor.budget import Budget
from cloudsentry.executor.clock import Clock
from cloudsentry.executor.pace import Pace
from cloudsentry.executor.tries import RETRIED, Tries
from cloudsentry.records.orders import AwaitServers, CreateServers, LateOrder, Order
from cloudsentry.records.plans import Plan, Step
from cloudsentry.records.progress import Progress
from cloudsentry.records.reports import Listener, Note, StepReport
from cloudsentry.records.views import Snapshot, View

Place = tuple[str, str, str]
"""(family, cloud, driver): what one look covers."""

StepEnd = Literal["done", "failed", "skipped"]

SILENT = ("await", "warm", "hold")
"""Verbs that call nothing: they only wait."""

BOOTS = ("create", "await", "start", "spare", "warm")
"""Verbs of servers that are waited for."""


PLANNED_AGAIN = "planned again, as other servers could not be had"
"""What a step is told that was left while it waited for what comes by itself."""


def never() -> bool:
    """A run that goes on to its end."""
    return False


class Ledger(Protocol):
    """The part of the journal that a run writes."""

    def intent(self, run: int, step: str, op: str, attempt: int) -> None:
        """Durable before the call that it names."""

    def step_ended(self, run: int, step: str, state: StepEnd, attempts: int = 0, error: str = "") -> None:
        """How a step ended."""

    def retries(self, run: int) -> int:
        """How many calls of a run were made again until now."""


def place_of(step: Step) -> Place:
    """Where a step acts."""
    return step.family, step.cloud, step.driver


@dataclasses.dataclass(slots=True, kw_only=True)
class _Active:
    """A step that has begun. ``called`` is False while its call is still being made."""

    step: Step
    order: Order
    began: float
    called: float | None = None
    tries: int = 0
    told_until: float = 0.0
    """Until when its place said that it would still take."""
    told: str = ""
    """What was seen of it last, in words."""


class Run:
    """One run of one plan. ``act`` hands an order to a step's driver, ``look`` observes one place."""

    def __init__(
        self,
        plan: Plan,
        snapshot: Snapshot,
        *,
        number: int,
        act: Callable[[Place, Order], None],
        look: Callable[[Place], View],
        ledger: Ledger,
        pace: Pace,
        clock: Clock,
        listen: Listener,
        until: Callable[[], bool] = never,
        early: Callable[[Step], bool] = lambda step: False,
    ) -> None:
        """``until`` is asked now and then while servers boot; once it says so, the run gives way as after a stop.

        ``early`` is asked of a step whose servers could not be had. Where it says so the run gives way as well, once
        all that is left to wait for comes up by itself; it has ``fallen_short`` then, and what stands in is planned
        without loss of time.
        """
        self._until, self.gave_way = until, False
        self._early, self.fallen_short = early, False
        self._plan, self._number = plan, number
        self._act, self._look, self._ledger = act, look, ledger
        self._pace, self._clock, self._listen = pace, clock, listen
        self._steps = {step.id: step for step in plan.steps}
        self._budget = Budget(pace.budget, len(plan.steps), ledger.retries(number))
        self._views: dict[Place, View] = _by_place(snapshot)
        self._lock = threading.Lock()
        self._active: dict[str, _Active] = {}
        self._ended: dict[str, StepReport] = {}
        self._told: set[str] = set()
        self._looks: dict[Place, Future[tuple[View, float]]] = {}
        self._next_look: dict[Place, float] = {}
        self._calls: dict[str, Future[int]] = {}
        self._begun = clock.now()

    def go(self) -> tuple[StepReport, ...]:
        """Run to the end, or until the clock is stopped. One report per step, in the plan's order.

        After a stop the calls under way are finished (never cut), nothing new begins, and what was not
        ended is reported as skipped.
        """
        graph: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter(
            {step.id: [name for name in step.after + step.behind if name in self._steps] for step in self._plan.steps}
        )
        graph.prepare()
        with ThreadPoolExecutor(self._pace.threads, thread_name_prefix="cloudsentry") as pool:
            while graph.is_active() and not (self._clock.stopped or self.gave_way or self.fallen_short):
                try:
                    self._turn(graph, pool)
                    self.gave_way = self._only_boots() and not self._clock.stopped and self._until()
                    self.fallen_short = not self._clock.stopped and self._comes_without()
                except KeyboardInterrupt:
                    self._clock.stop()
        why = "the run was stopped"
        if self.gave_way or self.fallen_short:
            why = "the run gave way to a larger one" if self.gave_way else PLANNED_AGAIN
        for name in self._steps.keys() - self._ended.keys():
            self._leave(self._steps[name], why)
        return tuple(self._ended[step.id] for step in self._plan.steps)

    def _only_boots(self) -> bool:
        """Whether all that is under way are servers that boot: they go on doing so without this run."""
        steps = [active.step for active in self._active.values()]
        boots = (one.verb == "await" or (one.family == "pool" and one.verb in BOOTS) for one in steps)
        return bool(steps) and not self._calls and all(boots)

    def _comes_without(self) -> bool:
        """Whether servers could not be had, and all that is under way has been seen and comes up without this run."""
        lacking = any(report.lack and self._early(self._steps[id]) for id, report in self._ended.items())
        return lacking and bool(self._active) and not self._calls and all(map(self._there, self._active.values()))

    def _there(self, active: _Active) -> bool:
        """Whether the next look counts all that a step has asked for: what it does not is asked for once more."""
        step, order, view = active.step, active.order, self._views.get(place_of(active.step))
        if view is None or step.verb not in ("create", "await"):
            return False
        if isinstance(order, CreateServers):
            listed = getattr(view, "servers", ())
            return bool(sum(server.mark.op == order.mark.op for server in listed) >= order.count)
        return step.family in ("pool", "balancer") and bool(order.seen(view))  # type: ignore[arg-type]

    @property
    def snapshot(self) -> Snapshot:
        """The newest view of every place."""
        with self._lock:
            views = list(self._views.values())
        return Snapshot.of(self._plan.event, views)

    def _turn(self, graph: graphlib.TopologicalSorter[str], pool: ThreadPoolExecutor) -> None:
        for name in graph.get_ready():
            self._begin(self._steps[name], pool)
        self._start_looks(pool)
        self._clock.until_done({*self._calls.values(), *self._looks.values()}, self._until_next_look())
        self._collect_calls()
        self._collect_looks()
        self._give_up()
        for name in self._ended.keys() - self._told:
            self._told.add(name)
            graph.done(name)

    def _begin(self, step: Step, pool: ThreadPoolExecutor) -> None:
        unmet = [name for name in step.after if name in self._ended and self._ended[name].outcome != "done"]
        if unmet:
            self._finish(step, "skipped", error=f"waits for {', '.join(unmet)}")
            return
        order = step.subject.resolved(self.snapshot) if isinstance(step.subject, LateOrder) else step.subject
        active = _Active(step=step, order=order, began=self._clock.now())
        self._active[step.id] = active
        self._say("started", step, 0, 0)
        if step.verb in SILENT:
            active.called = self._clock.now()
        else:
            self._calls[step.id] = pool.submit(self._call, active)
        self._next_look.setdefault(place_of(step), 0.0)

    def _call(self, active: _Active) -> int:
        """In a thread: make the step's call, however often it takes."""
        step, order = active.step, active.order
        op = getattr(getattr(order, "mark", None), "op", "")

        def before(attempt: int) -> None:
            active.tries = attempt
            self._ledger.intent(self._number, step.id, op, attempt)

        def said(attempt: int, error: DriverError) -> None:
            self._say("retry", step, attempt, self._pace.attempts, str(error))

        Tries(
            call=lambda: self._act(place_of(step), order),
            seen=lambda: bool(order.seen(self._fresh(place_of(step)))),  # type: ignore[arg-type]
            before=before,
            said=said,
            pace=self._pace,
            clock=self._clock,
            deadline=active.began + self._pace.patience(step),
            allowed=self._budget.spend,
        ).make()
        return active.tries

    def _fresh(self, place: Place) -> View:
        view = self._look(place)
        with self._lock:
            self._views[place] = view
        return view

    def _collect_calls(self) -> None:
        for name, future in list(self._calls.items()):
            if not future.done():
                continue
            del self._calls[name]
            error = future.exception()
            if error is None:
                active = self._active[name]
                active.called = self._clock.now()
                # A look that began before this call ended may not show its effect: rest first, then look.
                place = place_of(active.step)
                self._next_look[place] = max(self._next_look[place], active.called + self._pace.poll_least / 2)
            elif isinstance(error, DriverError):
                lost = any(isinstance(one, NoCapacity | Unreachable) for one in (error, error.__cause__))
                lack = lost and self._steps[name].verb == "create"
                self._finish(self._steps[name], "failed", error=str(error), lack=lack)
            else:
                raise error

    def _waiting(self, place: Place) -> list[_Active]:
        return [
            active for active in self._active.values() if active.called is not None and place_of(active.step) == place
        ]

    def _start_looks(self, pool: ThreadPoolExecutor) -> None:
        for place in {place_of(active.step) for active in self._active.values() if active.called is not None}:
            if place not in self._looks and self._next_look.get(place, 0.0) <= self._clock.now():
                self._looks[place] = pool.submit(self._timed_look, place)

    def _timed_look(self, place: Place) -> tuple[View, float]:
        began = self._clock.now()
        return self._look(place), began

    def _until_next_look(self) -> float:
        """Seconds to the next thing that is due; a look under way counts by its own end."""
        now = self._clock.now()
        places = {place_of(active.step) for active in self._active.values() if active.called is not None}
        due = [self._next_look.get(place, 0.0) for place in places if place not in self._looks]
        # With nothing to look at, calls or looks under way end the wait; half a second bounds it all the same.
        return max(0.0, min(due, default=now + 0.5) - now)

    def _collect_looks(self) -> None:
        for place, future in list(self._looks.items()):
            if not future.done():
                continue
            del self._looks[place]
            now = self._clock.now()
            error = future.exception()
            if isinstance(error, RETRIED):
                # Nobody answered: what is waited for goes on being waited for, until its own deadline.
                self._next_look[place] = now + self._pace.retry_most / 4
                continue
            if error is not None:
                self._lose(place, error)
                continue
            view, began = future.result()
            with self._lock:
                self._views[place] = view
            self._next_look[place] = now + self._pace.rest(now - began)
            for active in self._waiting(place):
                if active.called is not None and active.called <= began:
                    self._judge(active, view, now)

    def _judge(self, active: _Active, view: View, now: float) -> None:
        assert active.called is not None
        progress: Progress = active.order.progress(view, now - active.called)  # type: ignore[arg-type]
        if progress.state == "waiting":
            active.told_until = now + progress.left if progress.left else active.told_until
            active.told = progress.detail
            self._say("progress", active.step, progress.done, progress.wanted, progress.detail)
            return
        failed = progress.state == "failed"
        self._finish(active.step, progress.state, error=progress.detail if failed else "", lack=failed)

    def _lose(self, place: Place, error: BaseException) -> None:
        if not isinstance(error, DriverError):
            raise error
        for active in self._waiting(place):
            self._finish(active.step, "failed", error=str(error))

    def _give_up(self) -> None:
        now = self._clock.now()
        for active in list(self._active.values()):
            patience = self._pace.patience(active.step)
            until = max(active.began + patience, active.told_until + self._pace.retry_most)
            if active.called is not None and now > until:
                told = f": {active.told}" if active.told else ""
                self._finish(active.step, "failed", error=f"not done after {now - active.began:.0f} s{told}", lack=True)

    def _leave(self, step: Step, why: str) -> None:
        """The run ends early. A call whose answer never came stays an open intent: the next run looks for it."""
        active = self._active.get(step.id)
        answered = active is None or active.called is not None or active.tries == 0
        self._finish(step, "skipped", error=why, note=answered)

    def _finish(self, step: Step, outcome: StepEnd, error: str = "", *, note: bool = True, lack: bool = False) -> None:
        active = self._active.pop(step.id, None)
        tries = active.tries if active else 0
        seconds = self._clock.now() - active.began if active else 0.0
        if note:
            self._ledger.step_ended(self._number, step.id, outcome, tries, error)
        self._ended[step.id] = StepReport(
            id=step.id,
            unit=step.unit,
            cloud=step.cloud,
            verb=step.verb,
            outcome=outcome,
            seconds=round(seconds, 3),
            attempts=tries,
            error=error,
            lack=lack and isinstance(step.subject, CreateServers | AwaitServers),
        )
        self._say("ended", step, 0, 0, error or outcome)

    def _say(
        self,
        kind: Literal["started", "progress", "retry", "ended"],
        step: Step,
        done: int,
        wanted: int,
        detail: str = "",
    ) -> None:
        self._listen(
            Note(
                kind=kind,
                step=step.id,
                unit=step.unit,
                cloud=step.cloud,
                verb=step.verb,
                done=done,
                wanted=wanted,
                detail=detail,
                elapsed=self._clock.now() - self._begun,
            )
        )


def _by_place(snapshot: Snapshot) -> dict[Place, View]:
    return {(view.family, view.cloud, view.driver): view for view in snapshot.views}
