"""The Nova driver over a stub wire: what is sent, and what answers become."""

from __future__ import annotations

import base64
import dataclasses

import pytest
from clouds.stub import PROJECT, VERSIONS, answer

from cloudsentry.drivers.pool.base import PoolScope
from cloudsentry.drivers.pool.nova import read
from cloudsentry.errors import Ambiguous, Busy, Conflict, Denied, NoCapacity, NotSupported
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import (
    CreateServerGroup,
    DeleteServers,
    RestServers,
    StartServers,
    Template,
)
from drivers.pool.nova_stub import IMAGES, LIMITS, LOOKUPS, MARK, NOVA, SERVER, driver, order


def test_a_server_is_read_whole():
    (server,) = read.servers([SERVER], "final")
    assert (server.id, server.hypervisor, server.zone, server.task, server.mark) == ("0b1c", "xeon1", "az1", "", MARK)
    assert server.addresses == ("10.0.0.5", "2001:db8::5", "192.168.0.5")


def test_what_a_member_may_not_see_is_empty_and_a_fault_is_told():
    bare = {
        "id": "1",
        "name": "n",
        "status": "ERROR",
        "metadata": MARK.metadata(),
        "fault": {"message": "No valid host"},
    }
    (server,) = read.servers([bare], "final")
    assert (server.hypervisor, server.addresses, server.fault) == ("", (), "No valid host")


def test_servers_that_only_bear_the_tag_are_somebody_else_s():
    other = SERVER | {"metadata": {"cloudsentry.event": "semifinal"}}
    assert read.servers([other, SERVER | {"metadata": {}}], "final") == ()


@pytest.mark.parametrize("host", ["UNKNOWN", "DOWN"])
def test_a_server_whose_hypervisor_went_down_as_it_was_made_will_not_come_up(host: str) -> None:
    made = SERVER | {"status": "BUILD", "OS-EXT-STS:task_state": "spawning"}
    (server,) = read.servers([made | {"host_status": host}], "final")
    assert (server.status, server.alive) == ("ERROR", False)
    assert "hypervisor xeon1 went down" in server.fault
    for fine in (made, made | {"host_status": "UP"}, SERVER | {"host_status": host}):
        (server,) = read.servers([fine], "final")
        assert (server.status, server.alive) == (fine["status"], True)


def test_a_server_that_waits_for_a_hypervisor_that_went_down_will_not_come_up() -> None:
    unit = Mark(event="final", unit="front@xeon1", op="op1", template="t1")
    waits = SERVER | {"status": "BUILD", "OS-EXT-SRV-ATTR:host": None, "metadata": unit.metadata()}
    services = [{"host": "xeon1", "state": "up"}, {"host": "xeon2", "state": "down"}]
    routes = {f"GET {NOVA}/servers/detail": {"servers": [waits]}, f"GET {NOVA}/os-services": {"services": services}}
    pool, wire = driver(routes)
    assert [one.status for one in pool.observe(PoolScope(event="final")).servers] == ["BUILD"]
    services[0]["state"] = "down"
    (server,) = pool.observe(PoolScope(event="final")).servers
    assert (server.status, server.fault) == ("ERROR", "its hypervisor xeon1 went down before it was made")
    wire.routes[f"GET {NOVA}/os-services"] = answer(403)
    assert [one.status for one in pool.observe(PoolScope(event="final")).servers] == ["BUILD"]


def test_groups_are_the_event_s_by_their_whole_prefix():
    items = [
        {"id": str(n), "name": name, "policy": "anti-affinity"}
        for n, name in enumerate(
            ("cloudsentry.final.front", "cloudsentry.final-2.front", "cloudsentry.fin", "final.front")
        )
    ]
    assert [group.name for group in read.groups(items, "final")] == ["cloudsentry.final.front"]


