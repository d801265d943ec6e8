"""What a probe of a stretch leads to: told as drift, and no weight where what is fetched from cannot be reached."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from cloudsentry.planner import plan_apply, status_of
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import SetMembers
from cloudsentry.records.stretching import FRESH_S, End, Lease, Offer, Probe, RenewLease, StretchView
from cloudsentry.records.views import PoolView, Snapshot
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import load_text

CLOUDS = {"nara": "private", "osaka": "public"}
ALIVE = Probe(by="gw1", up=True, rtt=41.0, whole=True, mtu=1390)
DEAD = Probe(by="gw1", up=False, loss=100.0)
LONG = Lease(until=2_000_000_000.0, left=40_000.0)


def event(**changes: Any) -> Event:
    pool = {"image": "tiny", "flavor": "nano", "pins": [{"count": 1, "weight": 10}], "networks": ["front", "link"]}
    link = {
        "driver": "gateway",
        "between": ["nara", "osaka"],
        "cidr": "10.9.30.0/24",
        "allocation": {"nara": "10.9.30.10-10.9.30.99", "osaka": "10.9.30.100-10.9.30.199"},
        "image": {"nara": "debian", "osaka": "debian"},
        "flavor": {"nara": "nano", "osaka": "nano"},
        "origin": "nara",
        **changes,
    }
    body = {
        "event": "cup",
        "sites": {site: {"cloud": cloud} for site, cloud in CLOUDS.items()},
        "pools": {"near": {**pool, "site": "nara"}, "far": {**pool, "site": "osaka"}},
        "stretches": {"link": {name: value for name, value in link.items() if value is not None}},
        "balancers": {
            site: {"site": site, "network": "front", "members": [{"pool": pool, "port": 80}]}
            for site, pool in (("nara", "near"), ("osaka", "far"))
        },
    }
    return load_text(json.dumps(body), "cup.yaml")


def looked(probes: dict[str, Probe | None], lease: Lease | None = LONG) -> Snapshot:
    views: list[Any] = []
    for cloud, far in (("private", "public"), ("public", "private")):
        end = End(
            mark=Mark(event="cup", unit="link"),
            state="ACTIVE",
            offer=Offer(facts=(("where", cloud),)),
            joined=Offer(facts=(("where", far),)),
            probe=probes.get(cloud),
            lease=lease,
        )
        views += [StretchView(driver="gateway", cloud=cloud, ends=(end,)), PoolView(driver="nova", cloud=cloud)]
    return Snapshot.of("cup", views)


def weights(wanted: Event, snapshot: Snapshot) -> dict[str, int]:
    orders = [step.subject for step in plan_apply(wanted, snapshot, "r").steps if isinstance(step.subject, SetMembers)]
    return {order.unit: share.weight for order in orders for share in order.shares}


@pytest.mark.parametrize("seen", [{"private": DEAD, "public": ALIVE}, {"public": DEAD}])
def test_servers_that_need_a_dead_stretch_get_no_weight(seen: dict[str, Probe | None]) -> None:
    assert weights(event(), looked(seen)) == {"nara": 10, "osaka": 0}


@pytest.mark.parametrize(
    "seen",
    [{}, {"private": ALIVE, "public": ALIVE}, {"public": dataclasses.replace(DEAD, age=FRESH_S + 1)}],
    ids=["nobody tried", "alive", "long ago"],
)
def test_what_nobody_has_seen_dead_is_not_dead(seen: dict[str, Probe | None]) -> None:
    assert weights(event(), looked(seen)) == {"nara": 10, "osaka": 10}


def test_without_an_origin_nobody_needs_the_other() -> None:
    assert weights(event(origin=None), looked({"public": DEAD})) == {"nara": 10, "osaka": 10}


@pytest.mark.parametrize(
    ("probe", "kind"),
    [
        (DEAD, "dead"),
        (dataclasses.replace(ALIVE, loss=40.0), "loss"),
        (dataclasses.replace(ALIVE, whole=False), "narrow"),
        (dataclasses.replace(ALIVE, twice=("10.9.30.7",)), "twice"),
    ],
)
def test_what_a_probe_found_is_told(probe: Probe, kind: str) -> None:
    status = status_of(event(), looked({"public": probe}))
    assert kind in {one.kind for one in status.drift if one.unit == "link"}
    (line,) = [one for one in status.stretches if one.cloud == "public"]
    assert (line.alive, line.loss) == (probe.up, probe.loss)


@pytest.mark.parametrize(
    ("lease", "renewed"),
    [(None, True), (LONG, False), (Lease(until=2e9, left=100.0), True), (Lease(until=1e9, left=-5.0), True)],
)
def test_a_lease_is_renewed_when_half_of_it_is_gone(lease: Lease | None, renewed: bool) -> None:
    plan = plan_apply(event(), looked({}, lease), "r")
    orders = [step.subject for step in plan.steps if isinstance(step.subject, RenewLease)]
    assert [order.seconds for order in orders] == [43_200] * 2 * renewed


@pytest.mark.parametrize(
    ("transport", "heard", "told"),
    [
        ("wireguard", False, "not one packet has arrived from UDP port 51820; where UDP is filtered"),
        ("openvpn", False, "no connection to TCP port 51820"),
        ("wireguard", True, "nothing comes back from the far end"),
    ],
)
def test_a_tunnel_that_never_heard_the_far_end_says_what_it_goes_by(transport: str, heard: bool, told: str) -> None:
    probe = dataclasses.replace(DEAD, heard=heard)
    (line,) = [
        one for one in status_of(event(transport=transport), looked({"public": probe})).drift if one.kind == "dead"
    ]
    assert told in line.what
    assert ("transport: openvpn" in line.what) == (transport == "wireguard" and not heard)


def tunnel(cloud: str, probe: Probe) -> Snapshot:
    """A tunnel between what is there, its two ends joined, one of which has told this."""
    views: list[Any] = []
    for name, far in (("private", "public"), ("public", "private")):
        end = End(
            mark=Mark(event="cup", unit="link"),
            state="ACTIVE",
            offer=Offer(facts=(("where", name),)),
            joined=Offer(facts=(("where", far),)),
            probe=probe if name == cloud else None,
        )
        views += [StretchView(driver="vpnaas", cloud=name, ends=(end,)), PoolView(driver="nova", cloud=name)]
    return Snapshot.of("cup", views)


def test_a_tunnel_that_neutron_says_is_down_takes_the_weight_of_those_behind_it() -> None:
    subnets = {"nara": ["origin"], "osaka": ["front"]}
    gone = dict.fromkeys(("cidr", "allocation", "image", "flavor"))
    wanted = event(driver="vpnaas", subnets=subnets, **gone)
    pools = {name: pool.model_copy(update={"networks": ["front"]}) for name, pool in wanted.pools.items()}
    wanted = wanted.model_copy(update={"pools": pools})
    down = Probe(by="neutron", up=False, loss=100.0, detail="site connection is DOWN")
    assert weights(wanted, tunnel("private", down)) == {"nara": 10, "osaka": 0}
    alive = Probe(by="neutron", up=True, detail="site connection is ACTIVE")
    assert weights(wanted, tunnel("private", alive)) == {"nara": 10, "osaka": 10}
    status = status_of(wanted, tunnel("private", down))
    (line,) = [one for one in status.drift if one.kind == "dead"]
    assert line.what == "stretch link is dead: site connection is DOWN"
    (seen,) = [one for one in status_of(wanted, tunnel("private", alive)).stretches if one.cloud == "private"]
    assert (seen.alive, seen.rtt, seen.loss) == (True, None, None), "no packet was sent, so none was lost"
