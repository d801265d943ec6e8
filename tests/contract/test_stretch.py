"""The contract of a stretch driver, over every one of them; those of Neutron on the lab's two clouds."""

from __future__ import annotations

import contextlib
import importlib.metadata
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from cloudsentry.clouds import open_cloud
from cloudsentry.drivers.stretch.base import StretchDriver, StretchScope
from cloudsentry.drivers.stretch.fake import FakeStretches
from cloudsentry.errors import Busy, Conflict
from cloudsentry.records.marks import Mark
from cloudsentry.records.stretching import CloseEnd, End, JoinEnd, Offer, OpenEnd, StretchOrder
from tests.contract.conftest import classes, same_signature
from tests.contract.places import LAB, LOOKS, SECONDS

FAMILY = "cloudsentry.stretch"
VLAN = {"physical_network": "physnet1", "vlan": "139", "cidr": "10.9.39.0/24", "mtu": "1400"}
BGPVPN = {"bgpvpn": "contract-backbone", "mode": "l3"}
GATEWAY = {
    "mode": "l2",
    "cidr": "10.9.36.0/24",
    "image": "tiny",
    "flavor": "m1.tiny",
    "zone": "az1",
    "port": "51820",
    "allow": "tcp/80",
}
ROUTER = {
    "mode": "l3",
    "image": "tiny",
    "flavor": "m1.tiny",
    "port": "51820",
    "allow": "tcp/80",
}
OPTIONS: dict[str, dict[str, dict[str, str]]] = {
    "fake": {"private": {"a": "1"}, "public": {"b": "2"}},
    "vlan": {
        "private": {**VLAN, "allocation": "10.9.39.10-10.9.39.99", "gateway": "yes"},
        "public": {**VLAN, "allocation": "10.9.39.100-10.9.39.199"},
    },
    "vpnaas": {"private": {"subnets": "front,origin"}, "public": {"subnets": "front"}},
    "bgpvpn": {
        "private": {**BGPVPN, "cidr": "10.9.32.0/24", "far_cidr": "10.9.33.0/24"},
        "public": {**BGPVPN, "cidr": "10.9.33.0/24", "far_cidr": "10.9.32.0/24"},
    },
    "gateway": {
        "private": {**GATEWAY, "side": "1", "allocation": "10.9.36.10-10.9.36.99", "serves": "near"},
        "public": {**GATEWAY, "side": "2", "allocation": "10.9.36.100-10.9.36.199", "serves": "far"},
    },
    "router": {
        "private": {**ROUTER, "side": "1", "roams": "far", "cidr": "10.9.34.0/24", "far_cidr": "10.9.35.0/24"}
        | {"zone": "az1"},
        "public": {**ROUTER, "side": "2", "roams": "near", "cidr": "10.9.35.0/24", "far_cidr": "10.9.34.0/24"}
        | {"hypervisor": "public-hv1"},
    },
}


@dataclass
class Pair:
    """Both ends of one stretch, each driver on its own cloud."""

    kind: str
    ends: dict[str, Any]
    writes: Any
    event: str = field(default_factory=lambda: f"contract-{uuid.uuid4().hex[:8]}")

    @property
    def mark(self) -> Mark:
        return Mark(event=self.event, unit=f"{self.event}-link", op="op1", template="t1")

    def options(self, cloud: str) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(OPTIONS[self.kind][cloud].items()))

    def view(self, cloud: str, *, full: bool = False) -> Any:
        wanted = ((self.mark.unit, self.options(cloud)),) if full else ()
        return self.ends[cloud].observe(StretchScope(event=self.event, full=full, wanted=wanted))

    def end(self, cloud: str) -> End | None:
        found: End | None = self.view(cloud).named(self.mark.unit)
        return found

    def done(self, cloud: str, order: StretchOrder) -> None:
        started, pause = time.monotonic(), threading.Event()
        while True:
            try:
                self.ends[cloud].act(order)
                break
            except Busy:  # to be asked again, as the executor does
                assert time.monotonic() - started < SECONDS
                pause.wait(0.5)
        for _ in range(LOOKS if self.kind == "fake" else 10_000):
            progress = order.progress(self.view(cloud))
            if progress.state != "waiting":
                break
            assert self.kind == "fake" or time.monotonic() - started < SECONDS, progress
            pause.wait(0 if self.kind == "fake" else 0.5)
        assert progress.state == "done", progress

    def open(self, cloud: str) -> None:
        self.done(cloud, OpenEnd(unit=self.mark.unit, options=self.options(cloud), mark=self.mark))

    def join(self, cloud: str) -> None:
        far = "public" if cloud == "private" else "private"
        end = self.end(far)
        assert end is not None
        options = self.options(cloud)
        order = JoinEnd(
            unit=self.mark.unit, far_cloud=far, far_driver=self.kind, options=options, mark=self.mark, offer=end.offer
        )
        self.done(cloud, order)

    def close(self, cloud: str) -> None:
        for end in self.view(cloud).ends:
            self.done(cloud, CloseEnd(unit=end.mark.unit, objects=end.objects))


