"""Stretched networks through the program, on two real Neutrons, and with packets where there are some."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.lab
IMAGE = 25 * 1024
POOL = {"image": "tiny", "flavor": "m1.nano"}
VLAN: dict[str, Any] = {
    "event": "test-stretch",
    "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
    "stretches": {
        "test-link": {
            "driver": "vlan",
            "between": ["nara", "osaka"],
            "physical_network": "physnet1",
            "vlan": 138,
            "cidr": "10.9.38.0/24",
            "allocation": {"nara": "10.9.38.10-10.9.38.99", "osaka": "10.9.38.100-10.9.38.199"},
            "gateway": "nara",
        }
    },
    "pools": {
        "origin": {**POOL, "site": "nara", "networks": ["test-link"], "pins": [{"count": 1}]},
        "edge": {**POOL, "site": "osaka", "networks": ["front", "test-link"], "pins": [{"count": 1}]},
    },
}
TUNNEL = {"driver": "vpnaas", "between": ["nara", "osaka"], "subnets": {"nara": ["origin"], "osaka": ["front"]}}

GATEWAY: dict[str, Any] = {
    **VLAN,
    "event": "test-gateway",
    "stretches": {
        "test-gw": {
            "driver": "gateway",
            "between": ["nara", "osaka"],
            "cidr": "10.9.37.0/24",
            "allocation": {"nara": "10.9.37.10-10.9.37.99", "osaka": "10.9.37.100-10.9.37.199"},
            "image": {"nara": "tiny", "osaka": "tiny"},
            "flavor": {"nara": "m1.tiny", "osaka": "m1.tiny"},
            "zone": {"nara": "az1", "osaka": "az1"},
            "origin": "nara",
        }
    },
    "pools": {
        "origin": {**POOL, "site": "nara", "networks": ["test-gw"], "pins": [{"count": 1}]},
        "edge": {**POOL, "site": "osaka", "networks": ["front", "test-gw"], "pins": [{"count": 1}]},
    },
}


def networks(lab: Lab, event: str) -> list[tuple[str, Any]]:
    """Networks, subnets and routers with the event's mark, by cloud, and VPN connections."""
    mark = f"cloudsentry-event={event}"
    found: list[tuple[str, Any]] = []
    for name, cloud in lab.clouds.items():
        neutron = cloud.network
        for listed in (neutron.networks, neutron.subnets, neutron.routers):
            found += [(name, item) for item in listed() if item.description == mark]
        found += [(name, item) for item in neutron.vpn_ipsec_site_connections() if item.description == mark]
    return found


@pytest.fixture
def write(tmp_path: Path, program: Program) -> Iterator[Any]:
    """Writes an event file; what was applied of it is gone afterwards."""
    files: list[str] = []

    def written(body: dict[str, Any]) -> str:
        path = tmp_path / f"{body['event']}.yaml"
        path.write_text(yaml.safe_dump(body, sort_keys=False))
        files.append(str(path))
        return str(path)

    yield written
    for file in files:
        program("event", "destroy", file, "--yes")


def test_images_from_the_private_origin_through_the_vlan(lab: Lab, program: Program, write: Any) -> None:
    file = write(VLAN)
    assert program.json("event", "apply", file)["outcome"] == "done"
    ends = program.json("stretch", "list", "test-stretch")
    assert [(end["Cloud"], end["State"], end["Joined"]) for end in ends] == [
        ("private", "ACTIVE", True),
        ("public", "ACTIVE", True),
    ]
    made = {name: item for name, item in networks(lab, "test-stretch") if hasattr(item, "provider_segmentation_id")}
    assert {name: item.provider_segmentation_id for name, item in made.items()} == {"private": 138, "public": 138}

    again = program.json("event", "apply", file)
    assert (again["outcome"], again["writes"]) == ("done", 0)
    assert program.json("stretch", "check", "test-stretch") == []

    if os.geteuid() == 0:  # without root the lab's servers carry no traffic
        servers = {server.name.split("-")[2]: server for server in lab.servers("test-stretch")}
        (origin,) = (address["addr"] for address in servers["origin"].addresses["test-link"])
        curl = ["curl", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code} %{size_download}\n"]
        for _ in range(5):
            answer = program("lab", "exec", f"public/{servers['edge'].name}", "--", *curl, f"http://{origin}/image")
            assert answer.split() == ["200", str(IMAGE)]

    assert program.json("event", "destroy", "test-stretch", "--yes")["outcome"] == "done"
    assert networks(lab, "test-stretch") == []


