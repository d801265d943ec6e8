"""An operator's BGPVPN as a stretch: networks of the event's own, and networks and routers that are there."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from cloudsentry.drivers.stretch.bgpvpn import BgpvpnStretch
from cloudsentry.drivers.stretch.vlan import VlanStretch
from cloudsentry.errors import Conflict, PlanError, SpecError
from cloudsentry.observe import places_of, scope_of
from cloudsentry.planner import plan_apply, plan_destroy
from cloudsentry.records.plans import Plan
from cloudsentry.records.views import PoolView, Snapshot
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import load_text
from tests.unit.drivers.stretch.conftest import FakeNeutron

Clouds = dict[str, FakeNeutron]
DRIVERS: dict[str, Any] = {"bgpvpn": BgpvpnStretch, "vlan": VlanStretch}
SITES = {"private": "nara", "public": "osaka"}
ROUTED = {
    "driver": "bgpvpn",
    "between": ["nara", "osaka"],
    "bgpvpn": {"nara": "backbone", "osaka": "backbone"},
    "mode": "l3",
    "cidrs": {"nara": "10.9.30.0/24", "osaka": "10.9.31.0/24"},
}
BRIDGED = {
    "driver": "bgpvpn",
    "between": ["nara", "osaka"],
    "bgpvpn": {"nara": "evpn", "osaka": "evpn"},
    "cidr": "10.9.30.0/24",
    "allocation": {"nara": "10.9.30.10-10.9.30.99", "osaka": "10.9.30.100-10.9.30.199"},
    "gateway": "nara",
}
ADOPTING = {**ROUTED, "adopt": {"nara": "origin"}, "routers": {"osaka": "edge"}}


@pytest.fixture
def offered(clouds: Clouds) -> Clouds:
    """Both operators have given two BGPVPNs; each project has a network and a router of its own."""
    for name, cloud in clouds.items():
        cloud.bgpvpn("backbone")
        cloud.bgpvpn("evpn", "l2")
        cidr = "10.9.30.0/24" if name == "private" else "10.9.31.0/24"
        network = cloud.network("origin", cidr, shared=False, tags=["theirs"])
        if name == "public":
            cloud.items["subnets"].pop()
            cloud.items["networks"].pop()
            network = cloud.network("behind", cidr, shared=False)
            router = cloud.add("routers", name="edge", description="", status="ACTIVE", tags=["theirs"])
            fixed = [{"subnet_id": cloud.items["subnets"][-1]["id"], "ip_address": "10.9.31.1"}]
            owner = "network:router_interface"
            cloud.add("ports", device_id=router["id"], device_owner=owner, network_id=network["id"], fixed_ips=fixed)
    return clouds


@pytest.fixture
def bare(clouds: Clouds) -> Clouds:
    """The BGPVPNs alone."""
    for cloud in clouds.values():
        cloud.bgpvpn("backbone")
        cloud.bgpvpn("evpn", "l2")
    return clouds


def event(**stretches: Any) -> Event:
    pool = {"site": "nara", "image": "tiny", "flavor": "nano", "networks": "none", "pins": [{"count": 0}]}
    sites = {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}}
    return load_text(
        json.dumps({"event": "cup", "sites": sites, "pools": {"front": pool}, "stretches": stretches}), "cup.yaml"
    )


def look(wanted: Event, clouds: Clouds) -> Snapshot:
    views: list[Any] = [PoolView(driver="nova", cloud="private")]
    for place in places_of([wanted]):
        if place[0] == "stretch":
            views.append(driver(place[2], place[1], clouds).observe(scope_of(place, wanted, full=True)))
    return Snapshot.of("cup", views)


def driver(kind: str, cloud: str, clouds: Clouds) -> Any:
    return DRIVERS[kind](cloud, connect=clouds.__getitem__)


def carried_out(plan: Plan, wanted: Event, clouds: Clouds) -> None:
    """In the plan's order, as the executor does."""
    steps = list(plan.steps)
    while steps:
        left = {step.id for step in steps}
        step = next(step for step in steps if not set(step.after) & left)
        subject: Any = step.subject
        if hasattr(subject, "resolved"):
            subject = subject.resolved(look(wanted, clouds))
        driver(step.driver, step.cloud, clouds).act(subject)
        steps.remove(step)


def applied(wanted: Event, clouds: Clouds) -> Plan:
    plan = plan_apply(wanted, look(wanted, clouds), "r")
    carried_out(plan, wanted, clouds)
    return plan


def associations(cloud: FakeNeutron) -> list[str]:
    """Names of what is associated."""
    names = {item["id"]: item["name"] for kind in ("networks", "routers") for item in cloud.items.get(kind, [])}
    return [
        names[item[f"{one}_id"]] for one in ("network", "router") for item in cloud.items.get(f"{one}_associations", [])
    ]


