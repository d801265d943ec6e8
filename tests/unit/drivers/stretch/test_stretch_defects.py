"""Seeded defects: each is refused, in words that name it, before anything is written on either cloud."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from cloudsentry.drivers.stretch.vlan import VlanStretch
from cloudsentry.drivers.stretch.vpnaas import VpnaasStretch
from cloudsentry.errors import PlanError, SpecError
from cloudsentry.observe import places_of, scope_of
from cloudsentry.planner import plan_apply
from cloudsentry.records.plans import Plan
from cloudsentry.records.views import PoolView, Snapshot
from cloudsentry.spec.load import load_text

DRIVERS: dict[str, Any] = {"vlan": VlanStretch, "vpnaas": VpnaasStretch}
VLAN = {
    "driver": "vlan",
    "between": ["nara", "osaka"],
    "physical_network": "physnet1",
    "vlan": 130,
    "cidr": "10.9.30.0/24",
    "mtu": 1400,
    "allocation": {"nara": "10.9.30.10-10.9.30.99", "osaka": "10.9.30.100-10.9.30.199"},
    "gateway": "nara",
}
VPN = {"driver": "vpnaas", "between": ["nara", "osaka"], "subnets": {"nara": ["front"], "osaka": ["front"]}}
Clouds = dict[str, Any]
Edit = Callable[[dict[str, Any], Clouds], Any]


def body(**stretches: Any) -> dict[str, Any]:
    """An event with these stretches."""
    pool = {"site": "nara", "image": "tiny", "flavor": "nano", "networks": "none", "pins": [{"count": 0}]}
    return {
        "event": "cup",
        "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
        "pools": {"front": pool},
        "stretches": copy.deepcopy(stretches),
    }


def planned(wish: dict[str, Any], connect: Any) -> Plan:
    """The plan for what the clouds are now, drivers and planner together."""
    event = load_text(json.dumps(wish), "cup.yaml")
    views: list[Any] = [PoolView(driver="nova", cloud="private")]
    for place in places_of([event]):
        if place[0] == "stretch":
            _, cloud, driver = place
            views.append(DRIVERS[driver](cloud, connect=connect).observe(scope_of(place, event, full=True)))
    return plan_apply(event, Snapshot.of("cup", views), "r")


def vlan(**changes: Any) -> Edit:
    return lambda wish, clouds: wish["stretches"]["link"].update(changes)


def network(cloud: str, *args: Any, **fields: Any) -> Edit:
    return lambda wish, clouds: clouds[cloud].network(*args, **fields)


def limit(cloud: str, **limits: int) -> Edit:
    return lambda wish, clouds: clouds[cloud].limits.update(limits)


def without(cloud: str, alias: str) -> Edit:
    return lambda wish, clouds: clouds[cloud].extensions.remove(alias)


def no_admin(wish: dict[str, Any], clouds: Clouds) -> None:
    clouds["public"].admin = False


def twice(wish: dict[str, Any], clouds: Clouds) -> None:
    again = {"nara": "10.9.31.10-10.9.31.99", "osaka": "10.9.31.100-10.9.31.199"}
    wish["stretches"]["other"] = {**VLAN, "cidr": "10.9.31.0/24", "allocation": again}


def same_addresses_twice(wish: dict[str, Any], clouds: Clouds) -> None:
    wish["stretches"]["other"] = {**VLAN, "vlan": 131}


def one_cloud(wish: dict[str, Any], clouds: Clouds) -> None:
    wish["sites"]["osaka"]["cloud"] = "private"


def pools(nara: str, osaka: str) -> Edit:
    return vlan(allocation={"nara": nara, "osaka": osaka})


def same_cidr(wish: dict[str, Any], clouds: Clouds) -> None:
    for subnet in clouds["public"].items["subnets"]:
        subnet["cidr"] = subnet["cidr"].replace("10.2.0.0/22", "10.1.2.0/24")


def gateway_taken(wish: dict[str, Any], clouds: Clouds) -> None:
    subnet = next(item for item in clouds["public"].items["subnets"] if item["name"] == "front")
    fixed = [{"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}]
    owner = "network:router_interface"
    clouds["public"].add("ports", device_owner=owner, device_id="r", network_id=subnet["network_id"], fixed_ips=fixed)


def no_external(wish: dict[str, Any], clouds: Clouds) -> None:
    clouds["public"].items["networks"] = [
        item for item in clouds["public"].items["networks"] if not item["router:external"]
    ]


DEFECTS: dict[str, tuple[dict[str, Any], Edit, str]] = {
    "pools overlap": (VLAN, pools("10.9.30.10-10.9.30.100", "10.9.30.100-10.9.30.199"), "overlap: two would own one"),
    "pool outside": (VLAN, pools("10.9.30.10-10.9.30.99", "10.9.31.1-10.9.31.9"), "is not within 10.9.30.0/24"),
    "pool holds the gateway": (VLAN, pools("10.9.30.1-10.9.30.99", "10.9.30.100-10.9.30.199"), "the gateway's"),
    "pool holds the broadcast": (VLAN, pools("10.9.30.10-10.9.30.99", "10.9.30.100-10.9.30.255"), "the broadcast"),
    "one site without addresses": (VLAN, vlan(allocation={"nara": "10.9.30.10-10.9.30.99"}), "for the site 'osaka'"),
    "no network at all": (VLAN, vlan(cidr="10.9.30.7/24"), "expected a network such as"),
    "segment stretched twice": (VLAN, twice, "twice would be a layer-2 loop"),
    "addresses stretched twice": (VLAN, same_addresses_twice, "overlap"),
    "both ends on one cloud": (VLAN, one_cloud, "both sites are the cloud 'private'"),
    "site that is none": (VLAN, vlan(between=["nara", "kyoto"]), "there is no site 'kyoto'"),
    "VLAN in use here": (VLAN, network("private", "theirs", "10.7.0.0/24", vlan=130, shared=False), "'theirs'"),
    "VLAN in use there": (VLAN, network("public", "theirs", "10.7.0.0/24", vlan=130, shared=False), "free VLAN 130"),
    "addresses in use here": (VLAN, network("private", "old", "10.9.0.0/16"), "has 10.9.0.0/16"),
    "addresses in use there": (VLAN, network("public", "old", "10.9.30.128/25"), "has 10.9.30.128/25"),
    "name in use": (VLAN, network("public", "link", "10.7.0.0/24"), "free name for stretch link"),
    "physical network unknown": (VLAN, vlan(physical_network="physnet3"), "physical network 'physnet3' (nearest:"),
    "MTU too large": (VLAN, vlan(mtu=9000), "at most 1500"),
    "no administrator": (VLAN, no_admin, "create_network:provider:physical_network"),
    "no provider extension": (VLAN, without("public", "provider"), "extension 'provider'"),
    "quota of networks": (VLAN, limit("public", network=2), "quota of networks: the limit is 2, 2 are used"),
    "quota of subnets": (VLAN, limit("private", subnet=2), "quota of subnets: the limit is 2, 2 are used"),
    "no VPN": (VPN, without("public", "vpnaas"), "extension 'vpnaas'"),
    "tunnel between overlapping networks": (VPN, same_cidr, "10.1.0.0/22 on private and 10.1.2.0/24 on public overlap"),
    "subnet unknown": (VPN, vlan(subnets={"nara": ["frnt"], "osaka": ["front"]}), "subnet 'frnt' (nearest: 'front')"),
    "no external network": (VPN, no_external, "external network ''"),
    "gateway address in use": (VPN, gateway_taken, "free gateway address 10.2.0.1"),
    "quota of routers": (VPN, limit("private", router=0), "quota of routers: the limit is 0, 0 are used"),
}


@pytest.mark.parametrize("driver", [VLAN, VPN], ids=["vlan", "vpnaas"])
def test_without_a_defect_it_is_planned(driver: dict[str, Any], clouds: Clouds, connect: Any) -> None:
    """The table below proves nothing unless this holds."""
    plan = planned(body(link=driver), connect)
    assert [step.id for step in plan.steps] == [
        "link/nara/join",
        "link/nara/open",
        "link/osaka/join",
        "link/osaka/open",
    ]
    assert [cloud.writes for cloud in clouds.values()] == [[], []]


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_a_defect_is_refused_before_any_write(defect: str, clouds: Clouds, connect: Any) -> None:
    stretch, seed, said = DEFECTS[defect]
    wish = body(link=stretch)
    seed(wish, clouds)
    with pytest.raises((PlanError, SpecError)) as refused:
        planned(wish, connect)
    assert said in str(refused.value)
    assert [cloud.writes for cloud in clouds.values()] == [[], []]


def test_all_refusals_come_at_once(clouds: Clouds, connect: Any) -> None:
    wish = body(link=VLAN)
    for defect in ("VLAN in use here", "addresses in use there", "quota of subnets"):
        DEFECTS[defect][1](wish, clouds)
    with pytest.raises(PlanError) as refused:
        planned(wish, connect)
    assert len(refused.value.refusals) == 3


def test_an_address_owned_twice_is_found_later(clouds: Clouds, connect: Any) -> None:
    """Somebody's hand, after the ends were made: the same fixed address at both."""
    wish = body(link=VLAN)
    for cloud in clouds:
        for step in planned(wish, connect).steps:
            if step.cloud == cloud and step.verb == "open":
                VlanStretch(cloud, connect=connect).act(step.subject)  # type: ignore[arg-type]
    for cloud in clouds.values():
        made = next(item for item in cloud.items["networks"] if item["name"] == "link")
        cloud.add("ports", network_id=made["id"], fixed_ips=[{"subnet_id": "s", "ip_address": "10.9.30.50"}])
    with pytest.raises(PlanError, match=r"10\.9\.30\.50 is in use on private and on public"):
        planned(wish, connect)
