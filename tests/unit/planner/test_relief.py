"""Nobody leaves a balancer before those who stay answer: a server that is ACTIVE need not serve yet."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from cloudsentry.planner import plan_apply, plan_destroy
from cloudsentry.planner.units import template_digest
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import AwaitMembers
from cloudsentry.records.plans import Plan
from cloudsentry.records.views import Balancer, BalancerView, Hypervisor, Member, PoolView, Server, Snapshot
from cloudsentry.render.text import what
from cloudsentry.spec.event import Event

MARK = Mark(event="cup", unit="web")
HOSTS = (Hypervisor(name="xeon1", up=True, enabled=True),)


def event(count: int = 2, *, image: str = "tiny", monitor: dict[str, Any] | None = None) -> Event:
    """An event with one pool of one pin, behind one balancer."""
    pins = [{"hypervisor": "xeon1", "count": count, "weight": 10}]
    pool = {"site": "nara", "image": image, "flavor": "nano", "networks": ["front"], "pins": pins}
    balancer = {"site": "nara", "network": "front", "members": [{"pool": "front"}]}
    return Event.model_validate(
        {
            "event": "cup",
            "sites": {"nara": {"cloud": "private"}},
            "pools": {"front": pool},
            "balancers": {"web": {**balancer, "monitor": {"path": "/name"} if monitor is None else monitor or None}},
        }
    )


def standing(wanted: Event, *states: str) -> Snapshot:
    """So many servers as ``wanted`` has them, and their members in these states."""
    mark = Mark(event="cup", unit="front@xeon1", op="op", template=template_digest(wanted.pools["front"]))
    servers = tuple(
        Server(
            id=f"id-{number}",
            name=f"cup-front-{number}",
            status="ACTIVE",
            mark=mark,
            hypervisor="xeon1",
            addresses=(f"10.1.0.{number}",),
            created=f"2026-11-20T00:00:0{number}Z",
        )
        for number, _ in enumerate(states)
    )
    pool = PoolView(driver="nova", cloud="private", servers=servers, hypervisors=HOSTS)
    return Snapshot(event="cup", pools=(pool,), balancers=(view(*states),))


def view(*states: str, weight: int = 10) -> BalancerView:
    """The balancer, with members in these states."""
    members = tuple(
        Member(name=f"id-{number}", address=f"10.1.0.{number}", port=80, weight=weight, mark=MARK, operating=state)
        for number, state in enumerate(states)
    )
    one = Balancer(
        id="lb",
        name="cup-web",
        mark=MARK,
        vip="10.1.0.99",
        provisioning="ACTIVE",
        pool="p",
        monitor="m",
        members=members,
    )
    return BalancerView(driver="octavia", cloud="private", balancers=(one,))


def relief(plan: Plan) -> AwaitMembers | None:
    """What the plan waits for before anybody leaves."""
    found = [step.subject for step in plan.steps if step.id == "web/relief"]
    return found[0] if found and isinstance(found[0], AwaitMembers) else None


def test_whoever_is_replaced_serves_until_as_many_others_answer() -> None:
    plan = plan_apply(event(image="newer"), standing(event(), "ONLINE", "ONLINE"), "r")
    order = {step.id: step for step in plan.steps}
    assert {"web/members", "web/relief", "web/drain", "web/hold", "web/settle"} <= set(order)
    assert "web/members" in order["web/relief"].after
    assert order["web/drain"].after == ("web/relief",)
    assert what(order["web/relief"]) == "wait until 2 members answer GET /name of those that stay"
    waits = relief(plan)
    assert waits is not None

    def told(*states: str) -> tuple[str, int]:
        progress = waits.progress(view("ONLINE", "ONLINE", *states))
        return progress.state, progress.done

    assert told() == ("failed", 0)
    assert told("OFFLINE", "OFFLINE") == ("waiting", 0)
    assert told("ONLINE", "OFFLINE") == ("waiting", 1)
    assert told("ONLINE", "ONLINE") == ("done", 2)
    said = waits.progress(view("ONLINE", "ONLINE", "ONLINE", "OFFLINE")).detail
    assert said == "fewer than 2 members have answered GET /name: 10.1.0.3 port 80 is OFFLINE"


def test_one_that_stays_and_was_down_before_is_not_waited_for() -> None:
    stands = standing(event(3), "ONLINE", "ONLINE", "OFFLINE")
    (pool,) = stands.pools
    moved = (dataclasses.replace(pool.servers[0], hypervisor="other"), *pool.servers[1:])
    stands = dataclasses.replace(stands, pools=(dataclasses.replace(pool, servers=moved),))
    waits = relief(plan_apply(event(3), stands, "r"))
    assert waits is not None
    assert (waits.least, waits.besides) == (2, ("id-0",))


def test_newcomers_of_a_run_that_was_killed_are_waited_for_like_those_of_this_one() -> None:
    stands = standing(event(image="newer"), "ONLINE", "ONLINE", "OFFLINE", "OFFLINE")
    (pool,) = stands.pools
    old = dataclasses.replace(pool.servers[0].mark, template=template_digest(event().pools["front"]))
    servers = tuple(dataclasses.replace(server, mark=old) for server in pool.servers[:2]) + pool.servers[2:]
    stands = dataclasses.replace(stands, pools=(dataclasses.replace(pool, servers=servers),))
    plan = plan_apply(event(image="newer"), stands, "r")
    assert not [step for step in plan.steps if step.action == "create"]
    waits = relief(plan)
    assert waits is not None
    assert (waits.least, waits.besides) == (2, ("id-0", "id-1"))


def test_the_last_one_that_answers_is_not_taken_away() -> None:
    # The newcomers of a run that was killed stand, and do not answer yet: the next run only removes.
    waits = relief(plan_apply(event(1), standing(event(1), "OFFLINE", "ONLINE"), "r"))
    assert waits == AwaitMembers(unit="web", asks="GET /name", least=1, besides=("id-1",))


@pytest.mark.parametrize(
    ("wanted", "states"),
    [
        pytest.param(event(1), ("ONLINE", "ONLINE"), id="somebody stays who answers"),
        pytest.param(event(1), ("OFFLINE", "OFFLINE"), id="nobody answers now either"),
        pytest.param(event(0), ("ONLINE", "ONLINE"), id="nobody is to stay"),
        pytest.param(event(1, monitor={}), ("OFFLINE", "ONLINE"), id="nobody is asked"),
    ],
)
def test_nobody_is_waited_for_in_vain(wanted: Event, states: tuple[str, ...]) -> None:
    plan = plan_apply(wanted, standing(wanted, *states), "r")
    assert [step.verb for step in plan.steps if step.unit == "web"][-1] == "settle"
    assert relief(plan) is None


def test_taking_all_down_waits_for_nobody() -> None:
    assert relief(plan_destroy(event(), standing(event(), "ONLINE", "ONLINE"), "r")) is None
