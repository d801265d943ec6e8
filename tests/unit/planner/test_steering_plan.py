"""What an operator reads in the plan of a steering: after what serves, before what goes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloudsentry.errors import Conflict
from cloudsentry.planner import plan_apply, plan_destroy, status_of
from cloudsentry.records.marks import Mark
from cloudsentry.records.plans import Plan, Step
from cloudsentry.records.serving import AwaitMembers
from cloudsentry.records.steering import SetShares, Steer, SteeringView, Target
from cloudsentry.records.views import Balancer, BalancerView, Member, PoolView, Server, Snapshot
from cloudsentry.render.text import what
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import load_text


def event(share: float = 25, count: int = 1, **changes: Any) -> Event:
    pool = {"site": "nara", "image": "tiny", "flavor": "nano", "networks": ["front"], "pins": [{"count": count}]}
    targets = {"farm": {"to": "192.0.2.1"}, "nara": {"balancer": "front", "share": share}}
    body = {
        "event": "cup",
        "sites": {"nara": {"cloud": "private"}},
        "pools": {"web": pool},
        "balancers": {"front": {"site": "nara", "network": "front", "members": [{"pool": "web"}]}},
        "steering": {"front": {"driver": "fake", "at": "dns", "home": "farm", "targets": targets}},
        **changes,
    }
    return load_text(json.dumps(body), "cup.yaml")


def server(number: int) -> Server:
    from cloudsentry.planner.units import template_digest

    mark = Mark(event="cup", unit="web@any", template=template_digest(event().pools["web"]))
    return Server(id=f"s{number}", name=f"web-{number}", status="ACTIVE", mark=mark, addresses=(f"10.0.0.{number}",))


def standing(wanted: Event, servers: int = 1, *, operating: str = "ONLINE", **changes: Any) -> Snapshot:
    """Everything is there; the steering as ``changes`` say."""
    fresh = plan_apply(wanted, Snapshot(event="cup"), "r")
    made = {step.verb: step.subject for step in fresh.steps}
    steer, create = made["steer"], made["create"]
    marks = {step.id: step.subject.mark for step in fresh.steps if hasattr(step.subject, "mark")}
    assert isinstance(steer, SetShares)
    del create
    members = tuple(
        Member(name=f"s{n}", address=f"10.0.0.{n}", port=80, weight=1, mark=marks["front/create"], operating=operating)
        for n in range(1, servers + 1)
    )
    balancer = Balancer(
        id="b1", name="cup-front", mark=marks["front/create"], vip="10.0.0.99", provisioning="ACTIVE", members=members
    )
    views: list[Any] = [
        PoolView(driver="nova", cloud="private", servers=tuple(server(n) for n in range(1, servers + 1))),
        BalancerView(driver="octavia", cloud="private", balancers=(balancer,)),
    ]
    seen = Snapshot.of("cup", views)
    one = {"mark": steer.mark, "state": "ACTIVE", "targets": steer.addressed(seen), **changes}
    return Snapshot.of("cup", [*views, SteeringView(driver="fake", cloud="dns", steers=(Steer(**one),))])


def steps(plan: Plan) -> dict[str, Step]:
    return {step.id: step for step in plan.steps}


def test_clients_are_sent_once_the_balancer_has_its_members() -> None:
    made = steps(plan_apply(event(), Snapshot(event="cup"), "r"))
    assert made["steering:front/steer"].after == ("front/members",)
    assert made["steering:front/steer"].why == "clients: farm 75 %, nara 25 %"


def test_as_wanted_there_is_nothing_to_do_and_old_answers_are_waited_for() -> None:
    wanted = event()
    assert plan_apply(wanted, standing(wanted), "r").steps == ()
    assert status_of(wanted, standing(wanted)).state == "up"
    plan = plan_apply(wanted, standing(wanted, settles=3.0), "r")
    assert [step.verb for step in plan.steps] == ["hold"]
    assert plan.drift == ()


def test_a_balancer_whose_members_are_down_just_now_changes_nothing() -> None:
    wanted = event()
    assert plan_apply(wanted, standing(wanted, operating="OFFLINE"), "r").steps == ()


def test_other_shares_and_another_s_hand_are_one_step_each() -> None:
    wanted = event()
    changed = plan_apply(event(share=40), standing(wanted), "r")
    assert [step.id for step in changed.steps] == ["steering:front/steer"]
    assert changed.drift[0].what == "farm 75 %, wanted 60 %; nara 25 %, wanted 40 %"
    meddled = plan_apply(wanted, standing(wanted, state="CHANGED", detail="a front has another page"), "r")
    assert [step.id for step in meddled.steps] == ["steering:front/steer"]
    assert meddled.drift[0].what == "a front has another page"


def test_what_drains_or_goes_waits_for_the_steering() -> None:
    made = steps(plan_apply(event(share=10), standing(event(), servers=2), "r"))
    assert "steering:front/steer" in made["front/drain"].after
    assert "steering:front/steer" in made["front/settle"].after
    assert "front/settle" in made["web@any/delete"].after


def test_a_steering_that_left_the_event_is_reverted_before_its_balancer_goes() -> None:
    wanted = event()
    made = steps(plan_apply(event(steering={}, balancers={}), standing(wanted), "r"))
    (revert,) = (name for name in made if name.endswith("/revert"))
    assert revert in made["front/b1/remove"].after
    assert made[revert.replace("revert", "forget")].after == (revert,)


def test_destroy_sends_everybody_home_then_lets_them_finish_then_removes() -> None:
    made = steps(plan_destroy("cup", standing(event())))
    (revert,) = (name for name in made if name.endswith("/revert"))
    assert (made["front/b1/last"].after, made["front/b1/last"].behind) == ((revert,), ())
    assert made["front/b1/remove"].after == ("front/b1/last", revert)
    assert "front/b1/remove" in made["web@any/private/remove"].after


def test_a_step_is_ready_only_where_somebody_serves() -> None:
    wanted = event()
    order = next(s.subject for s in plan_apply(wanted, Snapshot(event="cup"), "r").steps if s.verb == "steer")
    assert isinstance(order, SetShares)
    ready = {target.name: target.to for target in order.resolved(standing(wanted)).targets}
    assert ready == {"farm": ("192.0.2.1",), "nara": ("10.0.0.99",)}
    down = order.resolved(standing(wanted, operating="OFFLINE")).targets
    assert [target.to for target in down] == [("192.0.2.1",), ()]
    assert isinstance(down[0], Target)


MONITORED = {"front": {"site": "nara", "network": "front", "monitor": {"path": "/name"}, "members": [{"pool": "web"}]}}


def test_where_nobody_answers_yet_clients_wait_for_the_first_who_does() -> None:
    made = steps(plan_apply(event(balancers=MONITORED), Snapshot(event="cup"), "r"))
    wait = made["front/await"]
    assert (wait.family, wait.driver, wait.cloud, wait.after) == ("balancer", "octavia", "private", ("front/members",))
    assert wait.why == "clients come once somebody answers here"
    assert what(wait) == "wait until a member answers GET /name"
    assert made["steering:front/steer"].after == ("front/await", "front/members")


def test_whoever_made_the_balancer_more_clients_wait_where_nobody_answers_and_only_there() -> None:
    wanted, more = event(balancers=MONITORED), event(share=40, balancers=MONITORED)
    seen = steps(plan_apply(more, standing(wanted, operating="OFFLINE"), "r"))
    assert sorted(seen) == ["front/await", "steering:front/steer"]
    assert (seen["front/await"].after, seen["steering:front/steer"].after) == ((), ("front/await",))
    assert sorted(steps(plan_apply(more, standing(wanted), "r"))) == ["steering:front/steer"]
    assert plan_apply(wanted, standing(wanted, operating="OFFLINE"), "r").steps == ()


def test_fewer_clients_may_always_go_on_where_nobody_answers_just_now() -> None:
    wanted, fewer = event(balancers=MONITORED), event(share=10, balancers=MONITORED)
    dark = standing(wanted, operating="OFFLINE")
    (step,) = plan_apply(fewer, dark, "r").steps
    assert isinstance(step.subject, SetShares)
    step.subject.resolved(dark).ready("dns")
    assert [(one.share, one.to) for one in step.subject.resolved(dark).targets] == [
        (90.0, ("192.0.2.1",)),
        (10.0, ("10.0.0.99",)),
    ]


def test_a_backend_of_the_operator_s_waits_for_the_balancer_behind_it() -> None:
    named = {
        "driver": "prefix",
        "home": "farm",
        "targets": {
            "farm": {"to": "stay"},
            "nara": {"to": "cloud", "balancer": "front", "share": 0, "networks": ["198.51.100.0/24"]},
        },
        "map": "/etc/clients.map",
        "socket": "/run/admin.sock",
        "table": "prefixes.txt",
    }
    tied = event(balancers=MONITORED, steering={"front": named})
    made = steps(plan_apply(tied, Snapshot(event="cup"), "r"))
    order = made["steering:front/steer"].subject
    assert made["steering:front/steer"].after == ("front/await", "front/members")
    assert isinstance(order, SetShares)
    up, down = standing(event()), standing(event(), operating="OFFLINE")
    assert [one.to for one in order.resolved(up).targets] == [("stay",), ("cloud",)]
    order.resolved(up).ready("local")
    with pytest.raises(Conflict, match="nobody serves behind balancer front"):
        order.resolved(down).ready("local")


@pytest.mark.parametrize(
    ("provisioning", "members", "state", "words"),
    [
        ("ACTIVE", ((1, "OFFLINE"), (1, "ONLINE")), "done", ""),
        ("PENDING_UPDATE", ((1, "NO_MONITOR"),), "done", ""),
        (
            "ACTIVE",
            ((1, "OFFLINE"), (2, "ERROR")),
            "waiting",
            "no member has answered GET /name: 10.0.0.1 port 80 is OFFLINE, 10.0.0.2 port 80 is ERROR",
        ),
        ("PENDING_UPDATE", (), "waiting", "it has no members yet"),
        ("ACTIVE", ((0, "ONLINE"),), "failed", "no member of balancer cup-front has a weight"),
        ("ERROR", ((1, "ONLINE"),), "failed", "balancer cup-front is in ERROR"),
    ],
)
def test_somebody_answers_once_a_member_with_a_weight_does(
    provisioning: str, members: tuple[tuple[int, str], ...], state: str, words: str
) -> None:
    made = tuple(
        Member(name=f"s{n}", address=f"10.0.0.{n}", port=80, weight=weight, operating=operating)
        for n, (weight, operating) in enumerate(members, 1)
    )
    mark = Mark(event="cup", unit="front")
    balancer = Balancer(id="b", name="cup-front", mark=mark, vip="10.0.0.99", provisioning=provisioning, members=made)
    view = BalancerView(driver="octavia", cloud="private", balancers=(balancer,))
    found = AwaitMembers(unit="front", asks="GET /name").progress(view)
    assert (found.state, found.detail) == (state, words)
    gone = AwaitMembers(unit="front").progress(BalancerView(driver="octavia", cloud="private"))
    assert gone.state == "failed"