@pytest.mark.parametrize("link", [ROUTED, BRIDGED], ids=["l3", "l2"])
def test_from_nothing_to_joined_and_back_to_nothing(bare: Clouds, link: dict[str, Any]) -> None:
    before = {name: cloud.left() for name, cloud in bare.items()}
    wanted = event(link=link)
    applied(wanted, bare)
    snapshot = look(wanted, bare)
    for name, cloud in bare.items():
        assert associations(cloud) == ["link"]
        end = snapshot.stretch(name, "bgpvpn").named("link")
        far = snapshot.stretch("public" if name == "private" else "private", "bgpvpn").named("link")
        assert end is not None
        assert far is not None
        assert (end.state, end.joined) == ("ACTIVE", far.offer)
        assert "is associated with BGPVPN" in end.detail
    writes = {name: list(cloud.writes) for name, cloud in bare.items()}
    assert applied(wanted, bare).steps == ()
    assert {name: cloud.writes for name, cloud in bare.items()} == writes, "twice is once"

    carried_out(plan_destroy("cup", look(wanted, bare), "r"), wanted, bare)
    assert {name: cloud.left() for name, cloud in bare.items()} == before
    assert all(view.ends == () for view in look(wanted, bare).stretches)
    gone = [path for method, path in bare["private"].writes if method == "DELETE"]
    assert [path.split("/")[-2] for path in gone] == ["network_associations", "subnets", "networks"]


def test_routed_servers_learn_the_way_and_bridged_ones_get_their_share(bare: Clouds) -> None:
    applied(event(link=ROUTED), bare)
    (subnet,) = [item for item in bare["private"].items["subnets"] if item["name"] == "link"]
    assert subnet["host_routes"] == [{"destination": "10.9.31.0/24", "nexthop": "10.9.30.1"}]
    routed = event(link=ROUTED)
    carried_out(plan_destroy("cup", look(routed, bare), "r"), routed, bare)
    applied(event(link=BRIDGED), bare)
    shares = {
        name: next(item for item in cloud.items["subnets"] if item["name"] == "link") for name, cloud in bare.items()
    }
    assert [shares[name]["allocation_pools"][0]["start"] for name in SITES] == ["10.9.30.10", "10.9.30.100"]
    assert [shares[name]["gateway_ip"] for name in SITES] == ["10.9.30.1", None]


def test_what_was_there_is_as_before_afterwards(offered: Clouds) -> None:
    before = {name: copy.deepcopy(cloud.items) for name, cloud in offered.items()}
    wanted = event(link=ADOPTING)
    applied(wanted, offered)
    assert (associations(offered["private"]), associations(offered["public"])) == (["origin"], ["edge"])
    assert applied(wanted, offered).steps == ()
    end = look(wanted, offered).stretch("public", "bgpvpn").named("link")
    assert end is not None
    assert end.detail.startswith("router 'edge' is associated with BGPVPN 'backbone'")
    carried_out(plan_destroy("cup", look(wanted, offered), "r"), wanted, offered)
    for name, cloud in offered.items():
        left = {kind: items for kind, items in cloud.items.items() if items}
        assert left == before[name]
        kinds = {path.split("/")[1] for method, path in cloud.writes if method == "DELETE"}
        assert kinds == {"bgpvpn"}, "only associations are deleted"


class Killed(Exception):
    """The process ends before this write."""


@pytest.mark.parametrize("link", [ROUTED, BRIDGED, ADOPTING], ids=["l3", "l2", "adopted"])
def test_killed_before_any_write_it_is_gone_on_with_and_leaves_nothing(
    clouds: Clouds, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, link: dict[str, Any]
) -> None:
    all_ = request.getfixturevalue("offered" if link is ADOPTING else "bare")
    start = {name: copy.deepcopy(cloud.items) for name, cloud in all_.items()}
    wanted = event(link=link)
    for nth in itertools.count():
        for name, cloud in all_.items():
            cloud.items = copy.deepcopy(start[name])
        left = nth

        def counted(write: Callable[..., Any]) -> Callable[..., Any]:
            def sent(*args: Any, **named: Any) -> Any:
                nonlocal left
                if left == 0:
                    raise Killed
                left -= 1
                return write(*args, **named)

            return sent

        with monkeypatch.context() as patch:
            for cloud, verb in itertools.product(all_.values(), ("post", "put", "delete")):
                patch.setattr(cloud, verb, counted(getattr(cloud, verb)))
            try:
                applied(wanted, all_)
            except Killed:
                whole = False
            else:
                whole = True
        applied(wanted, all_)
        assert applied(wanted, all_).steps == ()
        assert all(len(associations(cloud)) == 1 for cloud in all_.values())
        carried_out(plan_destroy("cup", look(wanted, all_), "r"), wanted, all_)
        for name, cloud in all_.items():
            assert {kind: items for kind, items in cloud.items.items() if items} == start[name]
        if whole:
            assert nth >= 6
            return


