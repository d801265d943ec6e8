"""Balancers on servers of the event's own: what waits for what."""

from __future__ import annotations

from typing import Any

from cloudsentry.planner import plan_apply
from cloudsentry.planner.units import template_digest
from cloudsentry.records.marks import Mark
from cloudsentry.records.plans import Plan
from cloudsentry.records.views import Balancer, BalancerView, Hypervisor, Member, PoolView, Server, Snapshot
from cloudsentry.spec.carriers import equipped
from cloudsentry.spec.event import Event

PLACE = "pair:private/lb/ssh://root@{address}"
HOSTS = tuple(Hypervisor(name=name, up=True, enabled=True) for name in ("xeon1", "xeon2"))


def event(**lb: Any) -> Event:
    plain = {"site": "nara", "image": "tiny", "flavor": "nano", "networks": ["front"]}
    pins = [{"hypervisor": "xeon1", "count": 1}, {"hypervisor": "xeon2", "count": 1}]
    balancer = {"site": "nara", "driver": "haproxy-pair", "carried_by": "lb", "network": "front"}
    return equipped(
        Event.model_validate(
            {
                "event": "cup",
                "sites": {"nara": {"cloud": "private"}},
                "pools": {
                    "lb": {**plain, "pins": pins, **lb},
                    "web": {**plain, "pins": [{"hypervisor": "xeon1", "count": 1}]},
                },
                "balancers": {"front": {**balancer, "members": [{"pool": "web"}]}},
            }
        )
    )


def server(wanted: Event, pool: str, host: str) -> Server:
    mark = Mark(event="cup", unit=f"{pool}@{host}", op="op", template=template_digest(wanted.pools[pool]))
    number = len(pool) * 10 + int(host[-1])
    return Server(
        id=f"{pool}-{host}",
        name=f"cup-{pool}-{host}",
        status="ACTIVE",
        mark=mark,
        hypervisor=host,
        addresses=(f"10.1.0.{number}",),
    )


def planned(wanted: Event, servers: list[Server], members: list[Member] | None = None) -> Plan:
    balancers = []
    if members is not None:
        mark = Mark(event="cup", unit="front")
        balancers = [
            Balancer(id="port", name="b", mark=mark, vip="10.1.0.99", provisioning="ACTIVE", members=tuple(members))
        ]
    views = [
        PoolView(driver="nova", cloud="private", servers=tuple(servers), hypervisors=HOSTS),
        BalancerView(driver="haproxy-pair", cloud=PLACE, balancers=tuple(balancers)),
    ]
    return plan_apply(wanted, Snapshot.of("cup", views), "r")


def member(wanted: Event) -> Member:
    web = server(wanted, "web", "xeon1")
    return Member(
        id="m", name=web.id, address=web.addresses[0], port=80, weight=1, mark=Mark(event="cup", unit="front")
    )


def test_the_balancer_is_made_when_the_servers_that_carry_it_are_up() -> None:
    steps = {step.id: step for step in planned(event(), []).steps}
    carrying = {"lb@xeon1/create", "lb@xeon2/create"}
    assert {step.cloud for step in steps.values() if step.family == "balancer"} == {PLACE}
    assert carrying <= set(steps["front/create"].behind)
    assert carrying | {"web@xeon1/create"} <= set(steps["front/members"].behind)


def test_a_server_in_the_place_of_one_that_went_gets_what_the_other_has() -> None:
    wanted = event()
    steps = {
        step.id: step
        for step in planned(
            wanted, [server(wanted, "lb", "xeon2"), server(wanted, "web", "xeon1")], [member(wanted)]
        ).steps
    }
    assert set(steps) == {"lb@xeon1/create", "front/members"}
    assert "lb@xeon1/create" in steps["front/members"].behind


def test_servers_that_are_replaced_carry_it_until_the_others_do() -> None:
    old, new = event(), event(flavor="small")
    standing = [server(old, "lb", "xeon1"), server(old, "lb", "xeon2"), server(old, "web", "xeon1")]
    steps = planned(new, standing, [member(old)]).steps
    going = [step for step in steps if step.action == "remove"]
    assert {step.unit for step in going} == {"lb@xeon1", "lb@xeon2"}
    assert all("front/members" in step.after for step in going)


def test_with_everything_in_place_there_is_nothing_to_do() -> None:
    wanted = event()
    standing = [server(wanted, "lb", "xeon1"), server(wanted, "lb", "xeon2"), server(wanted, "web", "xeon1")]
    assert planned(wanted, standing, [member(wanted)]).steps == ()


def test_who_carries_a_balancer_gets_a_script_unless_the_file_has_one() -> None:
    assert "haproxy:haproxy" in (event().pools["lb"].user_data or "")
    assert event(user_data="#!/bin/sh\n").pools["lb"].user_data == "#!/bin/sh\n"
    assert event().pools["web"].user_data is None
