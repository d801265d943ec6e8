"""The lab's data plane: servers with their capacities, a balancer that divides as it is told, a WAN, faults."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import openstack
import pytest
from keystoneauth1.exceptions import ConnectFailure
from openstack import exceptions

pytestmark = pytest.mark.lab

NAME = "traffic"
WEIGHTS = {"xeon": 10, "opteron": 2}


def until(probe: Callable[[], Any], what: str, deadline_s: float = 30) -> Any:
    """What the probe finds, as soon as it finds something."""
    end = time.monotonic() + deadline_s
    while not (found := probe()):
        assert time.monotonic() < end, f"{what}: not within {deadline_s} s"
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class Server:
    """An ACTIVE server and its first address."""

    id: str
    name: str
    address: str
    hypervisor: str


class Site:
    """What a test makes in one cloud, and takes away."""

    def __init__(self, cloud: str, program: Any) -> None:
        self.cloud = cloud
        self.program = program
        self.sdk = openstack.connect(cloud=cloud)
        self.network = self.sdk.network.find_network("front")
        self.low = [{"private": 10, "public": 20}[cloud]]
        self.subnet = next(self.sdk.network.subnets(network_id=self.network.id))

    def boot(self, name: str, hypervisor: str, network: str = "front", script: str | None = None) -> Server:
        """An ACTIVE server on that hypervisor; with its program, if one is given."""
        body: dict[str, Any] = {
            "name": name,
            "imageRef": next(self.sdk.image.images()).id,
            "flavorRef": self.sdk.compute.find_flavor("m1.nano").id,
            "networks": [{"uuid": self.sdk.network.find_network(network).id}],
            "host": hypervisor,
        }
        if script:
            body["user_data"] = base64.b64encode(script.encode()).decode()
        answer = self.sdk.compute.post("/servers", json={"server": body}, microversion="2.96")
        exceptions.raise_from_response(answer)
        found = self.settled(answer.json()["server"]["id"], "ACTIVE")
        (entries,) = found.addresses.values()
        return Server(found.id, name, entries[0]["addr"], found.compute_host)

    def settled(self, server: str, status: str, deadline_s: float = 60) -> Any:
        def probe() -> Any:
            found = self.sdk.compute.get_server(server)
            assert found.status != "ERROR" or status == "ERROR", found.fault
            return found if found.status == status and found.task_state is None else None

        return until(probe, f"{server} {status}", deadline_s)

    def inside(self, where: str, *command: str, code: int = 0) -> str:
        return self.program("lab", "exec", where, "--", *command, code=code)

    def name_from_site(self, server: Server) -> str:
        """What a client at the site gets from the server; "" when it does not answer within a second."""
        line = ["ip", "netns", "exec", f"lab-{self.cloud}", "curl", "-s", "-m", "1", f"http://{server.address}/name"]
        return subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip()

    def processes(self, server: Server) -> str:
        line = ["ip", "netns", "pids", f"s-{server.id[:13]}"]
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout

    def balancer(self) -> str:
        return self.sdk.load_balancer.find_load_balancer(NAME).id

    def active(self, balancer: str) -> None:
        def probe() -> bool:
            status = self.sdk.load_balancer.get_load_balancer(balancer).provisioning_status
            assert status != "ERROR"
            return status == "ACTIVE"

        until(probe, "the balancer ACTIVE")

    def members(self) -> dict[str, Any]:
        octavia = self.sdk.load_balancer
        return {member.name: member for member in octavia.members(self.pool())}

    def pool(self) -> str:
        return self.sdk.load_balancer.get_load_balancer(self.balancer()).pools[0]["id"]

    def put_members(self, weights: dict[Server, int]) -> None:
        """The pool has these servers with these weights, and no other."""
        members = [
            {"name": one.name, "address": one.address, "protocol_port": 80, "weight": weight}
            for one, weight in weights.items()
        ]
        answer = self.sdk.load_balancer.put(f"/lbaas/pools/{self.pool()}/members", json={"members": members})
        exceptions.raise_from_response(answer)
        self.active(self.balancer())

    def vlan(self, segment: int, cidr: str) -> None:
        """A VLAN network of this id on the physical network that both clouds have; its subnet has no gateway."""
        network = self.sdk.network.create_network(
            name=NAME,
            provider_network_type="vlan",
            provider_physical_network="physnet1",
            provider_segmentation_id=segment,
        )
        pool = [
            {"start": cidr.replace("0/24", str(low)), "end": cidr.replace("0/24", str(low + 9))} for low in self.low
        ]
        self.sdk.network.create_subnet(
            name=NAME, network_id=network.id, ip_version=4, cidr=cidr, gateway_ip=None, allocation_pools=pool
        )

    def clean(self) -> None:
        octavia = self.sdk.load_balancer
        for found in octavia.load_balancers(name=NAME):
            self.active(found.id)
            octavia.delete_load_balancer(found.id, cascade=True)
            until(lambda one=found: not list(octavia.load_balancers(id=one.id)), "the balancer gone")
        for server in self.sdk.compute.servers():
            if server.name.startswith(NAME):
                self.sdk.compute.delete_server(server)
                self.sdk.compute.wait_for_delete(server, interval=0.2)
        for port in self.sdk.network.ports():
            if port.name.startswith(NAME):
                self.sdk.network.delete_port(port)
        for network in self.sdk.network.networks(name=NAME):
            self.sdk.network.delete_network(network)


@pytest.fixture(scope="module")
def private(lab: Any, program: Any) -> Iterator[Site]:
    site = Site("private", program)
    site.clean()
    program("lab", "fault", "clear")
    yield site
    program("lab", "fault", "clear")
    site.clean()


@pytest.fixture
def public(lab: Any, program: Any) -> Iterator[Site]:
    site = Site("public", program)
    site.clean()
    yield site
    site.clean()


@pytest.fixture(scope="module")
def farm(private: Site) -> dict[Server, int]:
    """Two servers on each of two pinned hypervisors behind a balancer with the source's weights."""
    with ThreadPoolExecutor() as pool:
        orders = [
            pool.submit(private.boot, f"{NAME}-{kind}-{i}", f"private-{kind}1") for kind in WEIGHTS for i in (1, 2)
        ]
        servers = [order.result() for order in orders]
    octavia = private.sdk.load_balancer
    made = octavia.create_load_balancer(name=NAME, vip_subnet_id=private.subnet.id)
    private.active(made.id)
    listener = octavia.create_listener(name=NAME, protocol="HTTP", protocol_port=80, load_balancer_id=made.id)
    private.active(made.id)
    pool_made = octavia.create_pool(protocol="HTTP", lb_algorithm="ROUND_ROBIN", listener_id=listener.id)
    private.active(made.id)
    octavia.create_health_monitor(
        pool_id=pool_made.id, type="HTTP", delay=1, timeout=1, max_retries=1, max_retries_down=2, url_path="/name"
    )
    private.active(made.id)
    weights = {one: WEIGHTS[one.name.split("-")[1]] for one in servers}
    private.put_members(weights)
    healthy(private, weights)
    return weights


