"""A group and its router: what is asked to be moved, what is refused, and what a plan says of a router."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from cloudsentry.errors import SpecError, UserError
from cloudsentry.migrate.asking import Asked
from cloudsentry.planner import plan_apply, status_of
from cloudsentry.records.marks import Mark
from cloudsentry.records.stretching import End, Offer, OpenEnd, StretchView
from cloudsentry.records.views import PoolView, Snapshot
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import load_text

POOL = {"image": "tiny", "flavor": "nano", "networks": ["shop"]}
BODY: dict[str, Any] = {
    "event": "cup",
    "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
    "pools": {
        "origin": {**POOL, "site": "nara", "pins": [{"count": 1}]},
        "front": {**POOL, "site": "osaka", "pins": [{"hypervisor": "hv1", "count": 2}]},
        "cache": {**POOL, "site": "osaka", "pins": [{"hypervisor": "hv1", "count": 1}]},
        "other": {**POOL, "site": "osaka", "networks": ["plain"], "pins": [{"count": 1}]},
    },
    "stretches": {
        "shop": {
            "driver": "router",
            "between": ["nara", "osaka"],
            "home": "nara",
            "hypervisor": "hv1",
            "uplinks": {"hv2": "front-net"},
            "cidrs": {"nara": "10.9.34.0/24", "osaka": "10.9.35.0/24"},
            "image": {"nara": "deb", "osaka": "deb"},
            "flavor": {"nara": "small", "osaka": "small"},
        }
    },
    "moves": {"night": {"what": ["shop"], "to": "osaka", "hypervisors": ["hv2"]}},
}


def event(**changed: Any) -> Event:
    body = copy.deepcopy(BODY)
    body["stretches"]["shop"] |= changed
    if "hypervisor" in changed:
        for pool in ("front", "cache"):
            body["pools"][pool]["pins"][0]["hypervisor"] = changed["hypervisor"]
    return load_text(json.dumps(body), "cup.yaml")


def test_a_router_is_asked_for_with_all_that_is_behind_it_as_one() -> None:
    asked = Asked(event="cup", what="shop", to="osaka", hypervisors=("hv2",)).resolved(event())
    assert (asked.what, asked.group, asked.together) == ("shop", ("cache", "front"), True)
    planned = Asked(event="cup", what="night").resolved(event())
    assert (planned.what, planned.group, planned.together) == ("shop", ("cache", "front"), True)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"what": "front", "hypervisors": ("hv2",)}, "behind the router of shop"),
        ({"what": "other", "group": ("cache",), "hypervisors": ("hv2",)}, "behind the router of shop"),
        ({"what": "shop", "hypervisors": ("hv2", "hv3")}, "to one hypervisor"),
        ({"what": "shop"}, "to one hypervisor"),
        ({"what": "shop", "hypervisors": ("hv2",), "to": "nara"}, "within public"),
        ({"what": "shop", "hypervisors": ("hv2",), "mover": "image"}, "by live, not by image"),
    ],
)
def test_half_a_group_is_refused(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        Asked(**{"event": "cup", "to": "osaka", **asked}).resolved(event())


def test_a_server_elsewhere_than_its_router_is_a_fault_of_the_file() -> None:
    body = copy.deepcopy(BODY)
    body["pools"]["cache"]["pins"][0]["hypervisor"] = "hv3"
    with pytest.raises(SpecError, match="expected hypervisor 'hv1'"):
        load_text(json.dumps(body), "cup.yaml")
    del body["pools"]["cache"]
    load_text(json.dumps(body), "cup.yaml")


def standing(wanted: Event, **place: str) -> Snapshot:
    """Both ends as the event wants them, the router at a place."""
    fresh = plan_apply(wanted, seen({}), "r")
    orders = {step.cloud: step.subject for step in fresh.steps if step.verb == "open"}
    offers = {cloud: Offer(facts=(("of", cloud),)) for cloud in orders}
    ends = {}
    for cloud, order in orders.items():
        assert isinstance(order, OpenEnd)
        far = "public" if cloud == "private" else "private"
        where = tuple(sorted({"external": "-", "server": "r1", **place}.items())) if cloud == "public" else ()
        mark = Mark(event="cup", unit="shop", op=order.mark.op, template=order.mark.template)
        ends[cloud] = End(mark=mark, state="ACTIVE", offer=offers[cloud], joined=offers[far], place=where)
    return seen(ends)


def seen(ends: dict[str, End]) -> Snapshot:
    stretches = tuple(
        StretchView(driver="router", cloud=cloud, ends=(ends[cloud],) if cloud in ends else ())
        for cloud in ("private", "public")
    )
    pools = tuple(PoolView(driver="nova", cloud=cloud) for cloud in ("private", "public"))
    return Snapshot(event="cup", stretches=stretches, pools=pools)


def test_only_the_end_that_roams_is_told_a_place() -> None:
    steps = {step.cloud: step.subject for step in plan_apply(event(), seen({}), "r").steps if step.verb == "open"}
    away, home = steps["public"], steps["private"]
    assert isinstance(away, OpenEnd)
    assert isinstance(home, OpenEnd)
    assert (dict(away.options)["hypervisor"], dict(away.options)["roams"], away.external) == ("hv1", "near", "-")
    assert ("hypervisor" in dict(home.options), dict(home.options)["roams"], home.external) == (False, "far", "")


def test_after_a_move_the_router_leaves_by_the_network_of_its_place_and_is_not_refused() -> None:
    moved = event(hypervisor="hv2")
    snapshot = standing(event(), hypervisor="hv2")
    (step,) = [step for step in plan_apply(moved, snapshot, "r").steps if step.verb == "open"]
    assert (step.cloud, step.why) == ("public", "its router is to leave by front-net, not by -")
    there = standing(moved, hypervisor="hv2", external="front-net")
    assert [step for step in plan_apply(moved, there, "r").steps if step.verb == "open"] == []


def test_a_router_that_is_not_with_its_group_is_drift() -> None:
    status = status_of(event(), standing(event(), hypervisor="hv3"))
    assert ("shop", "misplaced") in [(one.unit, one.kind) for one in status.drift]
    line = next(line for line in status.stretches if line.server)
    assert (line.server, line.hypervisor) == ("r1", "hv3")
