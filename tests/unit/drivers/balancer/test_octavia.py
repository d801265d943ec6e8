"""The Octavia driver over a stub wire: what is sent, and what answers become."""

from __future__ import annotations

import pytest
from clouds.stub import PROJECT, answer, connect

from cloudsentry.drivers.balancer.base import BalancerScope
from cloudsentry.drivers.balancer.octavia import OctaviaBalancer
from cloudsentry.errors import Busy, Conflict, Denied, NoCapacity, NotSupported
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateBalancer, DeleteBalancer, Drain, Monitor, SetMembers
from cloudsentry.records.views import Member

LB = "/lb/v2.0/lbaas"
MARK = Mark(event="final", unit="front", op="op1")
TAGS = ["cloudsentry", "cloudsentry-event=final", "cloudsentry-op=op1", "cloudsentry-unit=front"]
BALANCER = {
    "id": "lb-1",
    "name": "final-front",
    "tags": TAGS,
    "vip_address": "10.0.0.9",
    "provisioning_status": "ACTIVE",
    "operating_status": "ONLINE",
    "provider": "amphora",
    "listeners": [{"id": "li-1"}],
    "pools": [{"id": "po-1"}],
}
POOL = {"id": "po-1", "lb_algorithm": "ROUND_ROBIN", "healthmonitor_id": "hm-1", "members": [{"id": "m-1"}]}
OURS = {
    "id": "m-1",
    "name": "server-1",
    "address": "10.0.0.5",
    "protocol_port": 80,
    "weight": 10,
    "backup": False,
    "subnet_id": None,
    "admin_state_up": True,
    "monitor_address": None,
    "monitor_port": None,
    "operating_status": "ONLINE",
    "provisioning_status": "ACTIVE",
    "project_id": PROJECT,
    "tags": TAGS,
}
THEIRS = OURS | {
    "id": "m-2",
    "name": "by hand",
    "address": "10.0.0.6",
    "weight": 3,
    "tags": ["web"],
    "subnet_id": "s-1",
}
NETWORKS = {"networks": [{"id": "net-1", "name": "front", "project_id": PROJECT, "shared": False}]}


def driver(routes):
    opener, wire = connect(routes)
    return OctaviaBalancer("here", connect=opener), wire


def world(balancer=BALANCER, members=(OURS, THEIRS), **more):
    return {
        f"GET {LB}/loadbalancers": {"loadbalancers": [balancer] if balancer else []},
        f"GET {LB}/pools": {"pools": [POOL]},
        f"GET {LB}/pools/po-1/members": {"members": list(members)},
        **more,
    }


def members(*weights, subnet=""):
    made = tuple(
        Member(name=f"server-{n + 1}", address=f"10.0.0.{n + 11}", port=80, weight=weight, mark=MARK, subnet=subnet)
        for n, weight in enumerate(weights)
    )
    return SetMembers(unit="front", mark=MARK, members=made)


def test_a_balancer_is_read_with_its_pool_and_everybody_s_members():
    octavia, wire = driver(world())
    (balancer,) = octavia.observe(BalancerScope(event="final")).balancers
    assert (balancer.id, balancer.vip, balancer.pool, balancer.listener) == ("lb-1", "10.0.0.9", "po-1", "li-1")
    assert (balancer.monitor, balancer.algorithm, balancer.mark) == ("hm-1", "ROUND_ROBIN", MARK)
    assert [(member.name, member.weight, member.mark) for member in balancer.members] == [
        ("server-1", 10, MARK),
        ("by hand", 3, None),
    ]
    assert ("GET", f"{LB}/loadbalancers", {"tags": ["cloudsentry-event=final"]}, None) in wire.sent


def test_a_pool_that_goes_between_two_looks_is_no_error():
    going = BALANCER | {"provisioning_status": "PENDING_DELETE"}
    octavia, _ = driver(world(going) | {f"GET {LB}/pools/po-1/members": answer(404)})
    (balancer,) = octavia.observe(BalancerScope(event="final")).balancers
    assert (balancer.provisioning, balancer.members) == ("PENDING_DELETE", ())


def test_nothing_there_is_one_call():
    octavia, wire = driver(world(balancer=None))
    assert octavia.observe(BalancerScope(event="final")).balancers == ()
    assert [path for _, path, _, _ in wire.sent if path.startswith(LB)] == [f"{LB}/loadbalancers"]


@pytest.mark.parametrize(("stats", "count"), [({"stats": {"active_connections": 7}}, 7), (answer(403), None)])
def test_connections_are_counted_or_unknown_and_never_nought_for_unknown(stats, count):
    octavia, _ = driver(world() | {f"GET {LB}/loadbalancers/lb-1/stats": stats})
    (balancer,) = octavia.observe(BalancerScope(event="final", counters=True)).balancers
    assert balancer.connections == count


def test_everything_is_made_and_marked_by_one_call():
    octavia, wire = driver(
        {"GET /network/v2.0/networks": NETWORKS, f"POST {LB}/loadbalancers": answer(201, {"loadbalancer": {}})}
    )
    octavia.act(
        CreateBalancer(unit="front", name="final-front", network="front", monitor=Monitor(path="/name"), mark=MARK)
    )
    ((method, path, body),) = wire.writes()
    assert (method, path) == ("POST", f"{LB}/loadbalancers")
    assert body == {
        "loadbalancer": {
            "name": "final-front",
            "tags": TAGS,
            "vip_network_id": "net-1",
            "listeners": [
                {
                    "name": "final-front",
                    "protocol": "HTTP",
                    "protocol_port": 80,
                    "tags": TAGS,
                    "default_pool": {
                        "name": "final-front",
                        "protocol": "HTTP",
                        "lb_algorithm": "ROUND_ROBIN",
                        "tags": TAGS,
                        "healthmonitor": {
                            "name": "final-front",
                            "type": "HTTP",
                            "delay": 5,
                            "timeout": 3,
                            "max_retries": 2,
                            "url_path": "/name",
                            "tags": TAGS,
                        },
                    },
                }
            ],
        }
    }


