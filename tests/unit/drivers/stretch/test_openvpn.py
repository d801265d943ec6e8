"""The driver `gateway` over TCP: what its ends are told, certificates, and what runs in its gateways."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import cloudsentry.drivers.stretch.gateway as package
from cloudsentry.drivers.stretch.base import StretchScope
from cloudsentry.drivers.stretch.gateway import GatewayStretch, boot, certified, figures
from cloudsentry.drivers.stretch.keys import Keys, derived
from tests.unit.drivers.stretch import test_gateway as wireguard
from tests.unit.drivers.stretch.test_gateway import OPTIONS, FakeCloud, Pair, config


@pytest.fixture
def clouds() -> dict[str, FakeCloud]:
    return {"private": FakeCloud("private", "203.0.113.0/24"), "public": FakeCloud("public", "198.51.100.0/24")}


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's own files, which import each other by bare name."""
    monkeypatch.syspath_prepend(str(Path(package.__file__).parent / "inside"))
    for name in boot.files("openvpn"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def openvpn(options: dict[str, str]) -> dict[str, str]:
    return {**options, "transport": "openvpn"}


def test_over_tcp_the_first_site_listens_and_each_end_knows_the_other_s_certificate(
    clouds: dict[str, FakeCloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wireguard, "OPTIONS", {name: openvpn(options) for name, options in OPTIONS.items()})
    pair = Pair(clouds)
    pair.up()
    near, far = pair.end("private"), pair.end("public")
    assert near is not None
    assert far is not None
    assert (near.joined, far.joined) == (far.offer, near.offer)
    assert near.offer is not None
    assert near.offer.get("mtu") == "1404"
    secret = Keys().known("file:cup/link")
    assert secret is not None
    assert near.offer.get("key") == certified.fingerprint(derived(secret, "gateway/1"), 0)
    found = {}
    for name, cloud in clouds.items():
        (group,) = cloud.items["security-groups"]
        rules = [rule for rule in group["security_group_rules"] if rule.get("port_range_min")]
        found[name] = [(rule["protocol"], rule["port_range_min"], rule["port_range_max"]) for rule in rules]
        for server in cloud.items["servers"]:
            script = base64.b64decode(server["user_data"]).decode()
            assert ("openvpn:openvpn" in script, "wireguard-tools" in script) == (True, False)
            assert f'"listens": {"true" if name == "private" else "false"}' in script
    assert found == {"private": [("tcp", 51820, 51821)], "public": [("tcp", 1024, 65535)]}


def test_a_certificate_is_one_that_openssl_reads_and_no_two_ends_or_generations_share_one() -> None:
    made = {certified.whole(seed * 32, number) for seed in ("aa", "bb") for number in (0, 1)}
    assert len(made) == 4
    assert certified.whole("aa" * 32, 1) == certified.whole("aa" * 32, 1)
    for whole in made:
        read_back = x509.load_der_x509_certificate(whole)
        key = read_back.public_key()
        assert isinstance(key, Ed25519PublicKey)
        key.verify(read_back.signature, read_back.tbs_certificate_bytes)
        assert read_back.not_valid_after_utc.year == 9999


def test_mtu_over_tcp_lets_one_packet_be_one_segment() -> None:
    overhead = 20 + 32 + 2 + 4 + 4 + 16
    for underlay in (1500, 9000):
        assert figures.inner_mtu(underlay, "l3", over="openvpn") + overhead <= underlay
        assert figures.inner_mtu(underlay, "l2", over="openvpn") + 14 + overhead <= underlay


def test_an_mtu_that_only_the_other_transport_would_carry_is_refused(clouds: dict[str, FakeCloud]) -> None:
    for over, mtu, refused in (("openvpn", "1404", False), ("openvpn", "1405", True), ("wireguard", "1391", True)):
        options = tuple(sorted({**OPTIONS["private"], "transport": over, "mtu": mtu}.items()))
        driver = GatewayStretch("private", connect=clouds.__getitem__)  # type: ignore[arg-type]
        view = driver.observe(StretchScope(event="cup", full=True, wanted=(("link", options),)))
        assert any("MTU of" in line for line in view.missing) == refused, (over, mtu, view.missing)


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(("listens", "called"), [(True, True), (False, False)])
def test_over_tcp_taps_are_filtered_as_the_vxlan_device_is(tmp_path: Path, listens: bool, called: bool) -> None:
    import firewall
    import machine

    path = tmp_path / "gateway.json"
    path.write_text(json.dumps(config(transport="openvpn", listens=listens)))
    text = firewall.rules(machine.read(str(path)), "eth1", ["ov0-112233", "ov1-112233"])
    assert 'iifname { "ov0-112233", "ov1-112233" } oifname "eth1" tcp dport { 80 } accept' in text
    assert ("tcp dport { 51820, 51821 } accept" in text) == called
    assert not [word for word in ("udp dport { 51820", "vxlan0", "4789") if word in text]
    assert text.index("reject with tcp reset") < text.index("chain forward"), "the far end hears of a lost connection"


@pytest.mark.usefixtures("inside")
def test_the_new_generation_takes_over_when_it_is_heard_and_another_s_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import machine
    import openvpn as program

    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.json").write_text(json.dumps(config(transport="openvpn", listens=True)))
    (tmp_path / "openvpn").mkdir()
    said: list[str] = []
    monkeypatch.setattr(machine, "run", lambda *words, **_: said.append(" ".join(words)) or "")
    one = program.Tunnel(machine.read("gateway.json"), "eth0", None)
    monkeypatch.setattr(one, "_write", lambda *_: None)
    monkeypatch.setattr(one, "_run", lambda slot: None)
    one.keep(True, ("198.51.100.9", "KEY=", 0))
    assert one.road == 0
    one.keep(True, ("198.51.100.9", "NEW=", 1))
    assert one.road == 0, "nothing was heard on the new one"
    (tmp_path / "openvpn" / "1.status").write_text("OpenVPN STATISTICS\nUpdated,x\nAuth read bytes,77\nEND\n")
    one.keep(True, ("198.51.100.9", "NEW=", 1))
    assert one.road == 1
    name = one.name(1)
    assert f"bridge link set dev {name} isolated on flood on mcast_flood on bcast_flood on learning on" in said
    assert set(one._told) == {0, 1}, "the old one is listened to for a while"
    one._since -= 11
    one.keep(True, ("198.51.100.9", "NEW=", 1))
    assert set(one._told) == {1}
    one.keep(False, ("198.51.100.9", "NEW=", 1))
    assert (one.road, one._told) == (None, {})