def drivers() -> list[Any]:
    found = sorted(importlib.metadata.entry_points(group=FAMILY), key=lambda point: point.name)
    return [
        pytest.param(point, id=point.name, marks=[] if point.name == "fake" else [pytest.mark.lab]) for point in found
    ]


@pytest.fixture
def pair(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Pair]:
    """Two empty clouds for the event, and nothing of it left there afterwards."""
    point = request.param
    monkeypatch.setenv("CLOUDSENTRY_STATE_DIR", str(tmp_path))
    if point.name == "fake":
        names = {cloud: f"{cloud}-{uuid.uuid4().hex[:8]}" for cloud in ("private", "public")}
        ends = {cloud: point.load()(name) for cloud, name in names.items()}
        made = Pair("fake", ends, lambda: sum(FakeStretches.named(name).state.writes for name in names.values()))
    else:
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(LAB / "clouds.yaml"))
        opened = {cloud: open_cloud(cloud) for cloud in ("private", "public")}
        ends = {cloud: point.load()(cloud, connect=opened.__getitem__) for cloud in opened}
        made = Pair(point.name, ends, lambda: sum(cloud.calls().writes for cloud in opened.values()))
    with backbone() if point.name == "bgpvpn" else contextlib.nullcontext():
        try:
            yield made
        finally:
            for cloud in made.ends:
                made.close(cloud)


@contextlib.contextmanager
def backbone() -> Iterator[None]:
    """What the operators of both clouds have given: a BGPVPN each, of one route target. Nothing stays associated."""
    body = {"bgpvpn": {"name": BGPVPN["bgpvpn"], "type": "l3", "route_targets": ["64512:132"]}}
    path, given = "/bgpvpn/bgpvpns", []
    try:
        for cloud in map(open_cloud, ("private", "public")):
            given.append((cloud, cloud.post("network", path, body)["bgpvpn"]["id"]))
        yield
        for cloud, id in given:
            left = cloud.get("network", f"{path}/{id}")["bgpvpn"]
            assert (left["networks"], left["routers"]) == ([], [])
    finally:
        for cloud, id in given:
            cloud.delete("network", f"{path}/{id}")


everywhere = pytest.mark.parametrize("pair", drivers(), indirect=True)


def test_every_driver_is_tried() -> None:
    assert {param.id for param in drivers()} == set(OPTIONS)


@pytest.mark.parametrize("driver", classes(FAMILY))
def test_signatures_are_the_contract_s(driver: Any) -> None:
    assert issubclass(driver, StretchDriver)
    assert same_signature(driver.observe, StretchDriver.observe)
    assert same_signature(driver.act, StretchDriver.act)


@everywhere
def test_a_full_look_writes_nothing(pair: Pair) -> None:
    for cloud in pair.ends:
        view = pair.view(cloud, full=True)
        assert (view.ends, view.missing) == ((), ())
    assert pair.writes() == 0


@everywhere
def test_from_nothing_to_joined_and_back_to_nothing(pair: Pair) -> None:
    for cloud in pair.ends:
        pair.open(cloud)
    for cloud in pair.ends:
        pair.join(cloud)
    near, far = pair.end("private"), pair.end("public")
    assert near is not None
    assert far is not None
    assert (near.joined, far.joined) == (far.offer, near.offer)
    assert near.mark == far.mark == pair.mark
    assert (near.state, far.state) == ("ACTIVE", "ACTIVE")
    standing = pair.writes()
    for cloud in pair.ends:
        assert pair.view(cloud, full=True).missing == (), "an end must not speak against itself"
        pair.open(cloud)
    if pair.kind != "fake":
        assert pair.writes() == standing, "what is there is not made again"
    for cloud in pair.ends:
        objects = pair.end(cloud).objects  # type: ignore[union-attr]
        pair.close(cloud)
        assert pair.view(cloud).ends == ()
        pair.done(cloud, CloseEnd(unit=pair.mark.unit, objects=objects))


@everywhere
def test_joining_what_is_not_open_is_a_conflict(pair: Pair) -> None:
    order = JoinEnd(
        unit=pair.mark.unit, far_cloud="public", far_driver=pair.kind, mark=pair.mark, offer=Offer(facts=(("a", "b"),))
    )
    with pytest.raises(Conflict):
        pair.ends["private"].act(order)
