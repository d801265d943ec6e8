"""The driver `gateway` on a Neutron and a Nova of dictionaries, and what its gateways are told to do."""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import cloudsentry.drivers.stretch.gateway as package
from cloudsentry.drivers.stretch.base import StretchScope
from cloudsentry.drivers.stretch.gateway import GatewayStretch, boot, figures, read
from cloudsentry.drivers.stretch.keys import Keys, derived, public_key, rotate
from cloudsentry.errors import Busy, Conflict, UserError
from cloudsentry.records.marks import Mark
from cloudsentry.records.stretching import CloseEnd, End, JoinEnd, OpenEnd, RenewLease
from tests.unit.drivers.stretch.conftest import FakeNeutron

MARK = Mark(event="cup", unit="link", op="op1", template="t1")
BOTH = {"mode": "l2", "cidr": "10.9.30.0/24", "image": "tiny", "flavor": "m1.tiny", "port": "51820", "allow": "tcp/80"}
OPTIONS = {
    "private": {**BOTH, "side": "1", "allocation": "10.9.30.10-10.9.30.99", "serves": "near"},
    "public": {**BOTH, "side": "2", "allocation": "10.9.30.100-10.9.30.199", "serves": "far"},
}


class FakeCloud(FakeNeutron):
    """With servers, which are there at once, and ports that get addresses."""

    def __init__(self, name: str, outside: str) -> None:
        super().__init__(name)
        self.extensions += ["allowed-address-pairs", "port-security", "security-group"]
        self.network("ext", outside, physical="physnet2", **{"router:external": True})
        for subnet in self.items["subnets"]:
            subnet["ip_version"] = 4
        self.add("images", name="tiny")
        self.add("flavors", name="m1.tiny")
        self.console = ""

    def listed(self, service: str, path: str, key: str, *, params: Any = None, microversion: str = "") -> list[Any]:
        if path == "/servers/detail":
            assert params["tags"] == "cloudsentry-stretch=cup"
            return list(self.items.get("servers", []))
        return super().listed(service, path, key, params=params, microversion=microversion)

    def get(self, service: str, path: str, *, params: Any = None, microversion: str = "") -> Any:
        if path == "/os-server-groups":
            return {"server_groups": list(self.items.get("os-server-groups", []))}
        return super().get(service, path, params=params, microversion=microversion)

    def ask(self, service: str, path: str, body: Any, *, microversion: str = "") -> Any:
        return {"output": self.console}

    def post(self, service: str, path: str, body: Any, *, microversion: str = "") -> Any:
        if path.endswith("/metadata"):
            self.writes.append(("POST", path))
            self._find("servers", path.split("/")[2])["metadata"].update(body["metadata"])
            return None
        if path == "/servers":
            body = {"server": {**body["server"], "status": "ACTIVE"}}
        if path == "/security-group-rules":
            rule = body["security_group_rule"]
            group = self._find("security-groups", rule["security_group_id"])
            group.setdefault("security_group_rules", []).append({"id": f"r{len(self.writes)}", **rule})
        made = super().post(service, path, body, microversion=microversion)
        if path == "/ports":
            port = self._find("ports", made["port"]["id"])
            cidr = next(item["cidr"] for item in self.items["subnets"] if item["network_id"] == port["network_id"])
            number = 20 + len(self.items["ports"]) + 100 * (self.name == "public")
            port |= {"mac_address": f"fa:16:3e:00:00:{number:02x}", "device_owner": port.get("device_owner", "")}
            port.setdefault("fixed_ips", []).append({"ip_address": f"{cidr.rsplit('.', 1)[0]}.{number}"})
            made = {"port": dict(port)}
        return made


@pytest.fixture
def clouds() -> dict[str, FakeCloud]:
    return {
        "private": FakeCloud("private", "203.0.113.0/24"),
        "public": FakeCloud("public", "198.51.100.0/24"),
    }


class Pair:
    def __init__(self, clouds: dict[str, FakeCloud]) -> None:
        self.ends = {name: GatewayStretch(name, connect=clouds.__getitem__) for name in clouds}  # type: ignore[arg-type]

    def end(self, cloud: str, *, full: bool = False) -> End | None:
        return self.ends[cloud].observe(StretchScope(event="cup", full=full)).named("link")

    def act(self, cloud: str, order: Any) -> None:
        for _ in range(5):
            try:
                return self.ends[cloud].act(order)
            except Busy:
                continue
        raise AssertionError("busy for ever")

    def up(self) -> None:
        for cloud, options in OPTIONS.items():
            self.act(cloud, OpenEnd(unit="link", options=tuple(sorted(options.items())), mark=MARK))
        self.join()

    def join(self) -> None:
        for cloud in OPTIONS:
            far = "public" if cloud == "private" else "private"
            end = self.end(far)
            assert end is not None
            order = JoinEnd(unit="link", far_cloud=far, far_driver="gateway", mark=MARK, offer=end.offer)
            self.act(cloud, order)


