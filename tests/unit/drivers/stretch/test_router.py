"""The driver `router`: a pair at home, one router elsewhere that roams, on a Neutron and a Nova of dictionaries."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import cloudsentry.drivers.stretch.gateway as package
from cloudsentry.drivers.stretch.base import StretchScope
from cloudsentry.drivers.stretch.gateway import GatewayStretch, boot, read
from cloudsentry.drivers.stretch.router import RouterStretch
from cloudsentry.errors import Busy
from cloudsentry.records.marks import Mark
from cloudsentry.records.stretching import CloseEnd, End, JoinEnd, OpenEnd
from tests.unit.drivers.stretch.test_gateway import FakeCloud, config

MARK = Mark(event="cup", unit="link", op="op1", template="t1")
BOTH = {"mode": "l3", "image": "tiny", "flavor": "m1.tiny", "port": "51820", "allow": "tcp/80"}
HOME = {**BOTH, "side": "1", "roams": "far", "cidr": "10.9.34.0/24", "far_cidr": "10.9.35.0/24"}
AWAY = {**BOTH, "side": "2", "roams": "near", "cidr": "10.9.35.0/24", "far_cidr": "10.9.34.0/24", "hypervisor": "hv1"}


class Cloud(FakeCloud):
    """With hypervisors, cards that come and go, and a router that tells the card that it was told to leave by."""

    deaf = False

    def listed(self, service: str, path: str, key: str, *, params: Any = None, microversion: str = "") -> list[Any]:
        if path == "/os-services":
            return [{"host": "hv1"}, {"host": "hv2"}]
        return super().listed(service, path, key, params=params, microversion=microversion)

    def post(self, service: str, path: str, body: Any, *, microversion: str = "") -> Any:
        if path.endswith("/os-interface"):
            self.writes.append(("POST", path))
            self._find("ports", body["interfaceAttachment"]["port_id"])["device_id"] = path.split("/")[2]
            return None
        if path == "/servers" and "host" in body["server"]:
            body = {"server": {**body["server"], "OS-EXT-SRV-ATTR:host": body["server"]["host"]}}
        return super().post(service, path, body, microversion=microversion)

    def delete(self, service: str, path: str, *, params: Any = None, microversion: str = "") -> None:
        if "/os-interface/" in path:
            self.writes.append(("DELETE", path))
            self._find("ports", path.split("/")[-1])["device_id"] = ""
            return
        super().delete(service, path, params=params, microversion=microversion)

    def ask(self, service: str, path: str, body: Any, *, microversion: str = "") -> Any:
        told = self._find("servers", path.split("/")[2])["metadata"].get("cloudsentry.outer", "")
        mac = "" if self.deaf else told.partition(" ")[0]
        line = {"at": time.time(), "role": "active", "up": True, "outer": mac}
        return {"output": f"{read.LINE}{json.dumps(line)}\n"}


@pytest.fixture
def clouds() -> dict[str, Cloud]:
    made = {"private": Cloud("private", "203.0.113.0/24"), "public": Cloud("public", "198.51.100.0/24")}
    network = made["public"].network("front", "10.2.0.0/24")
    for subnet in made["public"].items["subnets"]:
        subnet["ip_version"] = 4
    assert network["name"] == "front"
    return made


class Ends:
    def __init__(self, clouds: dict[str, Cloud]) -> None:
        self.ends = {name: RouterStretch(name, connect=clouds.__getitem__) for name in clouds}  # type: ignore[arg-type]

    def end(self, cloud: str) -> End:
        found = self.ends[cloud].observe(StretchScope(event="cup")).named("link")
        assert found is not None
        return found

    def open(self, cloud: str, options: dict[str, str], tries: int = 8) -> None:
        order = OpenEnd(unit="link", options=tuple(sorted(options.items())), mark=MARK)
        for _ in range(tries):
            try:
                return self.ends[cloud].act(order)
            except Busy:
                continue
        raise AssertionError("busy for ever")

    def up(self) -> None:
        self.open("private", HOME)
        self.open("public", AWAY)
        for near, far in (("private", "public"), ("public", "private")):
            offer = self.end(far).offer
            self.ends[near].act(JoinEnd(unit="link", far_cloud=far, far_driver="router", mark=MARK, offer=offer))


def test_two_at_home_one_with_the_group_on_its_hypervisor(clouds: dict[str, Cloud]) -> None:
    ends = Ends(clouds)
    ends.up()
    home, away = ends.end("private"), ends.end("public")
    assert (home.joined, away.joined) == (away.offer, home.offer)
    assert [len(cloud.items["servers"]) for cloud in clouds.values()] == [2, 1]
    (router,) = clouds["public"].items["servers"]
    assert (router["host"], away.at("hypervisor"), away.at("server")) == ("hv1", "hv1", router["id"])
    before = [list(cloud.writes) for cloud in clouds.values()]
    ends.open("public", AWAY)
    assert [list(cloud.writes) for cloud in clouds.values()] == before


def test_the_home_end_is_told_of_no_address_and_open_to_all(clouds: dict[str, Cloud]) -> None:
    ends = Ends(clouds)
    ends.up()
    assert [server["metadata"]["cloudsentry.far"].split()[0] for server in clouds["private"].items["servers"]] == [
        "roams",
        "roams",
    ]
    opened = {name: cloud.items["security-groups"][0]["security_group_rules"] for name, cloud in clouds.items()}
    tunnel = {
        name: [rule["remote_ip_prefix"] for rule in rules if rule.get("port_range_min")]
        for name, rules in opened.items()
    }
    home = ends.end("private").offer
    assert home is not None
    assert tunnel == {"private": ["0.0.0.0/0"], "public": [f"{home.get('address')}/32"]}


def test_at_its_new_place_it_takes_a_new_card_first_and_then_lets_the_old_one_go(clouds: dict[str, Cloud]) -> None:
    ends = Ends(clouds)
    ends.up()
    cloud, offered = clouds["public"], ends.end("public").offer
    (old,) = [port for port in cloud.items["ports"] if "-outer-" in port["name"]]
    old["device_id"] = cloud.items["servers"][0]["id"]
    cloud.deaf = True
    with pytest.raises(AssertionError, match="busy"):
        ends.open("public", {**AWAY, "external": "front", "hypervisor": "hv2"})
    assert len([port for port in cloud.items["ports"] if "-outer-" in port["name"]]) == 2, "both, until it answers"
    cloud.deaf = False
    ends.open("public", {**AWAY, "external": "front", "hypervisor": "hv2"})
    (new,) = [port for port in cloud.items["ports"] if "-outer-" in port["name"]]
    assert new["id"] != old["id"]
    assert ends.end("public").at("external") == "front"
    assert ends.end("public").offer == offered, "the home end need not be told"
    router = cloud.items["servers"][0]["metadata"]["cloudsentry.outer"]
    assert router == f"{new['mac_address']} {new['fixed_ips'][0]['ip_address']}/24 10.2.0.1"


def test_a_router_that_died_at_its_old_place_is_made_at_the_new_one(clouds: dict[str, Cloud]) -> None:
    ends = Ends(clouds)
    ends.up()
    cloud = clouds["public"]
    cloud.items["servers"].clear()
    ends.open("public", {**AWAY, "external": "front", "hypervisor": "hv2"}, tries=1)
    (router,) = cloud.items["servers"]
    for port in cloud.items["ports"]:
        if port["id"] in [one["port"] for one in router["networks"]]:
            port["device_id"] = router["id"]
    ends.open("public", {**AWAY, "external": "front", "hypervisor": "hv2"})
    assert router["host"] == "hv2"
    assert len([port for port in cloud.items["ports"] if "-outer-" in port["name"]]) == 1
    assert ends.end("public").at("external") == "front"


def test_closed_leaves_nothing_and_is_none_of_the_gateway_s(clouds: dict[str, Cloud]) -> None:
    before = [cloud.left() for cloud in clouds.values()]
    ends = Ends(clouds)
    ends.up()
    for name, cloud in clouds.items():
        other = GatewayStretch(name, connect=clouds.__getitem__)  # type: ignore[arg-type]
        assert other.observe(StretchScope(event="cup")).ends == ()
        ends.ends[name].act(CloseEnd(unit="link", objects=ends.end(name).objects))
        cloud.items.pop("security-group-rules", None)  # they go with their group
    assert [cloud.left() for cloud in clouds.values()] == before


@pytest.mark.parametrize("half", ["private", "public"])
def test_a_network_whose_tags_were_never_written_is_taken_up(clouds: dict[str, Cloud], half: str) -> None:
    clouds[half].add("networks", name="link", description="cloudsentry-event=cup", mtu=1440, status="ACTIVE")
    ends = Ends(clouds)
    ends.up()
    assert len([one for one in clouds[half].items["networks"] if one["name"] == "link"]) == 1


@pytest.mark.parametrize("unit", ["link-router", "link-gw1", "link-inner"])
def test_a_stretch_whose_name_ends_like_a_part_is_found_whole(clouds: dict[str, Cloud], unit: str) -> None:
    driver = RouterStretch("private", connect=clouds.__getitem__)  # type: ignore[arg-type]
    order = OpenEnd(
        unit=unit, options=tuple(sorted(HOME.items())), mark=Mark(event="cup", unit=unit, op="o", template="t")
    )
    for _ in range(3):
        with contextlib.suppress(Busy):
            driver.act(order)
    (end,) = driver.observe(StretchScope(event="cup")).ends
    assert (end.mark.unit, end.detail) == (unit, "")
    assert sorted(kind for kind, _ in end.objects).count("port") == len(clouds["private"].items["ports"]) == 6


def test_an_unknown_hypervisor_is_refused_before_a_write(clouds: dict[str, Cloud]) -> None:
    options = tuple(sorted({**AWAY, "hypervisor": "hv3"}.items()))
    driver = RouterStretch("public", connect=clouds.__getitem__)  # type: ignore[arg-type]
    view = driver.observe(StretchScope(event="cup", full=True, wanted=(("link", options),)))
    assert any("hypervisor 'hv3'" in line for line in view.missing), view.missing
    assert clouds["public"].writes == []


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's own files, which import each other by bare name."""
    monkeypatch.syspath_prepend(str(Path(package.__file__).parent / "inside"))
    for name in (*boot.files("wireguard"), *boot.files("openvpn")):
        monkeypatch.delitem(sys.modules, name, raising=False)


