"""Shares by Designate's record sets: the steering contract on a fake of its API, through the real session.

The lab has no Designate, and no name server answers here: what is asserted is what the service was asked, and told.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudsentry.drivers.steering.base import SteeringScope
from cloudsentry.drivers.steering.dns import DnsSteering
from cloudsentry.errors import Busy, Conflict, NotSupported
from cloudsentry.records.marks import Mark
from cloudsentry.records.steering import Forget, Revert, SetShares, Steer, Target
from tests.contract.designate_rig import Designate, served

NAME = "images.example.net."
SCOPE = SteeringScope(event="cup")
FARM, NARA = ("192.0.2.10", "192.0.2.11", "192.0.2.12"), ("198.51.100.20", "198.51.100.21", "198.51.100.22")
MARK = Mark(event="cup", unit="images", op="op1", template="t1")


class Case:
    """The driver on a zone where the name has one address, and a mail server that is nobody's business."""

    def __init__(self) -> None:
        cloud, self.wire = served()
        self.driver = DnsSteering("private", connect=lambda name: cloud)
        self.wire.put_in("www.example.net.", "A", 300, "192.0.2.80")
        self.wire.put_in(NAME, "A", 60, FARM[0])
        self.wire.put_in(NAME, "MX", 300, "10 mail.example.net.")

    @property
    def steer(self) -> Steer | None:
        return self.driver.observe(SCOPE).named("images")

    def order(self, share: float) -> SetShares:
        targets = (
            Target(name="farm", share=100 - share, to=FARM, home=True),
            Target(name="nara", share=share, to=NARA),
        )
        options = (("name", "images.example.net"), ("ttl", "30"), ("zone", "example.net"))
        return SetShares(unit="images", targets=targets, options=options, mark=MARK)

    def set(self, share: float) -> None:
        """As the executor does it: again while it is busy, and what is asked comes true."""
        for _ in range(10):
            try:
                self.driver.act(self.order(share))
                self.wire.settle()
                return
            except Busy:
                self.wire.settle()
        raise AssertionError("busy for ever")


@pytest.fixture
def case() -> Case:
    return Case()


def addresses(wire: Designate) -> tuple[int | None, tuple[str, ...]]:
    return wire.standing()[NAME, "A"]


def test_shares_are_parts_of_the_number_of_addresses(case: Case) -> None:
    case.set(25)
    assert addresses(case.wire) == (30, (*FARM, NARA[0]))
    case.set(50)
    ttl, records = addresses(case.wire)
    assert ttl == 30
    assert len([one for one in records if one in FARM]) == len([one for one in records if one in NARA])
    assert case.steer is not None
    assert (case.steer.state, dict(case.steer.shares)) == ("ACTIVE", {"farm": 50.0, "nara": 50.0})


def test_a_share_that_addresses_cannot_give_is_refused_with_what_they_can(case: Case) -> None:
    before = case.wire.standing()
    with pytest.raises(NotSupported, match="PowerDNS"):
        case.driver.act(case.order(7))
    assert case.wire.standing() == before
    assert case.wire.writes() == []


def test_it_stands_only_when_the_name_servers_answer_by_it(case: Case) -> None:
    case.driver.act(case.order(25))
    assert case.steer is not None
    assert case.steer.state == "CHANGED"
    assert case.order(25).progress(case.driver.observe(SCOPE)).state == "waiting"
    case.wire.settle()
    assert case.steer.state == "ACTIVE"
    # What was answered before, with its TTL of 60 s, is still in caches.
    assert 55 < case.steer.settles <= 60


def test_twice_is_once_and_a_change_on_its_way_is_waited_for(case: Case) -> None:
    case.set(25)
    written = len(case.wire.writes())
    case.driver.act(case.order(25))
    assert len(case.wire.writes()) == written
    case.driver.act(case.order(50))
    with pytest.raises(Busy):
        case.driver.act(case.order(25))


def test_the_mark_is_written_before_what_it_marks(case: Case) -> None:
    case.driver.act(case.order(25))
    first = case.wire.writes()[0]
    assert (first[0], first[2]["name"], first[2]["type"]) == ("POST", f"_cloudsentry.{NAME}", "TXT")


def test_what_stood_before_is_put_back_and_nothing_else_was_touched(case: Case) -> None:
    before = case.wire.standing()
    case.set(25)
    case.driver.act(Revert(unit="images", event="cup"))
    case.wire.settle()
    assert case.wire.standing() == before
    assert case.steer is not None
    assert case.steer.state == "REVERTED"
    case.driver.act(Forget(unit="images", event="cup"))
    case.wire.settle()
    assert case.steer is None
    assert case.wire.standing() == before
    assert not any(one["name"].startswith("_cloudsentry") for one in case.wire.sets.values())


def test_an_alias_gives_way_to_addresses_and_comes_back(case: Case) -> None:
    case.wire.sets.clear()
    case.wire.put_in(NAME, "CNAME", 120, "farm.example.net.")
    before = case.wire.standing()
    case.set(50)
    assert (NAME, "CNAME") not in case.wire.standing()
    with pytest.raises(Busy):
        case.driver.act(Revert(unit="images", event="cup"))
    case.wire.settle()
    case.driver.act(Revert(unit="images", event="cup"))
    case.wire.settle()
    assert case.wire.standing() == before


def test_another_event_s_name_is_left_alone(case: Case) -> None:
    case.set(25)
    other = replace(case.order(50), mark=replace(MARK, event="other"))
    with pytest.raises(Conflict, match="cup"):
        case.driver.act(other)


def test_a_zone_that_is_not_there_is_missing(case: Case) -> None:
    wanted = (("images", (("name", "x.example.org"), ("ttl", "30"), ("zone", "example.org"))),)
    view = case.driver.observe(SteeringScope(event="cup", full=True, wanted=wanted))
    assert case.wire.writes() == []
    assert view.missing in ((), ("zone 'example.org.'",))