def healthy(site: Site, weights: dict[Server, int]) -> None:
    until(
        lambda: (
            {one.operating_status for one in site.members().values()} == {"ONLINE"}
            and len(site.members()) == len(weights)
        ),
        "members ONLINE",
    )


def shares(program: Any, *more: str) -> dict[str, float]:
    return {row["Server"]: row["Share"] for row in program.json("lab", "load", NAME, *more)}


@pytest.fixture
def crowd(program: Any) -> Iterator[Callable[[], tuple[str, str]]]:
    """A crowd of kept connections that is there while the test changes things; its end says what it has seen."""
    process = program.start("lab", "load", NAME, "--duration", "8", "--connections", "8", "-f", "json")
    time.sleep(1.5)

    def end() -> tuple[str, str]:
        return process.communicate(timeout=60)

    yield end
    process.kill()
    process.communicate()


def errors(summary: str) -> int:
    return int(re.search(r"(\d+) errors", summary)[1])  # type: ignore[index]


def test_requests_are_divided_by_the_weights(farm: dict[Server, int], program: Any) -> None:
    seen = program.json("lab", "load", NAME, "--requests", "2400")
    assert sum(row["Requests"] for row in seen) == 2400
    total = sum(farm.values())
    for server, weight in farm.items():
        (row,) = [row for row in seen if row["Server"] == server.name]
        assert row["Share"] == pytest.approx(100 * weight / total, abs=1)


