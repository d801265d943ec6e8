"""A run against a small world of its own: what is called, how often, in which order, and what an operator is told."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cloudsentry.errors import Ambiguous, Busy, Denied, DriverError, NoCapacity, Unreachable
from cloudsentry.executor import Pace, Run
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import AwaitMembers, CreateServers, DeleteServers, Order, SetMembers, Share, Template
from cloudsentry.records.plans import Plan, Step
from cloudsentry.records.reports import Note, StepReport
from cloudsentry.records.steering import SetShares, Steer, SteeringView, Target
from cloudsentry.records.views import Balancer, BalancerView, Member, PoolView, Server, Snapshot, View
from cloudsentry.testing import JumpClock

POOL = ("pool", "private", "world")
LB = ("balancer", "private", "world")


class World:
    """A cloud in memory. ``faults`` are raised by the coming calls, one each; ``late`` take effect all the same."""

    def __init__(self) -> None:
        self.servers: list[Server] = []
        self.members: tuple[Member, ...] = ()
        self.calls: list[str] = []
        self.faults: list[DriverError] = []
        self.late = False
        self.status = "ACTIVE"
        self.ledger: list[tuple[str, str]] = []
        self.notes: list[Note] = []
        self.lock = threading.Lock()

    def act(self, place: tuple[str, str, str], order: Order) -> None:
        with self.lock:
            self.calls.append(f"{type(order).__name__} {order.unit}")
            fault = self.faults.pop(0) if self.faults else None
            if fault is None or self.late:
                self._effect(order)
            if fault is not None:
                raise fault

    def _effect(self, order: Order) -> None:
        if isinstance(order, CreateServers):
            for _ in range(order.count):
                number = len(self.servers) + 1
                made = Server(
                    id=f"s{number}",
                    name=order.name,
                    status=self.status,
                    mark=order.mark,
                    addresses=(f"10.0.0.{number}",),
                    fault="no disk" if self.status == "ERROR" else "",
                )
                self.servers.append(made)
        elif isinstance(order, DeleteServers):
            self.servers = [server for server in self.servers if server.id not in order.ids]
        elif isinstance(order, SetMembers):
            self.members = order.members

    def look(self, place: tuple[str, str, str]) -> View:
        if place == POOL:
            return PoolView(driver="world", cloud="private", servers=tuple(self.servers))
        balancer = Balancer(
            id="b",
            name="b",
            mark=Mark(event="e", unit="web"),
            vip="10.0.0.99",
            provisioning="ACTIVE",
            pool="p",
            members=self.members,
        )
        return BalancerView(driver="world", cloud="private", balancers=(balancer,))

    def intent(self, run: int, step: str, op: str, attempt: int) -> None:
        self.ledger.append((step, f"intent {attempt}"))

    def retries(self, run: int) -> int:
        return 0

    def step_ended(self, run: int, step: str, state: str, attempts: int = 0, error: str = "") -> None:
        self.ledger.append((step, state))


def create(unit: str, count: int = 2, after: tuple[str, ...] = ()) -> Step:
    order = CreateServers(
        unit=unit,
        name=unit,
        count=count,
        template=Template(image="i", flavor="f"),
        mark=Mark(event="e", unit=unit, op=f"op-{unit}"),
    )
    return _step(f"{unit}/create", "pool", "create", order, after)


def members(behind: tuple[str, ...]) -> Step:
    shares = tuple(
        Share(unit=unit, cloud="private", driver="world", weight=weight, count=2, port=80)
        for unit, weight in (("a", 10), ("b", 2))
    )
    order = SetMembers(unit="web", shares=shares, mark=Mark(event="e", unit="web"))
    return dataclasses.replace(_step("web/members", "balancer", "members", order), behind=behind)


def _step(id_: str, family: Any, verb: str, order: Order, after: tuple[str, ...] = ()) -> Step:
    return Step(
        id=id_,
        unit=order.unit,
        family=family,
        driver="world",
        cloud="private",
        verb=verb,
        action="create",
        subject=order,
        after=after,
        why="",
    )


def go(world: World, *steps: Step, listen: Callable[[Note], None] | None = None, **pace: Any) -> dict[str, StepReport]:
    plan = Plan(event="e", goal="apply", revision="r", steps=steps)
    run = Run(
        plan,
        Snapshot.of("e", [world.look(POOL), world.look(LB)]),
        number=1,
        act=world.act,
        look=world.look,
        ledger=world,
        pace=Pace(**pace),
        clock=JumpClock(),
        listen=listen or world.notes.append,
    )
    return {report.id: report for report in run.go()}


def test_weights_are_set_once_after_every_server_is_up() -> None:
    world = World()
    reports = go(world, create("a"), create("b"), members(("a/create", "b/create")))
    assert {report.outcome for report in reports.values()} == {"done"}
    assert sorted(world.calls) == ["CreateServers a", "CreateServers b", "SetMembers web"]
    assert world.calls[-1] == "SetMembers web"
    assert [member.weight for member in world.members].count(10) == 2


def test_the_intent_is_written_before_the_call() -> None:
    world = World()
    seen: list[int] = []
    plain = world.act
    world.act = lambda place, order: (seen.append(len(world.ledger)), plain(place, order))[1]  # type: ignore[method-assign]
    go(world, create("a"))
    assert world.ledger[0] == ("a/create", "intent 1")
    assert seen == [1]


@pytest.mark.parametrize("fault", [Busy("x", after=3), Unreachable("x")])
def test_what_may_be_tried_again_is(fault: DriverError) -> None:
    world = World()
    world.faults = [fault, fault]
    reports = go(world, create("a"))
    assert reports["a/create"].outcome == "done"
    assert reports["a/create"].attempts == 3
    assert len(world.servers) == 2


@pytest.mark.parametrize("fault", [Denied("policy says no"), NoCapacity("instances 10 of 10 used")])
def test_what_is_final_is_tried_once_and_says_why(fault: DriverError) -> None:
    world = World()
    world.faults = [fault]
    reports = go(world, create("a"))
    assert world.calls == ["CreateServers a"]
    assert reports["a/create"].outcome == "failed"
    assert str(fault) in reports["a/create"].error


def test_a_create_whose_answer_was_lost_is_not_made_twice() -> None:
    world = World()
    world.faults, world.late = [Ambiguous("connection reset")], True
    reports = go(world, create("a"))
    assert reports["a/create"].outcome == "done"
    assert world.calls == ["CreateServers a"]
    assert len(world.servers) == 2


def test_a_create_that_never_arrived_is_made_again_after_looking() -> None:
    world = World()
    world.faults = [Ambiguous("connection reset")]
    reports = go(world, create("a"))
    assert reports["a/create"].outcome == "done"
    assert len(world.calls) == 2
    assert len(world.servers) == 2


def test_what_came_up_gets_its_weight_although_another_group_failed() -> None:
    world = World()
    world.faults = [NoCapacity("full")]
    reports = go(world, create("a"), create("b", after=("a/create",)), members(("a/create",)))
    assert reports["a/create"].outcome == "failed"
    assert reports["b/create"].outcome == "skipped"
    assert "a/create" in reports["b/create"].error
    assert reports["web/members"].outcome == "done"


def test_servers_in_error_fail_the_step_with_the_clouds_own_reason() -> None:
    world = World()
    world.status = "ERROR"
    reports = go(world, create("a"))
    assert reports["a/create"].outcome == "failed"
    assert "no disk" in reports["a/create"].error


def test_a_boot_that_never_ends_is_given_up_at_its_deadline() -> None:
    world = World()
    world.status = "BUILD"
    reports = go(world, create("a"), boot_timeout=30.0)
    assert reports["a/create"].outcome == "failed"
    assert "30 s" in reports["a/create"].error


def test_ctrl_c_stops_cleanly_and_leaves_the_rest_undone() -> None:
    world = World()
    pressed: list[Note] = []

    def interrupt(note: Note) -> None:
        if note.kind == "ended" and not pressed:
            pressed.append(note)
            raise KeyboardInterrupt

    reports = go(world, create("a"), create("b", after=("a/create",)), listen=interrupt)
    assert reports["a/create"].outcome == "done"
    assert reports["b/create"].outcome == "skipped"
    assert world.calls == ["CreateServers a"]


def test_a_look_that_nobody_answers_does_not_fail_what_is_waited_for() -> None:
    world = World()
    answers = iter([Unreachable("no answer"), Busy("503")])
    plain = world.look

    def look(place: tuple[str, str, str]) -> View:
        error = next(answers, None) if world.calls else None
        if error is not None:
            raise error
        return plain(place)

    world.look = look  # type: ignore[method-assign]
    assert go(world, create("a"))["a/create"].outcome == "done"


def test_progress_is_told() -> None:
    world = World()
    go(world, create("a"))
    assert [note.kind for note in world.notes] == ["started", "ended"]


class Steered(World):
    """A name server whose old answers hold for so many seconds of a clock that jumps, or that never does as ordered."""

    def __init__(self, clock: JumpClock, holds: float, state: str = "ACTIVE") -> None:
        super().__init__()
        self.clock, self.holds, self.state = clock, holds, state

    def look(self, place: tuple[str, str, str]) -> View:
        if place[0] != "steering":
            return super().look(place)
        left = max(0.0, self.holds - self.clock.now())
        steer = Steer(mark=Mark(event="e", unit="names"), state=self.state, settles=left)
        return SteeringView(driver="world", cloud="private", steers=(steer,))


@pytest.mark.parametrize(
    ("holds", "state", "outcome", "at_least", "at_most"),
    [
        (50_000.0, "ACTIVE", "done", 50_000, 50_500),  # old answers that hold for most of a day are waited for
        (0.0, "CHANGED", "failed", 300, 400),  # a steering that is never as ordered is not
    ],
)
def test_a_steering_is_waited_for_as_long_as_old_answers_hold_and_no_longer(
    holds: float, state: str, outcome: str, at_least: float, at_most: float
) -> None:
    clock = JumpClock()
    begun = clock.now()
    world = Steered(clock, begun + holds, state)
    order = SetShares(unit="names", targets=(), mark=Mark(event="e", unit="names"))
    step = dataclasses.replace(create("names"), family="steering", verb="steer", subject=order)
    run = Run(
        Plan(event="e", goal="apply", revision="r", steps=(step,)),
        Snapshot.of("e", [world.look(("steering", "private", "world"))]),
        number=1,
        act=lambda place, order: None,
        look=world.look,
        ledger=world,
        pace=Pace(poll_least=20.0),
        clock=clock,
        listen=world.notes.append,
    )
    (report,) = run.go()
    assert report.outcome == outcome
    assert at_least <= clock.now() - begun <= at_most


class Answering(Steered):
    """Two members that answer from a time on."""

    def __init__(self, clock: JumpClock, since: float) -> None:
        super().__init__(clock, 0.0)
        self.since = since
        self.members = tuple(
            Member(name=f"s{n}", address=f"10.0.0.{n}", port=80, weight=1, operating="OFFLINE") for n in (1, 2)
        )

    def look(self, place: tuple[str, str, str]) -> View:
        view = super().look(place)
        if not isinstance(view, BalancerView) or self.clock.now() < self.since:
            return view
        (one,) = view.balancers
        up = dataclasses.replace(one.members[1], operating="ONLINE")
        return dataclasses.replace(view, balancers=(dataclasses.replace(one, members=(one.members[0], up)),))


@pytest.mark.parametrize(("after", "outcome"), [(450.0, "done"), (2000.0, "failed")])
def test_clients_are_sent_once_somebody_answers_and_never_where_nobody_does(after: float, outcome: str) -> None:
    clock = JumpClock()
    begun = clock.now()
    world = Answering(clock, begun + after)
    sent: list[float] = []
    target = Target(name="nara", share=25, balancer="web", cloud="private", driver="world")
    shares = SetShares(unit="names", targets=(target,), mark=Mark(event="e", unit="names"))
    wait = dataclasses.replace(
        create("web"), id="web/await", family="balancer", verb="await", subject=AwaitMembers(unit="web", asks="GET /")
    )
    steer = dataclasses.replace(
        create("names"), family="steering", verb="steer", subject=shares, after=("web/await",), id="names/steer"
    )

    def act(place: tuple[str, str, str], order: Order) -> None:
        assert isinstance(order, SetShares)
        assert [one.to for one in order.targets] == [("10.0.0.99",)]
        sent.append(clock.now() - begun)

    look = world.look

    def steered(place: tuple[str, str, str]) -> View:
        view = look(place)
        if not isinstance(view, SteeringView) or not sent:
            return view
        stands = dataclasses.replace(target, to=("10.0.0.99",))
        return dataclasses.replace(view, steers=(dataclasses.replace(view.steers[0], targets=(stands,)),))

    run = Run(
        Plan(event="e", goal="apply", revision="r", steps=(wait, steer)),
        Snapshot.of("e", [look(LB), look(("steering", "private", "world"))]),
        number=1,
        act=act,
        look=steered,
        ledger=world,
        pace=Pace(poll_least=20.0),
        clock=clock,
        listen=world.notes.append,
    )
    waited, steering = run.go()
    if outcome == "done":
        assert (waited.outcome, steering.outcome) == ("done", "done")
        assert [450 <= at <= 500 for at in sent] == [True]
        return
    assert sent == []
    assert (waited.outcome, steering.outcome, steering.error) == ("failed", "skipped", "waits for web/await")
    assert waited.error.endswith(
        " s: no member has answered GET /: 10.0.0.1 port 80 is OFFLINE, 10.0.0.2 port 80 is OFFLINE"
    )
    assert 600 <= clock.now() - begun <= 700