def test_two_gateways_per_end_joined_and_made_once(clouds: dict[str, FakeCloud]) -> None:
    pair = Pair(clouds)
    pair.up()
    near, far = pair.end("private"), pair.end("public")
    assert near is not None
    assert far is not None
    assert (near.state, near.joined, far.joined) == ("ACTIVE", far.offer, near.offer)
    assert [len(cloud.items["servers"]) for cloud in clouds.values()] == [2, 2]
    before = [list(cloud.writes) for cloud in clouds.values()]
    pair.act("private", OpenEnd(unit="link", options=tuple(sorted(OPTIONS["private"].items())), mark=MARK))
    assert [list(cloud.writes) for cloud in clouds.values()] == before


def test_only_the_far_end_s_address_reaches_the_tunnel(clouds: dict[str, FakeCloud]) -> None:
    pair = Pair(clouds)
    pair.up()
    far = pair.end("public")
    assert far is not None
    assert far.offer is not None
    (group,) = clouds["private"].items["security-groups"]
    rules = [rule for rule in group["security_group_rules"] if rule.get("port_range_min")]
    assert [(rule["remote_ip_prefix"], rule["port_range_min"], rule["port_range_max"]) for rule in rules] == [
        (f"{far.offer.get('address')}/32", 51820, 51821)
    ]


def test_nothing_secret_is_in_an_offer_or_a_view(clouds: dict[str, FakeCloud]) -> None:
    pair = Pair(clouds)
    pair.up()
    secret = Keys().known("file:cup/link")
    assert secret is not None
    seen = repr([pair.end(cloud, full=True) for cloud in clouds]) + repr(pair.ends)
    seeds = [derived(secret, f"gateway/{side}") for side in "12"]
    assert not [text for text in (secret, derived(secret, "psk"), *seeds) if text in seen]


def test_what_is_closed_leaves_nothing_behind(clouds: dict[str, FakeCloud], state: Path) -> None:
    pair = Pair(clouds)
    before = [cloud.left() for cloud in clouds.values()]
    pair.up()
    for name, cloud in clouds.items():
        end = pair.end(name)
        assert end is not None
        kinds = [kind for kind, _ in end.objects]
        assert kinds == sorted(kinds, key=read.KINDS.index)
        pair.act(name, CloseEnd(unit="link", objects=end.objects))
        cloud.items.pop("security-group-rules", None)  # they go with their group
    assert [cloud.left() for cloud in clouds.values()] == before
    assert not list(state.rglob("*.psk"))


def test_rotation_changes_the_public_keys_and_not_the_gateways(clouds: dict[str, FakeCloud]) -> None:
    pair = Pair(clouds)
    pair.up()
    ids = [server["id"] for cloud in clouds.values() for server in cloud.items["servers"]]
    old = pair.end("private")
    rotate("gateway", "cup", "link")
    new = pair.end("private")
    assert old is not None
    assert new is not None
    assert old.offer is not None
    assert new.offer is not None
    assert old.offer.get("key") != new.offer.get("key")
    assert new.offer.get("generation") == "1"
    far = pair.end("public")
    assert far is not None
    assert far.joined != new.offer, "so that a plan joins it again"
    pair.join()
    far = pair.end("public")
    assert far is not None
    assert far.joined == new.offer
    assert [server["id"] for cloud in clouds.values() for server in cloud.items["servers"]] == ids
    with pytest.raises(UserError, match="no keys"):
        rotate("vlan", "cup", "link")


def test_a_gateway_that_died_is_no_whole_end(clouds: dict[str, FakeCloud]) -> None:
    pair = Pair(clouds)
    pair.up()
    clouds["private"].items["servers"].pop()
    end = pair.end("private")
    assert end is not None
    assert (end.offer, end.detail) == (None, "gw2 is not there")
    pair.act("private", OpenEnd(unit="link", options=tuple(sorted(OPTIONS["private"].items())), mark=MARK))
    pair.join()
    end = pair.end("private")
    assert end is not None
    assert end.offer is not None