def test_a_poll_is_one_filtered_list():
    pool, wire = driver({f"GET {NOVA}/servers/detail": {"servers": [SERVER]}})
    pool.observe(PoolScope(event="final"))
    sent = len(wire.sent)
    assert len(pool.observe(PoolScope(event="final")).servers) == 1
    assert wire.sent[sent:] == [("GET", f"{NOVA}/servers/detail", {"tags": ["cloudsentry-event=final"]}, None)]


def test_four_pinned_servers_are_one_call():
    pool, wire = driver(LOOKUPS | {f"POST {NOVA}/servers": answer(202, {"server": {"id": "1"}})})
    pool.act(order(hypervisor="xeon1"))
    assert wire.writes() == [
        (
            "POST",
            f"{NOVA}/servers",
            {
                "server": {
                    "name": "final-front",
                    "imageRef": "img-1",
                    "flavorRef": "f-1",
                    "min_count": 4,
                    "max_count": 4,
                    "networks": [{"uuid": "net-1"}],
                    "metadata": MARK.metadata(),
                    "tags": ["cloudsentry", "cloudsentry-event=final"],
                    "host": "xeon1",
                }
            },
        )
    ]
    sent = len(wire.sent)
    pool.act(order(zone="az1"))
    assert len(wire.sent) == sent + 1  # names are looked up once


def test_what_a_template_can_say_is_sent():
    template = Template(
        image="tiny",
        flavor="f-1",
        security_groups=("web",),
        key_name="ops",
        user_data="#!/bin/sh\n",
        metadata=(("role", "front"),),
        config_drive=True,
    )
    group = {"server_groups": [{"id": "g-1", "name": "cloudsentry.final.front", "policy": "anti-affinity"}]}
    pool, wire = driver(
        LOOKUPS | {f"GET {NOVA}/os-server-groups": group, f"POST {NOVA}/servers": answer(202, {"server": {}})}
    )
    pool.act(dataclasses.replace(order(zone="az1", group="cloudsentry.final.front"), template=template))
    (_, _, body), server = wire.writes()[0], wire.writes()[0][2]["server"]
    assert body["os:scheduler_hints"] == {"group": "g-1"}
    assert server["networks"] == "none"
    assert server["security_groups"] == [{"name": "web"}]
    assert (server["key_name"], server["config_drive"], server["availability_zone"]) == ("ops", True, "az1")
    assert base64.b64decode(server["user_data"]) == b"#!/bin/sh\n"
    assert server["metadata"] == MARK.metadata() | {"role": "front"}


@pytest.mark.parametrize(("status", "kind"), [(500, Ambiguous), (503, Busy), (400, NotSupported), (409, Conflict)])
def test_a_create_that_fails(status, kind):
    pool, _ = driver(LOOKUPS | {f"POST {NOVA}/servers": answer(status)})
    with pytest.raises(kind):
        pool.act(order())


def test_a_used_up_quota_is_told_with_its_number():
    refused = {f"POST {NOVA}/servers": answer(403), f"GET {NOVA}/limits": {"limits": {"absolute": LIMITS}}}
    pool, _ = driver(LOOKUPS | refused)
    with pytest.raises(NoCapacity, match="the quota of instances is 10, 8 are used and 4 more are asked for"):
        pool.act(order())


def test_nova_passes_on_the_port_quota():
    ports = {"quota": {"port": {"limit": 20, "used": 18, "reserved": 1}}}
    refused = {
        f"POST {NOVA}/servers": answer(403),
        f"GET {NOVA}/limits": {"limits": {"absolute": LIMITS}},
        f"GET /network/v2.0/quotas/{PROJECT}/details.json": ports,
    }
    pool, _ = driver(LOOKUPS | refused)
    with pytest.raises(NoCapacity, match="the quota of ports is 20, 19 are used and 2 more are asked for"):
        pool.act(order(count=2))


def test_a_missing_right_stays_one_although_the_limits_are_asked():
    refused = {f"POST {NOVA}/servers": answer(403), f"GET {NOVA}/limits": {"limits": {"absolute": LIMITS}}}
    pool, _ = driver(LOOKUPS | refused)
    with pytest.raises(Denied):
        pool.act(order(count=1, hypervisor="xeon1"))


