"""What an operator reads in a plan, and what the executor would do with it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from cloudsentry.errors import PlanError
from cloudsentry.planner import plan_apply, plan_destroy, status_of
from cloudsentry.planner.units import template_digest
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateServers, DeleteServers, Drain, SetMembers
from cloudsentry.records.plans import Plan
from cloudsentry.records.views import (
    Balancer,
    BalancerView,
    Hypervisor,
    Member,
    PoolView,
    Server,
    ServerGroup,
    Snapshot,
)
from cloudsentry.spec.event import Event

HOSTS = tuple(
    Hypervisor(name=name, up=True, enabled=True, aggregates=(kind,), traits=(f"CUSTOM_{kind.upper()}",))
    for name, kind in (("xeon1", "xeon"), ("xeon2", "xeon"), ("opteron1", "opteron"))
)


def event(pins: list[dict[str, Any]] | None = None, **pool: Any) -> Event:
    """An event with one pool behind one balancer."""
    pins = pins or [
        {"hypervisor": "xeon1", "count": 2, "weight": 10},
        {"hypervisor": "opteron1", "count": 2, "weight": 2},
    ]
    front = {"site": "nara", "image": "tiny", "flavor": "nano", "networks": ["front"], "pins": pins, **pool}
    return Event.model_validate(
        {
            "event": "cup",
            "sites": {"nara": {"cloud": "private"}},
            "pools": {"front": front},
            "balancers": {"web": {"site": "nara", "network": "front", "members": [{"pool": "front"}]}},
        }
    )


def server(number: int, host: str, wanted: Event, **changes: Any) -> Server:
    """A server of the pool, ACTIVE and placed unless told otherwise."""
    mark = Mark(event="cup", unit=f"front@{host}", op="op", template=template_digest(wanted.pools["front"]))
    fields: dict[str, Any] = {
        "id": f"id-{number}",
        "name": f"cup-front-{number}",
        "status": "ACTIVE",
        "mark": mark,
        "hypervisor": host,
        "addresses": (f"10.1.0.{number}",),
        "created": f"2010-08-07T00:00:{number:02}Z",
    }
    return Server(**{**fields, **changes})


def snapshot(servers: list[Server], members: list[Member] | None = None, **pool: Any) -> Snapshot:
    """One cloud; a balancer stands when members are given."""
    balancers: tuple[Balancer, ...] = ()
    if members is not None:
        mark = Mark(event="cup", unit="web")
        balancers = (
            Balancer(
                id="lb-1",
                name="cup-web",
                mark=mark,
                vip="10.1.0.99",
                provisioning="ACTIVE",
                pool="p",
                members=tuple(members),
            ),
        )
    view = PoolView(driver="nova", cloud="private", servers=tuple(servers), **{"hypervisors": HOSTS, **pool})
    return Snapshot(
        event="cup", pools=(view,), balancers=(BalancerView(driver="octavia", cloud="private", balancers=balancers),)
    )


def member(of: Server, weight: int) -> Member:
    """The member that stands for a server."""
    return Member(name=of.id, address=of.addresses[0], port=80, weight=weight, mark=Mark(event="cup", unit="web"))


def whole(wanted: Event) -> tuple[list[Server], list[Member]]:
    """Servers and members exactly as the event wants them."""
    servers = [server(1, "xeon1", wanted), server(2, "xeon1", wanted)]
    servers += [server(3, "opteron1", wanted), server(4, "opteron1", wanted)]
    return servers, [member(item, weight) for item, weight in zip(servers, (10, 10, 2, 2), strict=True)]


def verbs(plan: Plan) -> list[str]:
    return [step.id for step in plan.steps]


def subject(plan: Plan, step: str) -> Any:
    return next(item.subject for item in plan.steps if item.id == step)


def test_from_nothing_one_create_per_hypervisor_and_one_member_write() -> None:
    plan = plan_apply(event(), snapshot([]), "r")
    assert verbs(plan) == ["front@opteron1/create", "front@xeon1/create", "web/create", "web/members"]
    create = subject(plan, "front@xeon1/create")
    assert isinstance(create, CreateServers)
    assert (create.count, create.hypervisor, create.name) == (2, "xeon1", "cup-front-xeon1")
    members = next(step for step in plan.steps if step.id == "web/members")
    assert members.after == ("web/create",)
    assert members.behind == ("front@opteron1/create", "front@xeon1/create")
    assert plan.wanted == 4


def test_the_same_input_gives_the_same_plan() -> None:
    assert plan_apply(event(), snapshot([]), "r") == plan_apply(event(), snapshot([]), "r")


def test_nothing_to_do_when_everything_stands() -> None:
    wanted = event()
    servers, members = whole(wanted)
    plan = plan_apply(wanted, snapshot(servers, members), "r")
    assert plan.steps == ()
    assert plan.drift == ()
    assert status_of(wanted, snapshot(servers, members)).state == "up"


def test_a_changed_weight_is_one_write() -> None:
    servers, members = whole(event())
    wanted = event(
        [{"hypervisor": "xeon1", "count": 2, "weight": 9}, {"hypervisor": "opteron1", "count": 2, "weight": 2}]
    )
    plan = plan_apply(wanted, snapshot(servers, members), "r")
    assert verbs(plan) == ["web/members"]
    order = subject(plan, "web/members").resolved(snapshot(servers, members))
    assert [item.weight for item in order.members] == [9, 9, 2, 2]


def test_shrinking_drains_then_removes_the_youngest_by_exact_id() -> None:
    servers, members = whole(event())
    wanted = event(
        [{"hypervisor": "xeon1", "count": 1, "weight": 10}, {"hypervisor": "opteron1", "count": 2, "weight": 2}]
    )
    stand = snapshot(servers, members)
    plan = plan_apply(wanted, stand, "r")
    assert verbs(plan) == ["front@xeon1/delete", "web/drain", "web/hold", "web/settle"]
    assert subject(plan, "front@xeon1/delete") == DeleteServers(unit="front@xeon1", ids=("id-2",))
    drained = subject(plan, "web/drain").resolved(stand)
    assert {item.name: item.weight for item in drained.members} == {"id-1": 10, "id-2": 0, "id-3": 2, "id-4": 2}
    settled = subject(plan, "web/settle").resolved(stand)
    assert {item.name for item in settled.members} == {"id-1", "id-3", "id-4"}
    assert isinstance(subject(plan, "web/hold"), Drain)
    order = {step.id: step.after for step in plan.steps}
    assert order["web/hold"] == ("web/drain",)
    assert order["web/settle"] == ("web/hold",)
    assert order["front@xeon1/delete"] == ("web/settle",)


def test_a_server_in_error_is_replaced_and_cleared() -> None:
    wanted = event()
    servers, members = whole(wanted)
    servers[1] = dataclasses.replace(servers[1], status="ERROR", fault="disk", addresses=())
    plan = plan_apply(wanted, snapshot(servers, members), "r")
    assert "front@xeon1/create" in verbs(plan)
    assert subject(plan, "front@xeon1/clear").ids == ("id-2",)
    assert subject(plan, "front@xeon1/create").count == 1
    assert any(line.kind == "error" for line in plan.drift)


def test_a_misplaced_server_goes_only_after_its_replacement_serves() -> None:
    wanted = event()
    servers, members = whole(wanted)
    servers[0] = dataclasses.replace(servers[0], hypervisor="xeon2")
    plan = plan_apply(wanted, snapshot(servers, members), "r")
    order = {step.id: step for step in plan.steps}
    assert "front@xeon1/create" in order["web/drain"].after
    assert order["web/drain"].behind == ()
    assert set(order["front@xeon1/delete"].after) == {"web/settle", "front@xeon1/create"}
    assert order["front@xeon1/delete"].subject == DeleteServers(unit="front@xeon1", ids=("id-1",))


def test_a_new_image_replaces_make_before_break() -> None:
    servers, members = whole(event())
    plan = plan_apply(event(image="newer"), snapshot(servers, members), "r")
    assert subject(plan, "front@xeon1/create").count == 2
    first = subject(plan, "web/members").resolved(snapshot(servers, members))
    assert {item.name for item in first.members} == {"id-1", "id-2", "id-3", "id-4"}


def test_a_stopped_server_is_started_and_a_paused_one_left_alone() -> None:
    wanted = event()
    servers, members = whole(wanted)
    servers[0] = dataclasses.replace(servers[0], status="SHUTOFF")
    servers[3] = dataclasses.replace(servers[3], status="PAUSED")
    plan = plan_apply(wanted, snapshot(servers, members), "r")
    assert subject(plan, "front@xeon1/start").ids == ("id-1",)
    assert not any(step.unit == "front@opteron1" for step in plan.steps)
    assert {line.kind for line in plan.drift} >= {"stopped", "parked"}


def test_servers_an_interrupted_run_asked_for_are_awaited_not_doubled() -> None:
    wanted = event()
    servers, _ = whole(wanted)
    servers = [dataclasses.replace(item, status="BUILD", addresses=()) for item in servers]
    plan = plan_apply(wanted, snapshot(servers, []), "r")
    assert verbs(plan) == ["front@opteron1/await", "front@xeon1/await", "web/members"]


def test_a_member_added_by_hand_is_reported_and_left() -> None:
    wanted = event()
    servers, members = whole(wanted)
    stranger = Member(name="theirs", address="10.9.9.9", port=80, weight=1)
    plan = plan_apply(wanted, snapshot(servers, [*members, stranger]), "r")
    assert plan.steps == ()
    assert [line.kind for line in plan.drift] == ["foreign"]
    assert status_of(wanted, snapshot(servers, [*members, stranger])).state == "up"


def test_a_removed_member_is_mended_with_one_write() -> None:
    wanted = event()
    servers, members = whole(wanted)
    plan = plan_apply(wanted, snapshot(servers, members[1:]), "r")
    assert verbs(plan) == ["web/members"]
    assert [line.kind for line in plan.drift] == ["member"]


def test_an_aggregate_spreads_evenly_and_moves_nothing_without_need() -> None:
    wanted = event([{"aggregate": "xeon", "count": 3}])
    plan = plan_apply(wanted, snapshot([]), "r")
    counts = {step.unit: step.subject.count for step in plan.steps if isinstance(step.subject, CreateServers)}
    assert counts == {"front@aggregate:xeon:xeon1": 2, "front@aggregate:xeon:xeon2": 1}
    standing = [server(1, "aggregate:xeon:xeon2", wanted, hypervisor="xeon2")]
    standing += [server(2, "aggregate:xeon:xeon2", wanted, hypervisor="xeon2")]
    plan = plan_apply(wanted, snapshot(standing), "r")
    counts = {step.unit: step.subject.count for step in plan.steps if isinstance(step.subject, CreateServers)}
    assert counts == {"front@aggregate:xeon:xeon1": 1}


def test_anti_affinity_makes_its_group_first_and_once() -> None:
    wanted = event([{"anti_affinity": 1, "count": 3}])
    plan = plan_apply(wanted, snapshot([]), "r")
    create = next(step for step in plan.steps if step.verb == "create" and step.family == "pool")
    assert create.after == ("front@anti_affinity:1/group",)
    group = ServerGroup(id="g", name="cloudsentry.cup.front@anti_affinity:1", policy="anti-affinity")
    again = plan_apply(wanted, snapshot([], groups=(group,)), "r")
    assert not any(step.verb == "group" for step in again.steps)


@pytest.mark.parametrize(
    ("pool", "part"),
    [
        ({"pins_allowed": False}, "policy os_compute_api:servers:create:requested_destination"),
        (
            {"hypervisors": (dataclasses.replace(HOSTS[0], up=False), *HOSTS[1:])},
            "hypervisor 'xeon1' of cloud private is down",
        ),
        ({"hypervisors": (dataclasses.replace(HOSTS[0], enabled=False), *HOSTS[1:])}, "is disabled"),
        ({"missing": ("private: no image 'tiny'",)}, "no image 'tiny'"),
    ],
)
def test_what_cannot_be_is_refused_by_the_plan(pool: dict[str, Any], part: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_apply(event(), snapshot([], **pool), "r")
    assert part in str(caught.value)


def test_a_pool_that_left_the_event_goes_with_its_servers() -> None:
    wanted = event()
    servers, members = whole(wanted)
    old = dataclasses.replace(server(9, "xeon1", wanted), mark=Mark(event="cup", unit="side@xeon1"))
    plan = plan_apply(wanted, snapshot([*servers, old], members), "r")
    assert [step.subject for step in plan.steps] == [DeleteServers(unit="side@xeon1", ids=("id-9",))]


def test_destroy_takes_the_balancer_first_and_every_marked_server_by_id() -> None:
    wanted = event()
    servers, members = whole(wanted)
    plan = plan_destroy("cup", snapshot(servers, members))
    balancers = [step.id for step in plan.steps if step.family == "balancer"]
    deletes = [step for step in plan.steps if isinstance(step.subject, DeleteServers)]
    assert len(balancers) == 1
    assert sorted(id_ for step in deletes for id_ in step.subject.ids) == ["id-1", "id-2", "id-3", "id-4"]
    assert all(step.after == tuple(balancers) for step in deletes)


def test_weights_follow_what_came_up() -> None:
    wanted = event()
    servers, _ = whole(wanted)
    plan = plan_apply(wanted, snapshot([]), "r")
    order = subject(plan, "web/members")
    assert isinstance(order, SetMembers)
    came_up = snapshot([servers[0], dataclasses.replace(servers[2], status="ERROR")])
    assert [(item.name, item.weight) for item in order.resolved(came_up).members] == [("id-1", 10)]
