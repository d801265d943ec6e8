"""The contract of a balancer driver, over every one of them."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import pytest

from cloudsentry.drivers.balancer.base import BalancerDriver
from cloudsentry.errors import Busy, Conflict
from cloudsentry.records.orders import DeleteBalancer, Drain, Monitor, SetMembers
from cloudsentry.records.views import Member

from .conftest import PLACES, classes, drivers, names, same_signature
from .places import Place

FAMILY = "cloudsentry.balancer"
everywhere = pytest.mark.parametrize("place", drivers(FAMILY), indirect=True)
WEIGHTS = (10, 10, 2, 2)
"""The source's load factors."""


def members(place: Place, weights: tuple[int, ...], unit: str = "lb") -> SetMembers:
    mark = place.mark(unit)
    made = tuple(
        Member(name=f"server-{index}", address=f"192.0.2.{index + 1}", port=80, weight=weight, mark=mark)
        for index, weight in enumerate(weights)
    )
    return SetMembers(unit=unit, mark=mark, members=made)


DAEMONS = {"haproxy", "apache", "haproxy-pair", "apache-pair"}
"""Drivers whose contract is tried on the real daemons, in test_balancer_daemons.py and functional/test_pair.py."""


def test_every_driver_has_a_place():
    assert names(FAMILY) == set(PLACES[FAMILY]) | DAEMONS


@pytest.mark.parametrize("driver", classes(FAMILY))
def test_signatures_are_the_contract_s(driver: Any):
    assert issubclass(driver, BalancerDriver)
    assert same_signature(driver.observe, BalancerDriver.observe)
    assert same_signature(driver.act, BalancerDriver.act)


@everywhere
def test_observing_writes_nothing(place: Place):
    view = place.view(full=True, networks=("front",), counters=True)
    assert (view.balancers, view.missing, place.writes()) == ((), (), 0)


@everywhere
def test_balancer_members_and_weights_from_nothing_to_nothing(place: Place):
    order = dataclasses.replace(place.balancer(), monitor=Monitor(path="/name"))
    assert not order.seen(place.view())
    place.done(order)
    assert place.writes() == 1
    made = place.view(counters=True).balancers[0]
    assert (made.mark, made.provisioning, made.algorithm, made.members) == (order.mark, "ACTIVE", "ROUND_ROBIN", ())
    assert made.vip
    assert made.listener
    assert made.monitor
    assert made.connections is not None

    batch = members(place, WEIGHTS)
    assert not batch.seen(place.view())
    place.done(batch)
    assert place.writes() == 2
    found = place.view().balancers[0].members
    assert [(member.name, member.address, member.weight) for member in found] == [
        (member.name, member.address, member.weight) for member in batch.members
    ]
    assert {member.mark for member in found} == {batch.mark}

    fewer = members(place, (7, 0))
    place.done(fewer)
    after = place.view().balancers[0].members
    assert [(member.id, member.weight) for member in after] == [(found[0].id, 7), (found[1].id, 0)]

    place.done(DeleteBalancer(unit="lb", id=made.id))
    place.done(DeleteBalancer(unit="lb", id=made.id))


@everywhere
def test_a_balancer_at_work_is_busy_and_an_absent_one_is_a_conflict(place: Place):
    with pytest.raises(Conflict):
        place.driver.act(members(place, WEIGHTS))
    order = place.balancer()
    place.driver.act(order)
    with pytest.raises(Busy):
        place.driver.act(members(place, WEIGHTS))
    place.done(Drain(unit="lb", ids=(), seconds=0))
    assert place.until(order).state == "done"


@everywhere
def test_a_driver_without_memory_finds_what_another_made(place: Place):
    order = place.balancer()
    place.driver.act(order)
    place.driver = place.make()
    assert order.seen(place.view())
    assert place.until(order).state == "done"


@everywhere
def test_deleting_nothing_is_done(place: Place):
    place.done(DeleteBalancer(unit="lb", id=str(uuid.uuid4())))


@everywhere
def test_names_that_are_not_there_are_said(place: Place):
    view = place.view(full=True, providers=("ovn",))
    assert any("'ovn'" in text for text in view.missing)