def test_capacities_differ_as_the_quotas_do(farm: dict[Server, int], program: Any) -> None:
    """50 to 10 percent of a core: 5 to 1. The best of some tries: a busy machine takes from the faster one only."""
    best = dict.fromkeys(WEIGHTS, 0)
    for kind in [*WEIGHTS, "xeon", "xeon"]:
        server = next(one for one in farm if kind in one.name)
        seen = program.json("lab", "load", f"private/{server.address}", "--duration", "3")
        best[kind] = max(best[kind], sum(row["Requests"] for row in seen))
    assert best["xeon"] / best["opteron"] == pytest.approx(5, rel=0.3)


def test_changes_of_the_members_drop_nothing(farm: dict[Server, int], private: Site, crowd: Any) -> None:
    first, second, third, fourth = farm
    private.put_members({first: 1, second: 10, third: 5, fourth: 2})
    private.put_members({first: 0, second: 10, third: 5, fourth: 2})
    private.put_members({second: 10, third: 5, fourth: 2})
    private.put_members(farm)
    out, summary = crowd()
    assert errors(summary) == 0
    assert len(json.loads(out)) == 4
    healthy(private, farm)


def test_a_member_of_weight_0_drains_and_gets_nothing_new(farm: dict[Server, int], private: Site, program: Any) -> None:
    first = next(iter(farm))
    private.put_members(farm | {first: 0})
    until(lambda: private.members()[first.name].operating_status == "DRAINING", "the member DRAINING")
    assert first.name not in shares(program, "--requests", "240")
    private.put_members(farm)
    healthy(private, farm)


def test_a_server_that_stops_is_seen_and_gets_nothing(farm: dict[Server, int], private: Site, program: Any) -> None:
    server = next(iter(farm))
    private.sdk.compute.stop_server(server.id)
    until(lambda: private.members()[server.name].operating_status == "ERROR", "the member ERROR", 10)
    private.settled(server.id, "SHUTOFF")
    assert private.name_from_site(server) == ""
    assert server.name not in shares(program, "--requests", "240")
    private.sdk.compute.start_server(server.id)
    until(lambda: private.members()[server.name].operating_status == "ONLINE", "the member ONLINE", 15)
    assert private.name_from_site(server) == server.name


def test_the_balancer_counts_what_it_served(farm: dict[Server, int], private: Site, program: Any) -> None:
    octavia = private.sdk.load_balancer

    def connections() -> int:
        return octavia.get_load_balancer_statistics(private.balancer()).total_connections

    before, size = connections(), octavia.get_load_balancer_statistics(private.balancer()).bytes_out
    program("lab", "load", NAME, "--requests", "100", "--connections", "5", "--path", "/image")
    until(lambda: connections() >= before + 5, "the connections counted", 10)
    grown = octavia.get_load_balancer_statistics(private.balancer()).bytes_out - size
    assert grown >= 100 * 25 * 1024


def test_a_paused_server_stands_still_and_goes_on(private: Site, farm: dict[Server, int]) -> None:
    server = list(farm)[1]
    private.sdk.compute.pause_server(server.id)
    private.settled(server.id, "PAUSED")
    assert private.name_from_site(server) == ""
    private.sdk.compute.unpause_server(server.id)
    private.settled(server.id, "ACTIVE")
    assert until(lambda: private.name_from_site(server), "an answer") == server.name


def test_a_server_that_migrates_live_answers_on_and_takes_the_new_quota(private: Site, program: Any) -> None:
    server = private.boot(f"{NAME}-mover", "private-xeon1")
    before = private.processes(server)
    private.sdk.compute.live_migrate_server(server.id, host="private-opteron1", block_migration="auto", force=False)
    until(lambda: private.sdk.compute.get_server(server.id).compute_host == "private-opteron1", "the move")
    private.settled(server.id, "ACTIVE")
    assert private.name_from_site(server) == server.name
    assert private.processes(server) == before != ""
    slow = program.json("lab", "load", f"private/{server.address}", "--duration", "3")
    assert sum(row["Requests"] for row in slow) / 3 < 900


def test_a_script_is_the_servers_program(private: Site) -> None:
    server = private.boot(
        f"{NAME}-script", "private-xeon1", script="#!/bin/sh\necho I am $SERVER_NAME\nexec sleep 1000\n"
    )
    console = until(lambda: private.sdk.compute.get_server_console_output(server.id)["output"], "console")
    assert f"I am {server.name}" in console
    private.inside(server.name, "sh", "-c", "exit 7", code=7)