@pytest.fixture
def theirs(lab: Lab) -> Iterator[Any]:
    """An operator's own network of the private cloud, on a VLAN and with addresses of its own."""
    neutron = lab.clouds["private"].network
    segment = {"provider_network_type": "vlan", "provider_physical_network": "physnet1"}
    network = neutron.create_network(name="test-theirs", **segment, provider_segmentation_id=141)
    pools = [{"start": "10.9.41.10", "end": "10.9.41.99"}]
    addresses = {"ip_version": 4, "cidr": "10.9.41.0/24", "allocation_pools": pools, "gateway_ip": None}
    neutron.create_subnet(network_id=network.id, name="test-theirs", **addresses)
    neutron.set_tags(network, ["theirs"])
    yield network
    neutron.delete_network(network)


@pytest.mark.slow
def test_an_operator_s_own_network_reaches_the_other_site_is_probed_and_stays(
    lab: Lab, program: Program, write: Any, theirs: Any
) -> None:
    link = {
        **VLAN["stretches"]["test-link"],
        "vlan": 141,
        "cidr": "10.9.41.0/24",
        "allocation": {"nara": "10.9.41.10-10.9.41.99", "osaka": "10.9.41.100-10.9.41.199"},
        "adopt": {"nara": "test-theirs"},
        "image": {"nara": "tiny", "osaka": "tiny"},
        "flavor": {"nara": "m1.nano", "osaka": "m1.nano"},
        "origin": "nara",
    }
    del link["gateway"]
    pools = {
        "origin": {**POOL, "site": "nara", "networks": ["test-theirs"], "pins": [{"count": 1}]},
        "edge": {**POOL, "site": "osaka", "networks": ["front", "test-own"], "pins": [{"count": 1}]},
    }
    front = {"site": "osaka", "network": "front", "members": [{"pool": "edge", "port": 80}]}
    body = {**VLAN, "event": "test-adopt", "stretches": {"test-own": link}, "pools": pools}
    file = write({**body, "balancers": {"front-osaka": front}})
    assert program.json("event", "apply", file)["outcome"] == "done"
    assert program.json("event", "apply", file)["writes"] == 0
    neutron = lab.clouds["private"].network
    assert not neutron.find_network("test-own"), "the other end is the network that was there"

    if os.geteuid() == 0:  # without root the lab's servers carry no traffic
        servers = {server.name.split("-")[2]: server for server in lab.servers("test-adopt")}
        (origin,) = (address["addr"] for address in servers["origin"].addresses["test-theirs"])
        edge = f"public/{servers['edge'].name}"
        told = program("lab", "exec", edge, "--", "curl", "-s", "-m", "10", f"http://{origin}/name")
        assert told.strip() == servers["origin"].name
        deadline = time.monotonic() + 60
        while not all(end["Alive"] for end in program.json("stretch", "list", "test-adopt")):
            assert time.monotonic() < deadline, "no prober has told anything"
        _, told = program.start("stretch", "show", "test-adopt", "test-own").communicate()
        assert "private: alive in" in told
        the_weight_goes_with_the_stretch(lab, program, file)

    assert program.json("event", "destroy", "test-adopt", "--yes")["outcome"] == "done"
    assert networks(lab, "test-adopt") == []
    assert neutron.get_network(theirs.id).tags == ["theirs"]


