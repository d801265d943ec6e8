"""What an operator reads in the plan of a steering: after what serves, before what goes."""

from __future__ import annotations

import json
from typing import Any

from cloudsentry.planner import plan_apply, plan_destroy, status_of
from cloudsentry.records.marks import Mark
from cloudsentry.records.plans import Plan, Step
from cloudsentry.records.steering import SetShares, Steer, SteeringView, Target
from cloudsentry.records.views import Balancer, BalancerView, Member, PoolView, Server, Snapshot
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