def test_the_sites_reach_each_other_over_the_wan_and_only_on_ext(private: Site, public: Site) -> None:
    outside = private.boot(f"{NAME}-ext", "private-xeon1", network="ext")
    hidden = private.boot(f"{NAME}-hidden", "private-xeon1")
    far = public.boot(f"{NAME}-far", "public-hv1", network="ext")
    ask = ("curl", "-s", "-m", "2")
    assert public.inside(far.name, *ask, f"http://{outside.address}/name").strip() == outside.name
    assert private.inside(hidden.name, *ask, f"http://{far.address}/name").strip() == far.name
    public.inside(far.name, *ask, f"http://{hidden.address}/name", code=7)  # no route to it


def test_a_vlan_of_both_clouds_is_one_layer_2(private: Site, public: Site, program: Any) -> None:
    for site in (private, public):
        site.vlan(987, "10.98.7.0/24")
    near = private.boot(f"{NAME}-near", "private-xeon1", network=NAME)
    far = public.boot(f"{NAME}-other", "public-hv1", network=NAME)
    ask = ("curl", "-s", "-m", "2")
    assert public.inside(far.name, *ask, f"http://{near.address}/name").strip() == near.name
    size = private.inside(near.name, *ask, "-o", "/dev/null", "-w", "%{size_download}", f"http://{far.address}/image")
    assert size == str(25 * 1024)
    assert "physnet1.987" in program.json("lab", "wan", "show")["Segments"]


@pytest.fixture
def wan(program: Any) -> Iterator[Any]:
    before = program.json("lab", "wan", "show")
    yield lambda *more: program.json("lab", "wan", "set", *more)
    program("lab", "wan", "set", "--rtt", str(before["RTT (ms)"]), "--loss", str(before["Loss (%)"]))


def test_the_wans_delay_is_what_it_is_set_to(private: Site, wan: Any) -> None:
    for rtt in (80, 20):
        wan("--rtt", str(rtt), "--loss", "0")
        time.sleep(0.5)
        told = private.inside("private", "busybox", "ping", "-c", "5", "-q", "198.51.100.1")
        measured = float(re.search(r"= ([\d.]+)/", told)[1])  # type: ignore[index]
        assert measured == pytest.approx(rtt, abs=3)


def test_a_counted_fault_strikes_so_often_and_is_seen_to(private: Site, program: Any) -> None:
    program(
        "lab", "fault", "add", "private/nova-api", "status", "--status", "503", "--path", "/flavors", "--times", "2"
    )
    codes = [
        private.sdk.compute.get("/flavors", raise_exc=False, retriable_status_codes=[]).status_code for _ in range(4)
    ]
    assert codes == [503, 503, 200, 200]
    (fault,) = program.json("lab", "fault", "list")
    assert (fault["Hits"], fault["Times"]) == (2, 2)
    program("lab", "fault", "clear")
    assert program.json("lab", "fault", "list") == []


def test_an_answer_can_be_lost_after_the_effect(private: Site, program: Any) -> None:
    program(
        "lab",
        "fault",
        "add",
        "private/neutron",
        "drop",
        "--after",
        "--method",
        "POST",
        "--path",
        "/ports",
        "--times",
        "1",
    )
    with pytest.raises(ConnectFailure):
        private.sdk.network.create_port(network_id=private.network.id, name=f"{NAME}-lost")
    (port,) = private.sdk.network.ports(name=f"{NAME}-lost")
    private.sdk.network.delete_port(port)


def test_a_full_hypervisor_takes_no_server(private: Site, program: Any) -> None:
    program("lab", "fault", "add", "private/private-xeon2", "full")

    def refused() -> bool:
        with pytest.raises((AssertionError, exceptions.SDKException)) as caught:
            private.boot(f"{NAME}-full", "private-xeon2")
        return "No valid host" in str(caught.value)

    time.sleep(3)
    assert refused()
    program("lab", "fault", "clear")
    time.sleep(3)
    assert private.boot(f"{NAME}-room", "private-xeon2").hypervisor == "private-xeon2"


def test_servers_and_balancers_are_back_after_their_services_restart(
    farm: dict[Server, int], private: Site, program: Any
) -> None:
    program("lab", "service", "restart", "private", "nova-compute-private-xeon1")
    program("lab", "service", "restart", "private", "octavia-worker")
    assert len(shares(program, "--requests", "240")) == 4