def the_weight_goes_with_the_stretch(lab: Lab, program: Program, file: str) -> None:
    """While the far side's prober hears nothing, the server that needs the stretch gets no weight; then its own."""

    def weights() -> list[int]:
        assert program.json("event", "apply", file)["outcome"] == "done"
        return list(lab.members("public", "test-adopt-front-osaka").values())

    (full,) = weights()
    assert full > 0
    link = ("lab", "exec", "private/test-adopt-test-own-probe", "--", "ip", "link", "set", "eth0")
    program(*link, "down")
    seen(program, "test-adopt", "test-own", "public: stretch test-own is dead")
    assert weights() == [0]
    program(*link, "up")
    deadline = time.monotonic() + 60
    while not all(end["Alive"] for end in program.json("stretch", "list", "test-adopt")):
        assert time.monotonic() < deadline, "it does not live again"
    assert weights() == [full]


def agents_say(lab: Lab, cloud: str, status: str) -> None:
    """What a VPN agent would report to Neutron of the connection and its service: the lab has none."""
    password = json.loads((lab.root / "secrets.json").read_text())["db_password"]
    tables = ("ipsec_site_connections", "vpnservices")
    words = "; ".join(f"UPDATE {table} SET status = '{status}'" for table in tables)
    command = ["mariadb", "-h", "127.0.0.1", "-P", "15910", "-u", "root", f"{cloud}_neutron", "-e", words]
    subprocess.run(command, check=True, env=os.environ | {"MYSQL_PWD": password})


