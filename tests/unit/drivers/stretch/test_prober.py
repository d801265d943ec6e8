"""A prober on an end of the driver `vlan`: made with it, told of by its console, gone with it."""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import cloudsentry.drivers.stretch.gateway as package
from cloudsentry.drivers.stretch import prober
from cloudsentry.drivers.stretch.base import StretchScope
from cloudsentry.drivers.stretch.gateway import boot, read
from cloudsentry.drivers.stretch.vlan import VlanStretch
from cloudsentry.errors import Busy
from cloudsentry.records.marks import Mark
from cloudsentry.records.stretching import CloseEnd, End, JoinEnd, Offer, OpenEnd
from tests.unit.drivers.stretch.test_gateway import FakeCloud

MARK = Mark(event="cup", unit="link", op="op1", template="t1")
OPTIONS = {
    "physical_network": "physnet1",
    "vlan": "130",
    "cidr": "10.9.30.0/24",
    "allocation": "10.9.30.10-10.9.30.99",
    "image": "tiny",
    "flavor": "m1.tiny",
    "probe": "10.9.30.99",
    "far_probe": "10.9.30.199",
}


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud("private", "203.0.113.0/24")


@pytest.fixture
def driver(cloud: FakeCloud) -> VlanStretch:
    return VlanStretch("private", connect=lambda name: cloud)  # type: ignore[arg-type,return-value]


def opened(driver: VlanStretch, **changed: str) -> None:
    driver.act(OpenEnd(unit="link", options=tuple(sorted({**OPTIONS, **changed}.items())), mark=MARK))


def end(driver: VlanStretch, *, full: bool = False) -> End:
    found = driver.observe(StretchScope(event="cup", full=full)).named("link")
    assert found is not None
    return found


def test_it_has_the_last_address_of_its_end_s_share_and_asks_the_other(cloud: FakeCloud, driver: VlanStretch) -> None:
    opened(driver)
    (server,), (port,) = cloud.items["servers"], cloud.items["ports"]
    assert (port["fixed_ips"][0]["ip_address"], port["port_security_enabled"]) == ("10.9.30.99", False)
    script = base64.b64decode(server["user_data"]).decode()
    told = next(json.loads(line) for line in script.splitlines() if line.startswith('{"far"'))
    assert (told["near"], told["far"], told["prefix"]) == ("10.9.30.99", "10.9.30.199", 24)
    assert "prober.py prober.json" in script
    assert "keepalived" not in script
    before = list(cloud.writes)
    opened(driver)
    assert cloud.writes == before


def test_what_it_has_seen_is_read_with_a_full_look_only(cloud: FakeCloud, driver: VlanStretch) -> None:
    opened(driver)
    line = {"at": time.time(), "role": "active", "up": True, "rtt": 40.2, "loss": 0.0, "whole": True, "mtu": 1500}
    cloud.console = f"{read.LINE}{json.dumps(line)}\n"
    probe = end(driver, full=True).probe
    assert probe is not None
    assert (probe.up, probe.rtt, probe.whole) == (True, 40.2, True)
    assert end(driver).probe is None


def test_an_end_without_its_prober_is_half_made_and_made_whole(cloud: FakeCloud, driver: VlanStretch) -> None:
    opened(driver)
    driver.act(
        JoinEnd(
            unit="link",
            far_cloud="public",
            far_driver="vlan",
            options=tuple(sorted(OPTIONS.items())),
            mark=MARK,
            offer=Offer(facts=tuple(sorted({"cidr": "10.9.30.0/24", "mtu": "1500", "vlan": "130"}.items()))),
        )
    )
    cloud.items["servers"].clear()
    assert (end(driver).offer, end(driver).detail) == (None, "its prober is not there")
    opened(driver)
    assert end(driver).offer is not None
    cloud.items["servers"][0]["status"] = "ERROR"
    with pytest.raises(Busy):
        opened(driver)
    opened(driver)
    assert [server["status"] for server in cloud.items["servers"]] == ["ACTIVE"]


def test_a_network_that_is_there_already_may_have_one(cloud: FakeCloud, driver: VlanStretch) -> None:
    theirs = cloud.network("origin", "10.9.30.0/24", vlan=130, tags=["theirs"])
    cloud.items["subnets"][-1]["allocation_pools"] = []
    before = cloud.left()
    opened(driver, adopt="origin")
    found = end(driver)
    assert (found.state, found.offer is not None, found.mark) == ("ACTIVE", True, MARK)
    assert [kind for kind, _ in found.objects] == ["server", "port", "adoption"]
    driver.act(CloseEnd(unit="link", objects=found.objects))
    assert (cloud.left(), cloud._find("networks", theirs["id"])["tags"]) == (before, ["theirs"])


def test_closed_leaves_nothing(cloud: FakeCloud, driver: VlanStretch) -> None:
    before = cloud.left()
    opened(driver)
    objects = end(driver).objects
    assert [kind for kind, _ in objects] == ["server", "port", "subnet", "network"]
    driver.act(CloseEnd(unit="link", objects=objects))
    assert cloud.left() == before


def test_an_end_that_is_told_of_no_prober_asks_nova_nothing(cloud: FakeCloud, driver: VlanStretch) -> None:
    plain = {key: value for key, value in OPTIONS.items() if key not in ("image", "flavor", "probe", "far_probe")}
    driver.act(OpenEnd(unit="link", options=tuple(sorted(plain.items())), mark=MARK))
    assert end(driver, full=True).offer is not None
    assert "servers" not in cloud.items


@pytest.mark.parametrize("answers", [True, False])
def test_its_program_tries_the_far_end_and_a_whole_packet(monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    monkeypatch.syspath_prepend(str(Path(package.__file__).parent / "inside"))
    for name in (*boot.files("wireguard"), *prober.FILES):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import probe
    import prober as program

    asked: list[dict[str, Any]] = []

    def ping(target: str, source: str, **options: Any) -> tuple[float, float | None]:
        asked.append({"target": target, **options})
        return (0.0, 40.0) if answers else (100.0, None)

    monkeypatch.setattr(probe, "ping", ping)
    owners = type("Owners", (), {"twice": lambda self: []})()
    found = program.seen({"near": "10.9.30.99", "far": "10.9.30.199", "mtu": 1500}, owners)
    assert (found["up"], found["whole"]) == (answers, True if answers else None)
    assert [one.get("size") for one in asked] == ([None, 1472] if answers else [None])