def test_a_lease_never_lasts_longer_than_the_event(clouds: dict[str, FakeCloud]) -> None:
    pair = Pair(clouds)
    pair.up()
    order = RenewLease(unit="link", seconds=3600, mark=MARK)
    assert order.due(pair.end("private"))
    pair.act("private", order)
    end = pair.end("private")
    assert end is not None
    assert end.lease is not None
    assert 3500 < end.lease.left <= 3600
    assert not order.due(end)
    ended = RenewLease(unit="link", seconds=3600, last=end.lease.until - 1800, mark=MARK)
    assert ended.due(end), "the event was made to end earlier"
    pair.act("private", ended)
    end = pair.end("private")
    assert end is not None
    assert end.lease is not None
    assert end.lease.until == int(ended.last)


def test_an_end_with_other_settings_is_not_joined(clouds: dict[str, FakeCloud]) -> None:
    pair = Pair(clouds)
    pair.up()
    far = pair.end("public")
    assert far is not None
    assert far.offer is not None
    facts = tuple((key, "1200" if key == "mtu" else value) for key, value in far.offer.facts)
    order = JoinEnd(
        unit="link", far_cloud="public", far_driver="gateway", mark=MARK, offer=type(far.offer)(facts=facts)
    )
    with pytest.raises(Conflict, match="mtu 1200"):
        pair.ends["private"].act(order)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda cloud: cloud.extensions.remove("port-security"), "port-security"),
        (lambda cloud: cloud.items["networks"].clear(), "external network"),
        (lambda cloud: cloud.items["images"].clear(), "image 'tiny'"),
        (lambda cloud: cloud.items["flavors"].clear(), "flavor 'm1.tiny'"),
        (lambda cloud: cloud.network("link", "10.7.0.0/24"), "free name"),
        (lambda cloud: cloud.network("other", "10.9.30.0/25"), "free addresses"),
        (lambda cloud: cloud.limits.update(network=1), "quota of networks"),
        (lambda cloud: cloud.items["networks"][0].update(mtu=1400), "MTU of 1390"),
    ],
)
def test_defects_are_refused_before_a_write(clouds: dict[str, FakeCloud], spoil: Any, told: str) -> None:
    cloud = clouds["private"]
    spoil(cloud)
    options = tuple(sorted({**OPTIONS["private"], "mtu": "1390"}.items()))
    driver = GatewayStretch("private", connect=clouds.__getitem__)  # type: ignore[arg-type]
    view = driver.observe(StretchScope(event="cup", full=True, wanted=(("link", options),)))
    assert any(told in line for line in view.missing), view.missing
    assert cloud.writes == []


def test_what_a_gateway_has_seen_is_read_off_its_console() -> None:
    lines = [
        {"at": 100, "role": "active", "up": False, "loss": 100.0, "rtt": None, "mtu": 1390, "whole": None, "twice": []},
        {
            "at": 110,
            "role": "active",
            "up": True,
            "loss": 20.0,
            "rtt": 41.5,
            "mtu": 1390,
            "whole": True,
            "twice": ["a"],
        },
    ]
    text = (
        "boot noise\n" + "".join(f"[  1.0] {read.LINE}{json.dumps(line)}\n" for line in lines) + read.LINE + '{"at": 1'
    )
    probe = read.probe([text, ""], 130.0)
    assert probe is not None
    assert (probe.up, probe.rtt, probe.loss, probe.whole, probe.twice, probe.age) == (
        True,
        41.5,
        20.0,
        True,
        ("a",),
        20,
    )
    assert read.probe([f"{read.LINE}{json.dumps({'role': 'standby', 'at': 1})}"], 2.0) is None


def test_mtu_through_every_encapsulation() -> None:
    assert figures.inner_mtu(1500, "l3") == 1440
    assert figures.inner_mtu(1500, "l2") == 1390
    assert figures.inner_mtu(9000, "l2", version=6) == 8870


def test_the_two_sides_agree_on_their_tunnel_addresses() -> None:
    near, far = figures.tunnel_addresses("cup/link", "1"), figures.tunnel_addresses("cup/link", "2")
    assert near == far[::-1]
    assert near[0] != near[1]


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's own files, which import each other by bare name."""
    monkeypatch.syspath_prepend(str(Path(package.__file__).parent / "inside"))
    for name in (*boot.files("wireguard"), *boot.files("openvpn")):
        monkeypatch.delitem(sys.modules, name, raising=False)