def test_a_tunnel_survives_a_kill_and_its_key_is_in_its_file_alone(lab: Lab, program: Program, write: Any) -> None:
    pool = {**POOL, "site": "nara", "networks": "none", "pins": [{"count": 0}]}
    body = {**VLAN, "event": "test-tunnel", "stretches": {"test-vpn": TUNNEL}, "pools": {"none": pool}}
    file = write(body)
    run = program.start("event", "apply", file)
    deadline = time.monotonic() + 60
    while not networks(lab, "test-tunnel"):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
    run.send_signal(signal.SIGKILL)
    run.communicate()

    assert program.json("event", "apply", file)["outcome"] == "done"
    kinds = [(name, type(item).__name__) for name, item in networks(lab, "test-tunnel")]
    assert sorted(kinds) == sorted(
        (cloud, kind) for cloud in ("private", "public") for kind in ("Router", "VpnIPSecSiteConnection")
    )
    assert all(end["Joined"] for end in program.json("stretch", "list", "test-tunnel"))
    assert program.json("event", "apply", file)["writes"] == 0

    assert {end["Alive"] for end in program.json("stretch", "list", "test-tunnel")} == {None}, "no agent has told"
    for cloud, status in (("private", "ACTIVE"), ("public", "DOWN")):
        agents_say(lab, cloud, status)
    ends = {end["Cloud"]: end for end in program.json("stretch", "list", "test-tunnel")}
    assert {cloud: (end["Alive"], end["RTT ms"]) for cloud, end in ends.items()} == {
        "private": (True, None),
        "public": (False, None),
    }
    told = "".join(program.start("stretch", "show", "test-tunnel", "test-vpn").communicate())
    assert "public: stretch test-vpn is dead: site connection is DOWN" in told
    agents_say(lab, "public", "ACTIVE")
    assert all(end["Alive"] for end in program.json("stretch", "list", "test-tunnel"))

    state = Path(program.env["CLOUDSENTRY_STATE_DIR"])
    (key,) = state.rglob("*.psk")
    secret = key.read_bytes()
    holders = [path for path in state.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert holders == [key]

    assert program.json("event", "destroy", "test-tunnel", "--yes")["outcome"] == "done"
    assert networks(lab, "test-tunnel") == []
    assert not list(state.rglob("*.psk"))


@pytest.fixture
def backbone(lab: Lab) -> Iterator[dict[str, Any]]:
    """What the operators of both clouds have given: a BGPVPN each, by cloud."""
    given = {
        name: cloud.network.create_bgpvpn(name="test-backbone", type="l3", route_targets=["64512:131"])
        for name, cloud in lab.clouds.items()
    }
    yield given
    for name, cloud in lab.clouds.items():
        cloud.network.delete_bgpvpn(given[name])


@pytest.mark.slow
def test_networks_of_both_sites_become_a_part_of_the_operator_s_bgpvpn_and_leave_it(
    lab: Lab, program: Program, write: Any, backbone: dict[str, Any]
) -> None:
    link = {
        "driver": "bgpvpn",
        "between": ["nara", "osaka"],
        "bgpvpn": {"nara": "test-backbone", "osaka": "test-backbone"},
        "mode": "l3",
        "cidrs": {"nara": "10.9.42.0/24", "osaka": "10.9.43.0/24"},
    }
    pool = {**POOL, "site": "nara", "networks": "none", "pins": [{"count": 0}]}
    file = write({**VLAN, "event": "test-bgpvpn", "stretches": {"test-bb": link}, "pools": {"none": pool}})
    assert program.json("event", "apply", file)["outcome"] == "done"
    ends = program.json("stretch", "list", "test-bgpvpn")
    assert [(end["Cloud"], end["State"], end["Joined"]) for end in ends] == [
        ("private", "ACTIVE", True),
        ("public", "ACTIVE", True),
    ]
    assert program.json("event", "apply", file)["writes"] == 0
    assert program.json("stretch", "check", "test-bgpvpn") == []

    neutron = lab.clouds["public"].network
    (theirs,) = neutron.bgpvpn_network_associations(backbone["public"])
    assert neutron.get_network(theirs.network_id).name == "test-bb"
    neutron.delete_bgpvpn_network_association(backbone["public"], theirs)
    told = "".join(program.start("stretch", "check", "test-bgpvpn").communicate())
    assert "this end of stretch test-bb is half made" in told
    assert program.json("event", "apply", file)["outcome"] == "done"
    assert len(list(neutron.bgpvpn_network_associations(backbone["public"]))) == 1

    assert program.json("event", "destroy", "test-bgpvpn", "--yes")["outcome"] == "done"
    assert networks(lab, "test-bgpvpn") == []
    for name, cloud in lab.clouds.items():
        assert list(cloud.network.bgpvpn_network_associations(backbone[name])) == []


def test_a_pair_of_gateways_carries_the_origin_s_port_and_nothing_else(lab: Lab, program: Program, write: Any) -> None:
    file = write(GATEWAY)
    assert program.json("event", "apply", file)["outcome"] == "done"
    assert all(end["Joined"] for end in program.json("stretch", "list", "test-gateway"))
    again = program.json("event", "apply", file)
    assert (again["outcome"], again["writes"]) == ("done", 0)

    if os.geteuid() == 0:  # without root the lab's servers carry no traffic
        servers = {server.name.split("-")[2]: server for server in lab.servers("test-gateway")}
        (origin,) = (address["addr"] for address in servers["origin"].addresses["test-gw"])
        edge = f"public/{servers['edge'].name}"
        fetch = [
            "curl",
            "-s",
            "-m",
            "10",
            "--retry",
            "30",
            "--retry-all-errors",
            "--retry-delay",
            "1",
            "-o",
            "/dev/null",
        ]
        told = ["-w", "%{http_code} %{size_download}\n", f"http://{origin}/image"]
        assert program("lab", "exec", edge, "--", *fetch, *told).split() == ["200", str(IMAGE)]
        # What is not named stays: another port, an echo request, and networks of others behind the far gateways.
        elsewhere = [edge, "--", "curl", "-s", "-m", "2"]
        program("lab", "exec", *elsewhere, f"http://{origin}:8080/", code=28)
        program("lab", "exec", edge, "--", "ping", "-c", "1", "-W", "2", origin, code=1)
        program("lab", "exec", *elsewhere, "--interface", "eth1", "http://10.9.0.1/", code=28)

        rotated = program.json("stretch", "rotate", "test-gateway", "test-gw")
        assert rotated["outcome"] == "done"
        assert program("lab", "exec", edge, "--", *fetch, *told).split() == ["200", str(IMAGE)]
        ends = program.json("stretch", "list", "test-gateway")
        assert all(end["Joined"] and "generation 1" in end["Offer"] for end in ends)

    assert program.json("event", "destroy", "test-gateway", "--yes")["outcome"] == "done"
    assert networks(lab, "test-gateway") == []
    left = [
        server
        for cloud in lab.clouds.values()
        for server in cloud.compute.servers(tags="cloudsentry-stretch=test-gateway")
    ]
    assert left == []


@pytest.fixture
def filtered() -> Iterator[None]:
    """The lab's WAN carries no UDP to a tunnel's ports."""
    nft = ["ip", "netns", "exec", "lab-private", "nft"]
    rules = (
        "table inet test-udp { chain forward { type filter hook forward priority 0; udp dport {51820, 51821} drop; }; }"
    )
    subprocess.run([*nft, rules], check=True)
    yield
    subprocess.run([*nft, "delete", "table", "inet", "test-udp"], check=True)


def seen(program: Program, event: str, stretch: str, what: str) -> None:
    """Waits until `stretch show` tells it."""
    deadline = time.monotonic() + 90
    while what not in (told := "".join(program.start("stretch", "show", event, stretch).communicate())):
        assert time.monotonic() < deadline, told


@pytest.mark.slow
def test_where_udp_is_filtered_wireguard_says_so_and_openvpn_carries_the_images(
    lab: Lab, program: Program, write: Any, filtered: None
) -> None:
    assert os.geteuid() == 0, "packets need root"
    link = GATEWAY["stretches"]["test-gw"]
    none = {"none": {**POOL, "site": "nara", "networks": "none", "pins": [{"count": 0}]}}
    file = write({**GATEWAY, "event": "test-udp", "stretches": {"test-udp": link}, "pools": none})
    assert program.json("event", "apply", file)["outcome"] == "done"
    seen(program, "test-udp", "test-udp", "not one packet has arrived from UDP port 51820; where UDP is filtered")
    assert program.json("event", "destroy", "test-udp", "--yes")["outcome"] == "done"

    file = write({**GATEWAY, "event": "test-tcp", "stretches": {"test-gw": {**link, "transport": "openvpn"}}})
    assert program.json("event", "apply", file)["outcome"] == "done"
    assert program.json("event", "apply", file)["writes"] == 0
    servers = {server.name.split("-")[2]: server for server in lab.servers("test-tcp")}
    (origin,) = (address["addr"] for address in servers["origin"].addresses["test-gw"])
    edge = f"public/{servers['edge'].name}"
    first = ["curl", "-s", "-m", "10", "--retry", "30", "--retry-all-errors", "--retry-delay", "1"]
    assert program("lab", "exec", edge, "--", *first, f"http://{origin}/name").strip() == servers["origin"].name
    fetch = ["curl", "-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code} %{size_download}\n"]
    answers = program("lab", "exec", edge, "--", *fetch, f"http://{origin}/image?[1-60]")
    assert answers.split("\n")[:60] == [f"200 {IMAGE}"] * 60
    program("lab", "exec", edge, "--", "curl", "-s", "-m", "2", f"http://{origin}:8080/", code=28)
    seen(program, "test-tcp", "test-gw", "private: alive in")
    assert program.json("stretch", "rotate", "test-tcp", "test-gw")["outcome"] == "done"
    answers = program("lab", "exec", edge, "--", *fetch, f"http://{origin}/image?[1-20]")
    assert answers.split("\n")[:20] == [f"200 {IMAGE}"] * 20
    assert program.json("event", "destroy", "test-tcp", "--yes")["outcome"] == "done"
    assert networks(lab, "test-tcp") == []