class Commands:
    """What the router's program runs, and how many bytes it is told to have received."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.received = 0
        self.now = 100.0

    def __call__(self, *command: str, stdin: str | None = None, check: bool = True) -> str:
        self.asked.append(command)
        return f"KEY\t{self.received}\t9\n" if command[-1] == "transfer" else ""

    def registrations(self) -> int:
        return sum(command[-1] == "remove" for command in self.asked)


@pytest.fixture
def router(inside: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import machine
    import tunnel

    path = tmp_path / "gateway.json"
    path.write_text(json.dumps(config(mode="l3", far_cidr="10.9.34.0/24", partner="", roams="near")))
    commands = Commands()
    monkeypatch.setattr(machine, "run", commands)
    monkeypatch.setattr(tunnel, "time", SimpleNamespace(monotonic=lambda: commands.now, time=lambda: commands.now))
    one = tunnel.Tunnel(machine.read(str(path)), "eth0")
    one._made = {0: 0}
    monkeypatch.setattr(one, "_exists", lambda generation: True)
    one.road, one._heard = 0, (0, 200.0)
    one.keep(True, ("203.0.113.9", "KEY=", 0))
    return SimpleNamespace(tunnel=one, commands=commands, machine=machine)


def test_it_registers_anew_when_the_home_end_falls_silent(router: Any) -> None:
    for received in (10, 20, 30):
        router.commands.received = received
        router.commands.now += 1.0
        router.tunnel.keep(True, ("203.0.113.9", "KEY=", 0))
    assert router.commands.registrations() == 0, "somebody answers"
    router.commands.now += 2.0
    router.tunnel.keep(True, ("203.0.113.9", "KEY=", 0))
    assert router.commands.registrations() == 1
    assert any("203.0.113.9:51820" in command for command in router.commands.asked[-1:])


def test_it_registers_at_once_when_it_leaves_by_another_card(router: Any) -> None:
    router.commands.received = 10
    side = router.machine.Side("fa:16:3e:00:00:09", "10.2.0.9/24", "10.2.0.9", "10.2.0.1")
    router.tunnel.leave_by("eth2", side)
    router.tunnel.keep(True, ("203.0.113.9", "KEY=", 0))
    way = ("ip", "route", "replace", "203.0.113.9/32", "via", "10.2.0.1", "dev", "eth2", "src", "10.2.0.9")
    assert way in router.commands.asked
    assert router.commands.registrations() == 1


def test_its_user_data_fits(clouds: dict[str, Cloud]) -> None:
    ends = Ends(clouds)
    ends.up()
    (router,) = clouds["public"].items["servers"]
    assert len(router["user_data"]) < boot.LARGEST
    script = base64.b64decode(router["user_data"]).decode()
    settings = next(json.loads(line) for line in script.splitlines() if line.startswith('{"allow"'))
    assert (settings["partner"], settings["roams"], settings["inner"]["address"]) == ("", "near", "10.9.35.1/24")