def test_all_weights_are_one_write_and_a_person_s_member_stays_as_it_is():
    octavia, wire = driver(world() | {f"PUT {LB}/pools/po-1/members": answer(202)})
    octavia.act(members(10, 2))
    ((_, _, body),) = wire.writes()
    first, second, third = body["members"]
    assert (first["name"], first["address"], first["weight"], first["tags"]) == ("server-1", "10.0.0.11", 10, TAGS)
    assert "subnet_id" not in first
    assert second["weight"] == 2
    assert third == {
        "name": "by hand",
        "address": "10.0.0.6",
        "protocol_port": 80,
        "weight": 3,
        "backup": False,
        "subnet_id": "s-1",
        "admin_state_up": True,
        "tags": ["web"],
    }


def test_a_person_s_pool_is_left_alone():
    two = BALANCER | {"pools": [{"id": "po-0"}, {"id": "po-1"}]}
    octavia, wire = driver(world(two) | {f"PUT {LB}/pools/po-1/members": answer(202)})
    octavia.act(members(10))
    assert [path for _, path, _ in wire.writes()] == [f"{LB}/pools/po-1/members"]


def test_a_person_s_member_is_not_taken_over():
    octavia, wire = driver(world(members=[THEIRS | {"address": "10.0.0.11"}]))
    with pytest.raises(Conflict, match=r"10\.0\.0\.11:80"):
        octavia.act(members(10))
    assert wire.writes() == []


@pytest.mark.parametrize(("state", "kind"), [("PENDING_UPDATE", Busy), ("ERROR", Conflict)])
def test_a_balancer_that_takes_no_write_is_not_written_to(state, kind):
    octavia, wire = driver(world(BALANCER | {"provisioning_status": state}))
    with pytest.raises(kind):
        octavia.act(members(10))
    assert wire.writes() == []


@pytest.mark.parametrize(("state", "kind"), [("PENDING_UPDATE", Busy), ("ERROR", Conflict), ("ACTIVE", Busy)])
def test_a_409_is_of_passage_unless_the_balancer_is_in_error(state, kind):
    after = {"loadbalancer": BALANCER | {"provisioning_status": state}}
    octavia, _ = driver(world() | {f"PUT {LB}/pools/po-1/members": answer(409), f"GET {LB}/loadbalancers/lb-1": after})
    with pytest.raises(kind):
        octavia.act(members(10))


def test_a_provider_that_cannot_weigh():
    octavia, wire = driver(
        world(BALANCER | {"provider": "ovn"}) | {f"GET {LB}/providers": {"providers": [{"name": "ovn"}]}}
    )
    with pytest.raises(NotSupported, match="cannot weigh"):
        octavia.act(members(10, 2))
    with pytest.raises(NotSupported, match="cannot weigh"):
        octavia.act(CreateBalancer(unit="front", name="n", network="front", provider="ovn", mark=MARK))
    assert wire.writes() == []
    view = octavia.observe(BalancerScope(event="final", full=True, providers=("ovn",)))
    assert view.missing == ("weights at provider 'ovn': it has none",)


def test_a_used_up_quota_is_told_with_its_number_and_a_missing_right_stays_one():
    def refused(limit):
        quota = {"quota": {"load_balancer": limit, "listener": -1, "pool": -1, "health_monitor": -1, "member": -1}}
        return world() | {
            "GET /network/v2.0/networks": NETWORKS,
            f"POST {LB}/loadbalancers": answer(403, {"faultcode": "Client", "faultstring": "no", "debuginfo": None}),
            f"GET {LB}/quotas/{PROJECT}": quota,
        }

    wish = CreateBalancer(unit="front", name="n", network="front", mark=MARK)
    with pytest.raises(NoCapacity, match="the quota of loadbalancers is 1, 1 are used and one more is asked for"):
        driver(refused(1))[0].act(wish)
    with pytest.raises(Denied):
        driver(refused(5))[0].act(wish)


def test_a_balancer_is_deleted_with_all_that_hangs_on_it():
    octavia, wire = driver({f"DELETE {LB}/loadbalancers/lb-1": answer(204)})
    octavia.act(DeleteBalancer(unit="front", id="lb-1"))
    octavia.act(DeleteBalancer(unit="front", id="gone"))
    octavia.act(Drain(unit="front", ids=(), seconds=1))
    assert [(method, query) for method, path, query, _ in wire.sent if path.startswith(LB)] == [
        ("DELETE", {"cascade": ["true"]}),
        ("DELETE", {"cascade": ["true"]}),
    ]


def test_names_that_are_not_there_are_told():
    octavia, _ = driver(
        world(balancer=None)
        | {
            "GET /network/v2.0/networks": NETWORKS,
            "GET /network/v2.0/subnets": {"subnets": [{"id": "s", "name": "front-v4", "project_id": PROJECT}]},
            f"GET {LB}/providers": {"providers": [{"name": "amphora"}]},
        }
    )
    scope = BalancerScope(event="final", full=True, networks=("fornt",), subnets=("front",), providers=("amfora",))
    assert octavia.observe(scope).missing == (
        "network 'fornt' (nearest: 'front')",
        "subnet 'front' (nearest: 'front-v4')",
        "provider 'amfora' (nearest: 'amphora')",
    )
