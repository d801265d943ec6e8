"""A network that an operator has already, as one end of a VLAN: tagged while the event lasts, otherwise as it was."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cloudsentry.drivers.stretch.base import StretchScope
from cloudsentry.drivers.stretch.vlan import VlanStretch
from cloudsentry.errors import SpecError
from cloudsentry.records.marks import Mark
from cloudsentry.records.stretching import CloseEnd, End, JoinEnd, Offer, OpenEnd
from cloudsentry.spec.load import load_text
from tests.unit.drivers.stretch.conftest import FakeNeutron, seeded

MARK = Mark(event="cup", unit="link", op="op1", template="t1")
OPTIONS = {
    "physical_network": "physnet1",
    "vlan": "130",
    "cidr": "10.9.30.0/24",
    "allocation": "10.9.30.10-10.9.30.99",
    "adopt": "origin",
}
POOLS = [{"start": "10.9.30.20", "end": "10.9.30.60"}]


@pytest.fixture
def cloud() -> FakeNeutron:
    made = seeded("private", "10.1", "203.0.113.0/24")
    made.network("origin", "10.9.30.0/24", vlan=130, tags=["theirs"])
    made.items["subnets"][-1]["allocation_pools"] = copy.deepcopy(POOLS)
    return made


@pytest.fixture
def driver(cloud: FakeNeutron) -> VlanStretch:
    return VlanStretch("private", connect=lambda name: cloud)  # type: ignore[arg-type,return-value]


def opened(driver: VlanStretch) -> None:
    driver.act(OpenEnd(unit="link", options=tuple(sorted(OPTIONS.items())), mark=MARK))


def end(driver: VlanStretch) -> End:
    found = driver.observe(StretchScope(event="cup")).named("link")
    assert found is not None
    return found


def missing(driver: VlanStretch, **changed: str) -> tuple[str, ...]:
    wanted = (("link", tuple(sorted({**OPTIONS, **changed}.items()))),)
    return driver.observe(StretchScope(event="cup", full=True, wanted=wanted)).missing


def test_it_is_an_end_while_the_event_lasts_and_as_before_afterwards(cloud: FakeNeutron, driver: VlanStretch) -> None:
    before = copy.deepcopy(cloud.items)
    opened(driver)
    offer = Offer(facts=(("cidr", "10.9.30.0/24"), ("mtu", "1500"), ("vlan", "130")))
    order = JoinEnd(unit="link", far_cloud="public", far_driver="vlan", mark=MARK, offer=offer)
    driver.act(order)
    standing = end(driver)
    assert (standing.joined, standing.mark, standing.state) == (offer, MARK, "ACTIVE")
    assert standing.offer is not None
    assert standing.offer.get("allocation") == "10.9.30.20-10.9.30.60", "what it gives away is what it gave away"
    assert Mark.from_tags(cloud.items["networks"][-1]["tags"]) is None, "or an audit would take it for a leak"
    assert missing(driver) == (), "it does not speak against itself"
    writes = list(cloud.writes)
    opened(driver)
    assert cloud.writes == writes
    driver.act(CloseEnd(unit="link", objects=standing.objects))
    assert cloud.items == before
    driver.act(CloseEnd(unit="link", objects=standing.objects))
    assert all(method == "PUT" for method, _ in cloud.writes), "nothing is made, nothing is deleted"


def elsewhere(cloud: FakeNeutron) -> None:
    cloud.items["networks"][-1]["provider:segmentation_id"] = 131


def anothers(cloud: FakeNeutron) -> None:
    cloud.items["networks"][-1]["tags"] = ["cloudsentry-adopted", "cloudsentry-adopted=bowl/road/op/t"]


def generous(cloud: FakeNeutron) -> None:
    cloud.items["subnets"][-1]["allocation_pools"] = [{"start": "10.9.30.2", "end": "10.9.30.254"}]


def gone(cloud: FakeNeutron) -> None:
    cloud.items["networks"].pop()


def readdressed(cloud: FakeNeutron) -> None:
    cloud.items["subnets"][-1]["cidr"] = "10.9.31.0/24"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (elsewhere, "it is on 131 of physnet1"),
        (anothers, "road of event bowl has adopted it"),
        (generous, "its subnet gives away 10.9.30.2-10.9.30.254"),
        (gone, "network 'origin'"),
        (readdressed, "subnet 10.9.30.0/24"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_write(
    cloud: FakeNeutron, driver: VlanStretch, spoil: Any, told: str
) -> None:
    assert missing(driver) == ()
    spoil(cloud)
    assert any(told in line for line in missing(driver)), missing(driver)
    assert cloud.writes == []


def test_a_pool_beside_it_names_it_by_its_own_name() -> None:
    pool = "{site: nara, image: i, flavor: f, networks: [%s], pins: [{count: 1}]}"
    stretch = (
        "{driver: vlan, between: [nara, osaka], physical_network: p, vlan: 3, cidr: 10.9.30.0/24, "
        "allocation: {nara: 10.9.30.10-10.9.30.99, osaka: 10.9.30.100-10.9.30.199}, adopt: {nara: origin%s}}"
    )

    def text(network: str, more: str = "") -> str:
        return (
            "event: cup\nsites: {nara: {cloud: a}, osaka: {cloud: b}}\n"
            f"pools: {{one: {pool % network}}}\nstretches: {{link: {stretch % more}}}\n"
        )

    load_text(text("origin"), "cup.yaml")
    with pytest.raises(SpecError, match="is called 'origin'"):
        load_text(text("link"), "cup.yaml")
    with pytest.raises(SpecError, match="at least one end is to be made"):
        load_text(text("origin", ", osaka: theirs"), "cup.yaml")
