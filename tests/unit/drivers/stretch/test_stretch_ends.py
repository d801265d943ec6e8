"""The two ends of a stretch on a Neutron of dictionaries: made once, joined, mended, taken down to nothing."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from cloudsentry.drivers.stretch.base import StretchDriver, StretchScope
from cloudsentry.drivers.stretch.keys import Keys
from cloudsentry.drivers.stretch.vlan import VlanStretch
from cloudsentry.drivers.stretch.vpnaas import VpnaasStretch
from cloudsentry.errors import Busy, Conflict
from cloudsentry.records.marks import Mark
from cloudsentry.records.stretching import CloseEnd, End, JoinEnd, Offer, OpenEnd

VLAN = {
    "physical_network": "physnet1",
    "vlan": "130",
    "cidr": "10.9.30.0/24",
    "mtu": "1400",
}
OPTIONS: dict[str, dict[str, dict[str, str]]] = {
    "vlan": {
        "private": {**VLAN, "allocation": "10.9.30.10-10.9.30.99", "gateway": "yes"},
        "public": {**VLAN, "allocation": "10.9.30.100-10.9.30.199"},
    },
    "vpnaas": {"private": {"subnets": "front"}, "public": {"subnets": "front"}},
}
MARK = Mark(event="cup", unit="link", op="op1", template="t1")
KINDS: dict[str, type[StretchDriver]] = {"vlan": VlanStretch, "vpnaas": VpnaasStretch}
Clouds = dict[str, Any]
both = pytest.mark.parametrize("kind", sorted(KINDS))


class Pair:
    """Two ends, each with a driver that never sees the other cloud."""

    def __init__(self, kind: str, connect: Any) -> None:
        self.kind = kind
        self.ends = {cloud: KINDS[kind](cloud, connect=connect) for cloud in ("private", "public")}  # type: ignore[call-arg]

    def options(self, cloud: str) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(OPTIONS[self.kind][cloud].items()))

    def end(self, cloud: str) -> End | None:
        return self.ends[cloud].observe(StretchScope(event="cup")).named("link")

    def open(self, cloud: str) -> None:
        self.ends[cloud].act(OpenEnd(unit="link", options=self.options(cloud), mark=MARK))  # type: ignore[arg-type]

    def join(self, cloud: str, offer: Offer | None = None) -> None:
        far = "public" if cloud == "private" else "private"
        known = self.end(far)
        order = JoinEnd(
            unit="link",
            far_cloud=far,
            far_driver=self.kind,
            options=self.options(cloud),
            mark=MARK,
            offer=offer or (known.offer if known else None),
        )
        self.ends[cloud].act(order)
        assert order.seen(self.ends[cloud].observe(StretchScope(event="cup")))

    def up(self) -> None:
        for cloud in self.ends:
            self.open(cloud)
        for cloud in self.ends:
            self.join(cloud)

    def close(self, cloud: str) -> None:
        end = self.end(cloud)
        assert end is not None
        self.ends[cloud].act(CloseEnd(unit="link", objects=end.objects))


@both
def test_from_nothing_to_joined_to_nothing(kind: str, clouds: Clouds, connect: Any) -> None:
    before = {name: cloud.left() for name, cloud in clouds.items()}
    pair = Pair(kind, connect)
    pair.up()
    for cloud, far in (("private", "public"), ("public", "private")):
        near, other = pair.end(cloud), pair.end(far)
        assert near is not None
        assert other is not None
        assert near.joined == other.offer
        assert near.mark == MARK
    for cloud in clouds:
        pair.close(cloud)
    assert {name: cloud.left() for name, cloud in clouds.items()} == before


@both
def test_twice_equals_once(kind: str, clouds: Clouds, connect: Any) -> None:
    pair = Pair(kind, connect)
    pair.up()
    writes = [list(cloud.writes) for cloud in clouds.values()]
    for cloud in clouds:
        pair.open(cloud)
    assert [cloud.writes for cloud in clouds.values()] == writes


class Killed(BaseException):
    """The process ends here."""


@both
def test_an_open_that_was_killed_at_any_call_is_finished_by_the_next(
    kind: str, clouds: Clouds, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each number of writes: nothing is doubled, and one close leaves nothing."""
    cloud = clouds["private"]
    before = cloud.left()
    whole = Pair(kind, connect)
    whole.open("private")
    needed = len(cloud.writes)
    made = cloud.left()
    whole.close("private")
    for cut in range(1, needed):
        cloud.writes.clear()
        with monkeypatch.context() as patched:
            for verb in ("post", "put"):
                patched.setattr(cloud, verb, _cut(cloud, getattr(cloud, verb), cut))
            with pytest.raises(Killed):
                Pair(kind, connect).open("private")
        again = Pair(kind, connect)
        half = again.end("private")
        assert half is not None, f"after {cut} writes nothing is found by its mark"
        again.open("private")
        assert cloud.left() == made, f"after {cut} writes something is there twice"
        again.close("private")
        assert cloud.left() == before, f"after {cut} writes something is left"


def _cut(cloud: Any, call: Any, most: int) -> Any:
    def made(*args: Any, **named: Any) -> Any:
        if len(cloud.writes) >= most:
            raise Killed
        return call(*args, **named)

    return made


def test_the_gateway_and_dhcp_are_on_one_side_only(clouds: Clouds, connect: Any) -> None:
    Pair("vlan", connect).up()
    made = {
        name: next(item for item in cloud.items["subnets"] if item["name"] == "link") for name, cloud in clouds.items()
    }
    assert (made["private"]["gateway_ip"], made["private"]["enable_dhcp"]) == ("10.9.30.1", True)
    assert (made["public"]["gateway_ip"], made["public"]["enable_dhcp"]) == (None, False)


