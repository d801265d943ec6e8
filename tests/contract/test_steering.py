"""The contract of a steering driver, over the fake; the drivers of real means are in test_steering_daemons.py."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from cloudsentry.drivers.steering.base import SteeringDriver, SteeringScope
from cloudsentry.drivers.steering.fake import FakeSteering, FakeSteers, FaultRule
from cloudsentry.errors import Ambiguous, Busy, Conflict
from cloudsentry.records.marks import Mark
from cloudsentry.records.steering import Forget, Revert, SetShares, Target

from .conftest import classes, names, same_signature

FAMILY = "cloudsentry.steering"
REAL = {"reference", "dns", "prefix"}
"""Drivers whose contract is tried on real means, in test_steering_daemons.py."""


def order(away: float) -> SetShares:
    targets = (
        Target(name="farm", share=100 - away, to=("192.0.2.1",), home=True),
        Target(name="nara", share=away, to=("192.0.2.2",)),
    )
    return SetShares(unit="images", targets=targets, mark=Mark(event="cup", unit="images", op="op1", template="t1"))


@pytest.fixture
def place() -> str:
    return f"fake-{uuid.uuid4().hex[:8]}"


def test_every_driver_has_a_place() -> None:
    assert names(FAMILY) == REAL | {"fake"}


@pytest.mark.parametrize("driver", classes(FAMILY))
def test_signatures_are_the_contract_s(driver: Any) -> None:
    assert issubclass(driver, SteeringDriver)
    assert same_signature(driver.observe, SteeringDriver.observe)
    assert same_signature(driver.act, SteeringDriver.act)


def test_shares_stand_are_reverted_and_forgotten(place: str) -> None:
    driver, scope = FakeSteering(place), SteeringScope(event="cup")
    assert driver.observe(scope).steers == ()
    driver.act(order(25))
    assert order(25).progress(driver.observe(scope)).state == "done"
    assert not order(30).seen(driver.observe(scope))
    with pytest.raises(Conflict):
        driver.act(Forget(unit="images", event="cup"))
    driver.act(Revert(unit="images", event="cup"))
    assert Revert(unit="images", event="cup").progress(driver.observe(scope)).state == "done"
    driver.act(Forget(unit="images", event="cup"))
    driver.act(Forget(unit="images", event="cup"))
    assert driver.observe(scope).steers == ()


def test_a_step_waits_for_old_answers_to_end(place: str) -> None:
    FakeSteers.named(place).state.settle_looks = 3
    driver, scope = FakeSteering(place), SteeringScope(event="cup")
    driver.act(order(25))
    told = [order(25).progress(driver.observe(scope)).state for _ in range(3)]
    assert told == ["waiting", "waiting", "done"]


def test_nobody_is_sent_where_nobody_serves(place: str) -> None:
    asked = order(25)
    home, away = asked.targets
    with pytest.raises(Conflict):
        FakeSteering(place).act(replace(asked, targets=(home, replace(away, to=(), balancer="front"))))
    assert FakeSteering(place).observe(SteeringScope(event="cup")).steers == ()


def test_faults_on_order(place: str) -> None:
    faults = FakeSteers.named(place).state.faults
    faults += [FaultRule("SetShares", kind="busy"), FaultRule("SetShares", nth=2, kind="ambiguous_after")]
    driver = FakeSteering(place)
    with pytest.raises(Busy):
        driver.act(order(25))
    assert driver.observe(SteeringScope(event="cup")).steers == ()
    with pytest.raises(Ambiguous):
        driver.act(order(25))
    assert order(25).seen(driver.observe(SteeringScope(event="cup")))