def config(**changed: Any) -> dict[str, Any]:
    side = {"mac": "fa:16:3e:11:22:33", "address": "203.0.113.20/24", "vip": "203.0.113.21", "router": "203.0.113.1"}
    return {
        "unit": "link",
        "name": "gw1",
        "mode": "l2",
        "seed": "aa" * 32,
        "psk": "bb" * 32,
        "partner": "203.0.113.22",
        "outer": side,
        "inner": {**side, "address": "10.9.30.20/24", "vip": "10.9.30.21"},
        "port": 51820,
        "near_tunnel": "100.64.0.0",
        "far_tunnel": "100.64.0.1",
        "tunnel_mtu": 1440,
        "inner_mtu": 1390,
        "vni": 7,
        "router_id": 9,
        "near_cidr": "10.9.30.0/24",
        "far_cidr": "",
        "allow": ["tcp/80"],
        "serves": "near",
        "lease": 0,
        **changed,
    }


@pytest.mark.usefixtures("inside")
def test_agent_and_gateway_derive_the_same_keys() -> None:
    import tunnel

    private = base64.b64decode(tunnel.derived("aa" * 32, "wireguard/3"))
    public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert base64.b64encode(public).decode() == public_key("aa" * 32, 3)


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("changed", "there", "not_there"),
    [
        ({}, ['iifname "vxlan0" oifname "eth1" tcp dport { 80 }'], ['iifname "eth1" oifname "vxlan0" tcp dport']),
        (
            {"serves": "far"},
            ['iifname "eth1" oifname "vxlan0" tcp dport { 80 }'],
            ['"vxlan0" oifname "eth1" tcp dport'],
        ),
        ({"allow": ["udp/53", "icmp"]}, ["udp dport { 53 }", "icmp type echo-request"], ["tcp dport"]),
        (
            {"mode": "l3", "far_cidr": "10.8.0.0/24"},
            [
                "ip saddr 10.8.0.0/24 ip daddr 10.9.30.0/24 tcp dport { 80 } accept",
                # Of a connection that the other gateway has let through, the first packet may be an answer.
                "ip saddr 10.9.30.0/24 ip daddr 10.8.0.0/24 tcp sport { 80 } tcp flags & (syn | ack) != syn accept",
            ],
            ["vxlan0", "ip saddr 10.9.30.0/24 ip daddr 10.8.0.0/24 tcp dport"],
        ),
    ],
)
def test_only_what_is_named_crosses(
    tmp_path: Path, changed: dict[str, Any], there: list[str], not_there: list[str]
) -> None:
    import firewall
    import machine

    path = tmp_path / "gateway.json"
    path.write_text(json.dumps(config(**changed)))
    text = firewall.rules(machine.read(str(path)), "eth1", ["wg0-112233", "wg1-112233"])
    forward = text[text.index("chain forward") :]
    assert "policy drop" in forward
    assert [line for line in there if line not in forward] == []
    assert [line for line in not_there if line in forward] == []


@pytest.mark.parametrize("over", ["wireguard", "openvpn"])
def test_user_data_is_one_shell_script_that_nova_takes(over: str) -> None:
    script = boot.script(config(), files=boot.files(over), needs=boot.needs(over))
    assert script.startswith("#!/bin/sh\n")
    assert len(base64.b64encode(script.encode())) < boot.LARGEST
    assert set(re.findall(r"cat > (\w+)\.py <<", script)) == set(boot.files(over))


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(("left", "open_"), [(60, True), (-1, False)])
def test_a_gateway_shuts_itself_when_its_lease_is_over(left: int, open_: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import time
    from types import SimpleNamespace

    import gateway

    kept: list[Any] = []
    one = gateway.Gateway.__new__(gateway.Gateway)
    one.pair = SimpleNamespace(active=True, keep=lambda: None)
    one.tunnel = SimpleNamespace(keep=lambda active, far: kept.append((active, far)), alive=lambda: False)
    one.wire = SimpleNamespace(keep=kept.append, share=lambda: None)
    one.owners = SimpleNamespace(forget=lambda: None)
    one.active, one.far, one.far_inner, one.lease, one.wanted = False, None, "", 0.0, None
    one.learn({"cloudsentry.lease": str(int(time.time()) + left), "cloudsentry.far": "198.51.100.9 KEY= 2 10.9.30.120"})
    one.tick()
    far = ("198.51.100.9", "KEY=", 2)
    assert kept == ([True, (True, far)] if open_ else [False, (False, None)])


@pytest.mark.usefixtures("inside")
def test_who_hears_of_a_lesser_one_stays_the_active_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    import machine
    import pair

    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.json").write_text(json.dumps(config()))
    os.mkdir("pair")
    (tmp_path / "pair" / "fifo").write_text(
        'INSTANCE "gateway" MASTER 100\nINSTANCE "gateway" MASTER_RX_LOWER_PRI 100\n'
    )
    one = pair.Pair(machine.read("gateway.json"), "eth0", "eth1")
    one._listen()
    assert one.active