def test_an_end_of_another_segment_is_not_joined(clouds: Clouds, connect: Any) -> None:
    pair = Pair("vlan", connect)
    pair.open("private")
    far = Offer(
        facts=(("allocation", "10.9.30.100-10.9.30.199"), ("cidr", "10.9.30.0/24"), ("mtu", "1400"), ("vlan", "7"))
    )
    with pytest.raises(Conflict, match="has vlan 7, this one 130"):
        pair.join("private", far)


def test_a_network_in_use_is_waited_for(clouds: Clouds, connect: Any) -> None:
    pair = Pair("vlan", connect)
    pair.open("private")
    made = next(item for item in clouds["private"].items["networks"] if item["name"] == "link")
    port = clouds["private"].add("ports", network_id=made["id"], fixed_ips=[])
    with pytest.raises(Busy):
        pair.close("private")
    clouds["private"].items["ports"].remove(port)
    pair.close("private")
    assert pair.end("private") is None


def test_the_settings_of_the_tunnel_are_strong_and_said(clouds: Clouds, connect: Any) -> None:
    Pair("vpnaas", connect).up()
    for cloud in clouds.values():
        (ike,), (ipsec,) = cloud.items["ikepolicies"], cloud.items["ipsecpolicies"]
        assert ike["ike_version"] == "v2"
        for policy in (ike, ipsec):
            assert (policy["auth_algorithm"], policy["encryption_algorithm"]) == ("sha256", "aes-256")
            assert policy["pfs"] == "group14"


def test_the_key_is_the_same_at_both_ends_and_nowhere_to_be_read(clouds: Clouds, connect: Any, state: Path) -> None:
    pair = Pair("vpnaas", connect)
    pair.up()
    (file,) = state.rglob("*.psk")
    key = Keys(state / "keys").known("file:cup/link")
    assert key is not None
    assert key not in file.read_text(), "the file is encrypted"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(key) >= 43
    assert [cloud.items["ipsec-site-connections"][0]["psk"] for cloud in clouds.values()] == [key, key]
    view = [driver.observe(StretchScope(event="cup")) for driver in pair.ends.values()]
    assert key not in repr((view, pair.ends))
    assert "psk_ref" in repr(view)
    for cloud in clouds:
        pair.close(cloud)
    assert list(state.rglob("*.psk")) == []


def test_another_key_is_drift_and_is_mended(clouds: Clouds, connect: Any) -> None:
    pair = Pair("vpnaas", connect)
    pair.up()
    connection = clouds["public"].items["ipsec-site-connections"][0]
    connection.update(psk="theirs", status="DOWN")
    near = pair.end("public")
    assert near is not None
    assert near.joined is not None
    assert near.joined.get("psk_ref") == ""
    pair.join("public")
    assert clouds["public"].items["ipsec-site-connections"] == [connection]
    assert connection["psk"] != "theirs"


def test_a_connection_that_cannot_be_changed_is_made_anew(clouds: Clouds, connect: Any) -> None:
    """Neutron refuses changes while a connection is PENDING, as it stays where no agent runs."""
    pair = Pair("vpnaas", connect)
    pair.up()
    clouds["public"].items["ipsec-site-connections"][0]["psk"] = "theirs"
    pair.join("public")
    (made,) = clouds["public"].items["ipsec-site-connections"]
    assert made["psk"] != "theirs"


@pytest.mark.parametrize("reference", ["file:../../etc/passwd", "file:cup/..", "cup/link", "file:cup", "file:/cup"])
def test_a_reference_leads_nowhere_else(tmp_path: Path, reference: str) -> None:
    with pytest.raises(Conflict):
        Keys(tmp_path).made(reference)


@pytest.mark.parametrize(
    ("connection", "service", "agent", "up", "told"),
    [
        ("ACTIVE", "ACTIVE", True, True, "site connection is ACTIVE"),
        ("ACTIVE", "ACTIVE", None, True, "site connection is ACTIVE"),
        ("DOWN", "ACTIVE", True, False, "site connection is DOWN"),
        ("ACTIVE", "DOWN", True, False, "VPN service is DOWN"),
        ("PENDING_CREATE", "PENDING_CREATE", True, None, ""),
        ("ACTIVE", "ACTIVE", False, None, ""),
    ],
)
def test_a_tunnel_lives_while_its_agent_says_so(
    connect: Any, clouds: Clouds, connection: str, service: str, agent: bool | None, up: bool | None, told: str
) -> None:
    pair = Pair("vpnaas", connect)
    pair.up()
    cloud = clouds["private"]
    cloud.items["ipsec-site-connections"][0]["status"] = connection
    cloud.items["vpnservices"][0]["status"] = service
    if agent is not None:
        cloud.add("l3-agents", alive=agent)
    end = pair.ends["private"].observe(StretchScope(event="cup", full=True)).named("link")
    assert end is not None
    assert (end.probe.up if end.probe else None) == up
    if end.probe is not None:
        assert told in end.probe.detail
        assert end.probe.rtt is None, "nobody has measured one"
    assert ("no agent" in end.detail) == (agent is False)


def test_a_quick_look_asks_nobody_whether_a_tunnel_lives(connect: Any, clouds: Clouds) -> None:
    pair = Pair("vpnaas", connect)
    pair.up()
    asked: list[str] = []
    listed = clouds["private"].listed
    clouds["private"].listed = lambda service, path, *more, **named: (
        asked.append(path) or listed(service, path, *more, **named)
    )
    pair.end("private")
    assert not [path for path in asked if "agents" in path]