def test_an_association_that_somebody_removed_is_drift_and_comes_back(bare: Clouds) -> None:
    wanted = event(link=ROUTED)
    applied(wanted, bare)
    bare["public"].items["network_associations"].clear()
    plan = plan_apply(wanted, look(wanted, bare), "r")
    assert ("public", "missing") in [(one.cloud, one.kind) for one in plan.drift]
    carried_out(plan, wanted, bare)
    assert associations(bare["public"]) == ["link"]
    assert applied(wanted, bare).steps == ()


def test_what_somebody_associates_meanwhile_stays_theirs(offered: Clouds) -> None:
    wanted = event(link=ADOPTING)
    plan = plan_apply(wanted, look(wanted, offered), "r")
    cloud = offered["private"]
    (network,) = [item for item in cloud.items["networks"] if item["name"] == "origin"]
    cloud.add("network_associations", bgpvpn_id=cloud.items["bgpvpns"][0]["id"], network_id=network["id"])
    with pytest.raises(Conflict, match="associated with BGPVPN backbone already"):
        carried_out(plan, wanted, offered)
    assert network["tags"] == ["theirs"]


def test_each_driver_of_one_event_closes_its_own_alone(bare: Clouds) -> None:
    road = {
        "driver": "vlan",
        "between": ["nara", "osaka"],
        "physical_network": "physnet1",
        "vlan": 150,
        "cidr": "10.9.50.0/24",
        "allocation": {"nara": "10.9.50.10-10.9.50.99", "osaka": "10.9.50.100-10.9.50.199"},
    }
    wanted = event(link=ROUTED, road=road)
    applied(wanted, bare)
    assert applied(wanted, bare).steps == ()
    for cloud in bare.values():  # as a kill right after the create leaves it
        cloud.items["network_associations"].clear()
        for network in (item for item in cloud.items["networks"] if item["name"] == "link"):
            network["tags"] = []
    plan = plan_apply(wanted, look(wanted, bare), "r")
    assert {step.verb for step in plan.steps} == {"open", "join"}
    carried_out(plan, wanted, bare)
    steps = [(step.driver, step.unit) for step in plan_destroy("cup", look(wanted, bare), "r").steps]
    assert sorted(steps) == sorted([("bgpvpn", "link"), ("vlan", "road")] * 2)


def test_an_extension_that_is_unloaded_is_told_and_the_rest_can_go(bare: Clouds) -> None:
    wanted = event(link=ROUTED)
    applied(wanted, bare)
    bare["public"].extensions.remove("bgpvpn")
    with pytest.raises(PlanError, match="extension 'bgpvpn' of Neutron"):
        plan_apply(wanted, look(wanted, bare), "r")
    carried_out(plan_destroy("cup", look(wanted, bare), "r"), wanted, bare)
    assert all("link" not in [item["name"] for item in cloud.items["networks"]] for cloud in bare.values())


def test_a_router_of_many_networks_is_offered_in_what_a_tag_holds(offered: Clouds) -> None:
    wanted, cloud = event(link=ADOPTING), offered["public"]
    for nth in range(40):
        network = cloud.network(f"more{nth}", f"10.8.{nth}.0/24", shared=False)
        (router,) = cloud.items["routers"]
        fixed = [{"subnet_id": cloud.items["subnets"][-1]["id"], "ip_address": f"10.8.{nth}.1"}]
        owner = "network:router_interface"
        cloud.add("ports", device_id=router["id"], device_owner=owner, network_id=network["id"], fixed_ips=fixed)
    applied(wanted, offered)
    tags = [tag for item in offered["private"].items["networks"] for tag in item["tags"]]
    assert any("41 of digest" in tag for tag in tags)
    assert max(map(len, tags)) <= 255
    assert applied(wanted, offered).steps == ()


Edit = Callable[[dict[str, Any], Clouds], Any]


def theirs(clouds: Clouds, kind: str = "networks", name: str = "origin", cloud: str = "private") -> dict[str, Any]:
    return next(item for item in clouds[cloud].items[kind] if item["name"] == name)


def associated(clouds: Clouds) -> None:
    vpn, network = theirs(clouds, "bgpvpns", "backbone"), theirs(clouds)
    clouds["private"].add("network_associations", bgpvpn_id=vpn["id"], network_id=network["id"])


def its_network_associated(clouds: Clouds) -> None:
    vpn, network = theirs(clouds, "bgpvpns", "backbone", "public"), theirs(clouds, "networks", "behind", "public")
    clouds["public"].add("network_associations", bgpvpn_id=vpn["id"], network_id=network["id"])