def test_a_used_up_quota_of_groups():
    refused = {f"POST {NOVA}/os-server-groups": answer(403), f"GET {NOVA}/limits": {"limits": {"absolute": LIMITS}}}
    pool, _ = driver(refused)
    with pytest.raises(NoCapacity, match="server groups is 10"):
        pool.act(CreateServerGroup(unit="u", name="cloudsentry.final.u", policy="anti-affinity", mark=MARK))


def test_a_group_that_is_full_by_quota():
    group = {"id": "g-1", "name": "cloudsentry.final.g", "policy": "anti-affinity", "members": ["s"] * 9}
    limits = {"limits": {"absolute": LIMITS | {"maxServerGroupMembers": 10}}}
    refused = {
        f"GET {NOVA}/os-server-groups": {"server_groups": [group]},
        f"POST {NOVA}/servers": answer(403),
        f"GET {NOVA}/limits": limits,
    }
    pool, _ = driver(LOOKUPS | refused)
    with pytest.raises(NoCapacity, match="the quota of server group members is 10"):
        pool.act(order(count=2, group="cloudsentry.final.g"))
    with pytest.raises(Conflict, match=r"'cloudsentry\.final\.h' is not there"):
        pool.act(order(group="cloudsentry.final.h"))


def test_names_that_are_not_there_are_all_told_with_the_nearest():
    missing = {"GET /image/v2/images": [answer(200, {"images": []}), answer(200, IMAGES)]}
    keys = {f"GET {NOVA}/os-keypairs": {"keypairs": [{"keypair": {"name": "ops"}}]}}
    pool, _ = driver(LOOKUPS | {f"GET {NOVA}/servers/detail": {"servers": []}} | missing | keys)
    scope = PoolScope(
        event="final", full=True, images=("tinny",), flavors=("m1.tini",), networks=("fornt",), key_names=("opps",)
    )
    assert pool.observe(scope).missing == (
        "image 'tinny' (nearest: 'tiny')",
        "flavor 'm1.tini' (nearest: 'm1.tiny')",
        "network 'fornt' (nearest: 'front')",
        "keypair 'opps' (nearest: 'ops')",
    )


def network(id, project, shared=False):
    return {"id": id, "name": "front", "project_id": project, "shared": shared}


def test_two_networks_of_one_name_are_told_with_their_ids():
    twins = {"networks": [network("net-1", PROJECT), network("net-2", PROJECT)]}
    pool, _ = driver({f"GET {NOVA}/servers/detail": {"servers": []}, "GET /network/v2.0/networks": twins})
    view = pool.observe(PoolScope(event="final", full=True, networks=("front",)))
    assert view.missing == ("single network 'front': of that name are net-1, net-2",)


def test_an_administrator_s_own_network_wins_over_a_stranger_s():
    both = {"networks": [network("strange", "other"), network("own", PROJECT)]}
    made = {f"POST {NOVA}/servers": answer(202, {"server": {}})}
    pool, wire = driver(LOOKUPS | {"GET /network/v2.0/networks": both} | made)
    pool.act(order())
    assert wire.writes()[0][2]["server"]["networks"] == [{"uuid": "own"}]


def test_an_old_nova_cannot_pin_to_a_hypervisor(monkeypatch):
    monkeypatch.setitem(VERSIONS[NOVA]["version"], "version", "2.72")
    pool, wire = driver(LOOKUPS)
    with pytest.raises(NotSupported, match=r"2\.74"):
        pool.act(order(hypervisor="xeon1"))
    assert wire.writes() == []


