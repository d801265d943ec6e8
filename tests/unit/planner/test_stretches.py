"""What an operator reads in the plan of a stretched network."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from cloudsentry.errors import PlanError
from cloudsentry.planner import plan_apply, plan_destroy, status_of
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateServers
from cloudsentry.records.plans import Plan, Step
from cloudsentry.records.stretching import CloseEnd, End, JoinEnd, Offer, OpenEnd, StretchView
from cloudsentry.records.views import PoolView, Server, Snapshot
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import load_text

LINK = {
    "driver": "vlan",
    "between": ["nara", "osaka"],
    "physical_network": "physnet1",
    "vlan": 130,
    "cidr": "10.9.30.0/24",
    "allocation": {"nara": "10.9.30.10-10.9.30.99", "osaka": "10.9.30.100-10.9.30.199"},
    "gateway": "nara",
}
CLOUDS = {"nara": "private", "osaka": "public"}


def event(**changes: Any) -> Event:
    pool = {"image": "tiny", "flavor": "nano", "pins": [{"count": 1}]}
    body = {
        "event": "cup",
        "sites": {site: {"cloud": cloud} for site, cloud in CLOUDS.items()},
        "pools": {
            "near": {**pool, "site": "nara", "networks": ["front"]},
            "far": {**pool, "site": "osaka", "networks": ["front", "link"]},
        },
        "stretches": {"link": LINK},
        **changes,
    }
    return load_text(json.dumps(body), "cup.yaml")


def offer(cloud: str) -> Offer:
    return Offer(facts=(("vlan", "130"), ("where", cloud)))


def template(wanted: Event, cloud: str) -> str:
    """The digest that an end on a cloud is made with."""
    fresh = plan_apply(wanted, looked({}), "r")
    return next(step.subject.mark.template for step in fresh.steps if (step.cloud, step.verb) == (cloud, "open"))  # type: ignore[union-attr]


def end(wanted: Event, cloud: str, **changes: Any) -> End:
    other = "public" if cloud == "private" else "private"
    fields: dict[str, Any] = {
        "mark": Mark(event="cup", unit="link", template=template(wanted, cloud)),
        "state": "ACTIVE",
        "offer": offer(cloud),
        "joined": offer(other),
        "objects": (("subnet", f"s-{cloud}"), ("network", f"n-{cloud}")),
    }
    return End(**{**fields, **changes})


def looked(ends: dict[str, End], servers: tuple[Server, ...] = ()) -> Snapshot:
    views: list[Any] = [
        StretchView(driver="vlan", cloud=cloud, ends=(ends[cloud],) if cloud in ends else ())
        for cloud in ("private", "public")
    ]
    for cloud in ("private", "public"):
        mine = tuple(server for server in servers if server.id.startswith(cloud))
        views.append(PoolView(driver="nova", cloud=cloud, servers=mine))
    return Snapshot.of("cup", views)


def both(wanted: Event) -> dict[str, End]:
    return {cloud: end(wanted, cloud) for cloud in CLOUDS.values()}


def server(cloud: str, unit: str) -> Server:
    return Server(id=f"{cloud}-1", name="s", status="ACTIVE", mark=Mark(event="cup", unit=unit))


def step(plan: Plan, name: str) -> Step:
    return next(item for item in plan.steps if item.id == name)


def stretched(plan: Plan) -> list[str]:
    return [item.id for item in plan.steps if item.family == "stretch"]


def test_both_ends_are_opened_side_by_side_and_each_is_joined_after_both() -> None:
    plan = plan_apply(event(), looked({}), "r")
    opens = ("link/nara/open", "link/osaka/open")
    assert stretched(plan) == ["link/nara/join", "link/nara/open", "link/osaka/join", "link/osaka/open"]
    for site in ("nara", "osaka"):
        assert isinstance(step(plan, f"link/{site}/open").subject, OpenEnd)
        assert step(plan, f"link/{site}/open").after == ()
        join = step(plan, f"link/{site}/join")
        assert isinstance(join.subject, JoinEnd)
        assert (join.after, join.subject.offer) == (opens, None)


def test_only_servers_on_the_stretch_wait_for_their_site_s_end_of_it() -> None:
    plan = plan_apply(event(), looked({}), "r")
    assert isinstance(step(plan, "far@any/create").subject, CreateServers)
    assert step(plan, "far@any/create").after == ("link/osaka/join",)
    assert step(plan, "near@any/create").after == ()


def test_the_same_input_gives_the_same_plan() -> None:
    assert plan_apply(event(), looked({}), "r") == plan_apply(event(), looked({}), "r")


def test_nothing_to_do_when_both_ends_are_joined() -> None:
    wanted = event()
    plan = plan_apply(wanted, looked(both(wanted)), "r")
    assert stretched(plan) == []
    assert not [line for line in plan.drift if line.unit == "link"]


def test_each_end_is_told_of_its_own_side_only() -> None:
    plan = plan_apply(event(), looked({}), "r")
    far = dict(step(plan, "link/osaka/open").subject.options)  # type: ignore[union-attr]
    assert far["allocation"] == "10.9.30.100-10.9.30.199"
    assert "gateway" not in far
    assert dict(step(plan, "link/nara/open").subject.options)["gateway"] == "yes"  # type: ignore[union-attr]


def test_a_lost_end_is_opened_again_and_both_are_joined_anew() -> None:
    wanted = event()
    plan = plan_apply(wanted, looked({"private": end(wanted, "private")}), "r")
    assert stretched(plan) == ["link/nara/join", "link/osaka/join", "link/osaka/open"]
    assert [line.what for line in plan.drift if line.cloud == "public" and line.unit == "link"] == [
        "this end of stretch link is missing"
    ]


def test_an_end_half_made_by_a_killed_process_is_opened_again() -> None:
    wanted = event()
    ends = both(wanted)
    mark = Mark(event="cup", unit="link")
    ends["public"] = dataclasses.replace(ends["public"], mark=mark, offer=None, joined=None, state="BUILD")
    assert "link/osaka/open" in stretched(plan_apply(wanted, looked(ends), "r"))


def test_a_changed_offer_is_joined_on_the_far_side_alone() -> None:
    wanted = event()
    ends = both(wanted)
    ends["public"] = dataclasses.replace(ends["public"], offer=Offer(facts=(("vlan", "131"),)))
    assert stretched(plan_apply(wanted, looked(ends), "r")) == ["link/nara/join"]


def test_other_settings_of_a_standing_stretch_are_refused() -> None:
    wanted = event()
    standing = looked(both(wanted))
    with pytest.raises(PlanError, match="stretch link: its end on private was made from other settings"):
        plan_apply(event(stretches={"link": {**LINK, "vlan": 131}}), standing, "r")


def test_destroy_closes_the_ends_by_exact_id_after_the_servers() -> None:
    wanted = event()
    plan = plan_destroy("cup", looked(both(wanted), (server("public", "far@any"),)), "r")
    close = step(plan, "link/public/vlan/close")
    assert close.subject == CloseEnd(unit="link", objects=(("subnet", "s-public"), ("network", "n-public")))
    assert close.after == ("far@any/public/remove",)


def test_a_stretch_that_the_event_has_no_more_goes_after_the_servers_that_go() -> None:
    wanted = event()
    pools = {"near": wanted.pools["near"].model_dump(mode="json", exclude_none=True)}
    less = event(stretches={}, pools=pools)
    plan = plan_apply(less, looked(both(wanted), (server("public", "far@any"),)), "r")
    assert stretched(plan) == ["link/private/vlan/close", "link/public/vlan/close"]
    assert step(plan, "link/public/vlan/close").after == ("far@any/public/remove",)


def test_the_status_tells_the_ends_and_what_they_offer() -> None:
    wanted = event()
    lines = status_of(wanted, looked(both(wanted))).stretches
    assert [(line.cloud, line.state, line.joined, line.offer) for line in lines] == [
        ("private", "ACTIVE", True, "vlan 130, where private"),
        ("public", "ACTIVE", True, "vlan 130, where public"),
    ]