OWN: dict[str, tuple[dict[str, Any], Edit, str]] = {
    "no extension": (ROUTED, lambda w, c: c["public"].extensions.remove("bgpvpn"), "extension 'bgpvpn' of Neutron"),
    "unknown": (ROUTED, lambda w, c: w["bgpvpn"].update(osaka="backbon"), "BGPVPN 'backbon' (nearest: 'backbone')"),
    "ambiguous": (ROUTED, lambda w, c: c["public"].bgpvpn("backbone"), "single BGPVPN 'backbone': of that name are"),
    "l2 for l3": (ROUTED, lambda w, c: w["bgpvpn"].update(nara="evpn"), "of type l3: it is of type l2"),
    "l3 for l2": (BRIDGED, lambda w, c: w["bgpvpn"].update(nara="backbone"), "of type l2: it is of type l3"),
    "another's": (
        ROUTED,
        lambda w, c: theirs(c, "bgpvpns", "backbone").update(project_id="theirs"),
        "it is project theirs's",
    ),
    "no common target": (
        ROUTED,
        lambda w, c: theirs(c, "bgpvpns", "backbone").update(route_targets=["64512:7"]),
        "imports nothing",
    ),
    "same addresses": (ROUTED, lambda w, c: w["cidrs"].update(osaka="10.9.30.128/25"), "overlap"),
    "addresses taken": (ROUTED, lambda w, c: c["public"].network("old", "10.9.30.0/25"), "free addresses 10.9.30.0/24"),
    "name taken": (ROUTED, lambda w, c: c["public"].network("link", "10.77.0.0/24"), "free name"),
    "quota": (ROUTED, lambda w, c: c["public"].limits.update(network=2), "room in the quota of networks"),
}
ADOPTED: dict[str, tuple[dict[str, Any], Edit, str]] = {
    "network gone": (ADOPTING, lambda w, c: w["adopt"].update(nara="orign"), "network 'orign' (nearest: 'origin')"),
    "router gone": (ADOPTING, lambda w, c: w["routers"].update(osaka="egde"), "router 'egde' (nearest: 'edge')"),
    "associated already": (ADOPTING, lambda w, c: associated(c), "it is associated with it already"),
    "router's network associated": (
        ADOPTING,
        lambda w, c: its_network_associated(c),
        "that is associated with BGPVPN 'backbone'",
    ),
    "other addresses": (
        ADOPTING,
        lambda w, c: w["cidrs"].update(nara="10.9.40.0/24"),
        "subnet 10.9.40.0/24 on network",
    ),
    "another event's": (
        ADOPTING,
        lambda w, c: theirs(c).update(tags=["cloudsentry-associated", "cloudsentry-associated=bowl/road/o/t"]),
        "road of event bowl has it",
    ),
    "another stretch's": (
        ADOPTING,
        lambda w, c: theirs(c).update(tags=["cloudsentry-adopted"]),
        "as a part of another stretch",
    ),
}


def refused(link: dict[str, Any], edit: Edit, told: str, clouds: Clouds) -> None:
    plan_apply(event(link=link), look(event(link=link), clouds), "r")  # sound without the defect
    wish = copy.deepcopy(link)
    edit(wish, clouds)
    with pytest.raises(PlanError) as error:
        plan_apply(event(link=wish), look(event(link=wish), clouds), "r")
    assert any(told in line for line in error.value.refusals), error.value.refusals
    assert [cloud.writes for cloud in clouds.values()] == [[], []]


@pytest.mark.parametrize(("link", "edit", "told"), OWN.values(), ids=OWN)
def test_seeded_defects_are_refused(bare: Clouds, link: dict[str, Any], edit: Edit, told: str) -> None:
    refused(link, edit, told, bare)


@pytest.mark.parametrize(("link", "edit", "told"), ADOPTED.values(), ids=ADOPTED)
def test_what_is_there_and_does_not_fit_is_refused(
    offered: Clouds, link: dict[str, Any], edit: Edit, told: str
) -> None:
    refused(link, edit, told, offered)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bgpvpn": {"nara": "backbone"}}, "nothing is said for the site 'osaka'"),
        ({"mode": "l2"}, "needs cidr"),
        ({"mode": "l2", "routers": {"nara": "edge"}}, "a router joins layer 3"),
        ({"adopt": {"nara": "a"}, "routers": {"nara": "b"}}, "a network or a router, not both"),
        ({"cidrs": {"nara": "10.9.30.0/24", "osaka": "10.9.31.7/24"}}, "found '10.9.31.7/24'"),
        ({"vlan": 7}, "the driver 'bgpvpn' has no vlan"),
        ({"adopt": {"tokyo": "a"}}, "'tokyo' is none of the two sites"),
    ],
)
def test_what_the_file_gets_wrong_is_told_at_its_place(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        event(link={**ROUTED, **changes})
