"""What a plan says of the warm pool."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from cloudsentry.planner import plan_apply, plan_destroy, status_of
from cloudsentry.records.orders import DeleteServers, RestServers, StartServers
from cloudsentry.records.views import Member, Server
from cloudsentry.spec.event import Event
from tests.unit.planner.test_plan import event, member, server, snapshot, subject, verbs


def warm(count: int = 2, spares: int = 1, rest: str = "stopped", most: int | None = None) -> Event:
    pin: dict[str, Any] = {"hypervisor": "xeon1", "count": count, "weight": 10}
    return event([pin if most is None else {**pin, "most": most}], spares={"count": spares, "rest": rest})


def standing(wanted: Event, *states: str, **changes: Any) -> tuple[list[Server], list[Member]]:
    """Servers in these states, those that are up being members."""
    servers = [server(number, "xeon1", wanted, status=state) for number, state in enumerate(states, 1)]
    return servers, [member(one, 10) for one in servers if one.status == "ACTIVE"]


def test_spares_are_made_behind_all_that_serves_and_then_laid_to_rest() -> None:
    plan = plan_apply(warm(), snapshot([]), "r")
    steps = {step.id: step for step in plan.steps}
    assert set(steps) == {"front@xeon1/create", "front@xeon1/spare", "front@xeon1/spared", "web/create", "web/members"}
    assert subject(plan, "front@xeon1/create").count == 2
    assert subject(plan, "front@xeon1/spare").count == 1
    assert set(steps["front@xeon1/spare"].behind) >= {"front@xeon1/create", "web/members"}
    assert steps["front@xeon1/spared"].after == ("front@xeon1/spare",)


def test_the_servers_of_the_call_are_those_that_rest() -> None:
    wanted = warm()
    order = subject(plan_apply(wanted, snapshot([]), "r"), "front@xeon1/spared")
    servers, _ = standing(wanted, "ACTIVE", "ACTIVE", "ACTIVE")
    servers[2] = dataclasses.replace(servers[2], mark=dataclasses.replace(servers[2].mark, op=order.op))
    assert order.resolved(snapshot(servers)).ids == ("id-3",)


@pytest.mark.parametrize("state", ["SHUTOFF", "PAUSED", "SHELVED", "SHELVED_OFFLOADED"])
def test_what_rests_is_as_wanted_and_no_drift(state: str) -> None:
    wanted = warm()
    servers, members = standing(wanted, "ACTIVE", "ACTIVE", state)
    assert plan_apply(wanted, snapshot(servers, members), "r").steps == ()
    assert status_of(wanted, snapshot(servers, members)).state == "up"


def test_more_are_wanted_spares_start_first_the_soonest_one_and_the_rest_is_made() -> None:
    wanted = warm(count=5, spares=1, most=5)
    servers, members = standing(wanted, "ACTIVE", "ACTIVE", "SHELVED", "PAUSED")
    plan = plan_apply(wanted, snapshot(servers, members), "r")
    assert verbs(plan) == [
        "front@xeon1/create",
        "front@xeon1/start-paused",
        "front@xeon1/start-shelved",
        "web/members",
    ]
    assert subject(plan, "front@xeon1/create").count == 1
    assert subject(plan, "front@xeon1/start-shelved") == StartServers(
        unit="front@xeon1", ids=("id-3",), rest="shelved", hypervisor="xeon1"
    )
    fewer = plan_apply(warm(count=3, spares=1, most=4), snapshot(servers, members), "r")
    assert [step for step in verbs(fewer) if "start" in step] == ["front@xeon1/start-paused"]


def test_fewer_are_wanted_and_they_drain_and_rest_up_to_the_wanted_number_the_others_go() -> None:
    wanted = warm(count=1, spares=2)
    servers, members = standing(wanted, "ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", "SHUTOFF")
    stand = snapshot(servers, members)
    plan = plan_apply(wanted, stand, "r")
    assert subject(plan, "front@xeon1/rest") == RestServers(unit="front@xeon1", ids=("id-2",), rest="stopped")
    assert subject(plan, "front@xeon1/delete") == DeleteServers(unit="front@xeon1", ids=("id-3", "id-4"))
    steps = {step.id: step for step in plan.steps}
    assert steps["front@xeon1/rest"].after == ("web/settle",)
    drained = subject(plan, "web/drain").resolved(stand)
    assert {one.name: one.weight for one in drained.members} == {"id-1": 10, "id-2": 0, "id-3": 0, "id-4": 0}
    assert {one.name for one in subject(plan, "web/settle").resolved(stand).members} == {"id-1"}


def test_a_spare_that_a_killed_run_left_up_becomes_no_member_and_is_laid_to_rest() -> None:
    wanted = warm()
    servers, members = standing(wanted, "ACTIVE", "ACTIVE", "ACTIVE")
    plan = plan_apply(wanted, snapshot(servers, members[:2]), "r")
    assert verbs(plan) == ["front@xeon1/rest"]
    assert subject(plan, "front@xeon1/rest").ids == ("id-3",)
    missing = snapshot(servers, members[:1])
    write = subject(plan_apply(wanted, missing, "r"), "web/members").resolved(missing)
    assert {one.name for one in write.members} == {"id-1", "id-2"}


def test_a_spare_that_boots_still_is_awaited_and_then_laid_to_rest() -> None:
    wanted = warm()
    servers, members = standing(wanted, "ACTIVE", "ACTIVE", "BUILD")
    plan = plan_apply(wanted, snapshot(servers, members), "r")
    assert verbs(plan) == ["front@xeon1/warm", "front@xeon1/warmed"]
    assert {step.id: step.after for step in plan.steps}["front@xeon1/warmed"] == ("front@xeon1/warm",)


def test_one_that_is_coming_back_is_awaited_and_not_started_twice() -> None:
    wanted = warm(count=3, spares=1, most=3)
    servers, members = standing(wanted, "ACTIVE", "ACTIVE", "SHUTOFF")
    servers[2] = dataclasses.replace(servers[2], task="powering-on")
    assert "front@xeon1/await" in verbs(plan_apply(wanted, snapshot(servers, members), "r"))


def test_count_and_spares_never_pass_the_pin_s_most() -> None:
    servers, members = standing(warm(), "ACTIVE", "ACTIVE", "ACTIVE")
    assert plan_apply(warm(count=3, spares=2, most=3), snapshot(servers, members), "r").steps == ()


def test_without_spares_in_the_file_those_that_rest_are_too_many() -> None:
    wanted = event([{"hypervisor": "xeon1", "count": 2, "weight": 10}])
    servers, members = standing(wanted, "ACTIVE", "ACTIVE", "SHUTOFF")
    plan = plan_apply(wanted, snapshot(servers, members), "r")
    assert verbs(plan) == ["front@xeon1/delete"]
    assert subject(plan, "front@xeon1/delete").ids == ("id-3",)


def test_the_end_takes_the_spares_too() -> None:
    servers, members = standing(warm(), "ACTIVE", "SHUTOFF", "SHELVED_OFFLOADED")
    plan = plan_destroy("cup", snapshot(servers, members), "r")
    assert [step.subject.ids for step in plan.steps if isinstance(step.subject, DeleteServers)] == [
        ("id-1", "id-2", "id-3")
    ]


def test_a_hypervisor_that_is_down_gets_none() -> None:
    wanted = warm()
    servers, members = standing(wanted, "ACTIVE", "ACTIVE")
    stand = snapshot(servers, members)
    hosts = tuple(dataclasses.replace(host, up=host.name != "xeon1") for host in stand.pools[0].hypervisors)
    assert plan_apply(wanted, snapshot(servers, members, hypervisors=hosts), "r").steps == ()