def test_every_delete_is_tried_and_the_first_error_raised():
    routes = {f"DELETE {NOVA}/servers/{id}": answer(status) for id, status in (("1", 204), ("2", 409), ("4", 204))}
    routes["GET /network/v2.0/ports"] = {"ports": []}
    pool, wire = driver(routes)
    with pytest.raises(Conflict) as caught:
        pool.act(DeleteServers(unit="u", ids=("1", "2", "3", "4")))
    assert caught.value.status == 409
    assert [path[-1] for _, path, _ in wire.writes()] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("rest", "down", "up"),
    [
        ("stopped", {"os-stop": None}, {"os-start": None}),
        ("paused", {"pause": None}, {"unpause": None}),
        ("shelved", {"shelve": None}, {"unshelve": {"host": "xeon1"}}),
    ],
)
def test_rest_and_return_are_one_action_each_and_what_was_offloaded_comes_back_to_its_pin(rest, down, up):
    routes = {f"POST {NOVA}/servers/1/action": answer(202)}
    routes[f"GET {NOVA}/servers/1"] = {"server": {"status": "SHELVED_OFFLOADED"}}
    pool, wire = driver(routes)
    pool.act(RestServers(unit="u", ids=("1",), rest=rest))
    pool.act(StartServers(unit="u", ids=("1",), rest=rest, hypervisor="xeon1"))
    assert [body for _, _, body in wire.writes()] == [down, up]


def test_what_is_shelved_but_not_offloaded_is_not_told_a_host():
    routes = {f"POST {NOVA}/servers/1/action": answer(202), f"GET {NOVA}/servers/1": {"server": {"status": "SHELVED"}}}
    pool, wire = driver(routes)
    pool.act(StartServers(unit="u", ids=("1",), rest="shelved", hypervisor="xeon1"))
    assert [body for _, _, body in wire.writes()] == [{"unshelve": None}]


def test_an_old_nova_that_cannot_bring_a_server_back_to_its_pin_is_told(monkeypatch):
    monkeypatch.setitem(VERSIONS[NOVA]["version"], "version", "2.90")
    routes = {f"GET {NOVA}/servers/1": {"server": {"status": "SHELVED_OFFLOADED"}}}
    pool, wire = driver(routes)
    with pytest.raises(NotSupported, match=r"2\.91"):
        pool.act(StartServers(unit="u", ids=("1",), rest="shelved", hypervisor="xeon1"))
    assert wire.writes() == []


@pytest.mark.parametrize(("status", "task"), [("SHUTOFF", None), ("ACTIVE", "powering-off")])
def test_what_rests_or_is_about_to_is_laid_to_rest(status, task):
    found = {"server": {"status": status, "OS-EXT-STS:task_state": task}}
    routes = {f"POST {NOVA}/servers/1/action": answer(409), f"GET {NOVA}/servers/1": found}
    driver(routes)[0].act(RestServers(unit="u", ids=("1",), rest="stopped"))
    found["server"] = {"status": "ACTIVE", "OS-EXT-STS:task_state": "rebooting"}
    with pytest.raises(Conflict):
        driver(routes)[0].act(RestServers(unit="u", ids=("1",), rest="stopped"))


def test_starting_what_runs_is_done_and_what_cannot_run_is_an_error():
    def routes(status):
        return {f"POST {NOVA}/servers/1/action": answer(409), f"GET {NOVA}/servers/1": {"server": {"status": status}}}

    driver(routes("ACTIVE"))[0].act(StartServers(unit="u", ids=("1",)))
    with pytest.raises(Conflict):
        driver(routes("ERROR"))[0].act(StartServers(unit="u", ids=("1",)))


def test_a_reason_that_the_list_leaves_out_is_asked_for_once_and_five_at_a_time():
    broken = [SERVER | {"id": f"e{n}", "status": "ERROR"} for n in range(7)]
    one = {f"GET {NOVA}/servers/e{n}": {"server": {"fault": {"message": "No valid host"}}} for n in range(7)}
    pool, wire = driver({f"GET {NOVA}/servers/detail": {"servers": broken}, **one})
    first = pool.observe(PoolScope(event="final")).servers
    assert [server.fault for server in first] == ["No valid host"] * 5 + [""] * 2
    assert {server.fault for server in pool.observe(PoolScope(event="final")).servers} == {"No valid host"}
    sent = len(wire.sent)
    pool.observe(PoolScope(event="final"))
    assert len(wire.sent) == sent + 1
