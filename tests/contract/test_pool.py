"""The contract of a pool driver, over every one of them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from cloudsentry.drivers.pool.base import PoolDriver
from cloudsentry.errors import DriverError, NoCapacity, NotSupported
from cloudsentry.records.orders import CreateServerGroup, DeleteServerGroups, DeleteServers, RestServers, StartServers

from .conftest import PLACES, classes, drivers, names, same_signature
from .places import Place

FAMILY = "cloudsentry.pool"
RESTS = {"stopped": {"SHUTOFF"}, "paused": {"PAUSED"}, "shelved": {"SHELVED", "SHELVED_OFFLOADED"}}
everywhere = pytest.mark.parametrize("place", drivers(FAMILY), indirect=True)
with_groups = pytest.mark.parametrize("place", [one for one in drivers(FAMILY) if one.id != "libvirt"], indirect=True)
on_libvirt = pytest.mark.parametrize("place", [one for one in drivers(FAMILY) if one.id == "libvirt"], indirect=True)


def test_every_driver_has_a_place():
    assert names(FAMILY) == set(PLACES[FAMILY])


@pytest.mark.parametrize("driver", classes(FAMILY))
def test_signatures_are_the_contract_s(driver: Any):
    assert issubclass(driver, PoolDriver)
    assert same_signature(driver.observe, PoolDriver.observe)
    assert same_signature(driver.act, PoolDriver.act)


@everywhere
def test_observing_writes_nothing(place: Place):
    view = place.view(full=True, images=("tiny",), networks=("front",), hypervisors=(place.hypervisor,), groups=True)
    assert (view.servers, view.groups, view.missing) == ((), (), ())
    assert [host.name for host in view.hypervisors if host.up and host.enabled] == [place.hypervisor]
    assert place.writes() == 0


@everywhere
def test_pinned_servers_come_up_by_one_call_where_they_were_pinned(place: Place):
    order = place.servers(count=2, hypervisor=place.hypervisor)
    assert not order.seen(place.view())
    place.driver.act(order)
    # libvirt has no call for several servers: there the writes are the domains made.
    assert place.writes() == (2 if place.kind == "libvirt" else 1)
    assert place.until(order).state == "done"
    servers = place.view().servers
    assert [server.name for server in servers] == [f"{order.name}-1", f"{order.name}-2"]
    assert {(server.status, server.hypervisor, server.mark) for server in servers} == {
        ("ACTIVE", place.hypervisor, order.mark)
    }
    assert len({address for server in servers for address in server.addresses}) == 2


@everywhere
def test_a_driver_without_memory_finds_what_another_made(place: Place):
    order = place.servers()
    place.driver.act(order)
    place.driver = place.make()
    assert order.seen(place.view())


@everywhere
def test_an_event_does_not_see_another_s_servers(place: Place):
    place.driver.act(place.servers())
    mine, place.event = place.event, f"other-{uuid.uuid4().hex[:8]}"
    assert place.view().servers == ()
    place.event = mine


@everywhere
def test_deleting_twice_and_deleting_nothing_are_done(place: Place):
    order = place.servers()
    place.done(order)
    ids = tuple(server.id for server in place.view().servers)
    place.done(DeleteServers(unit="front", ids=(*ids, str(uuid.uuid4()))))
    place.done(DeleteServers(unit="front", ids=ids))
    place.done(DeleteServerGroups(unit="front", ids=(str(uuid.uuid4()),)))


@everywhere
def test_starting_what_runs_is_done(place: Place):
    place.done(place.servers())
    place.done(StartServers(unit="front", ids=tuple(server.id for server in place.view().servers)))


@everywhere
@pytest.mark.parametrize(("rest", "states"), RESTS.items())
def test_a_server_rests_and_comes_back_and_either_twice_is_done(place: Place, rest: str, states: set[str]):
    if (place.kind, rest) == ("libvirt", "shelved"):
        return  # refused there: see the next test
    place.done(place.servers())
    ids = tuple(server.id for server in place.view().servers)
    order = RestServers(unit="front", ids=ids, rest=rest)
    place.done(order)
    (server,) = place.view().servers
    assert server.status in states
    assert server.rests
    assert not server.alive
    place.done(order)
    back = StartServers(unit="front", ids=ids, rest=rest, hypervisor=server.hypervisor)
    place.done(back)
    place.done(back)
    assert [one.status for one in place.view().servers] == ["ACTIVE"]


@on_libvirt
def test_shelving_is_refused(place: Place):
    place.done(place.servers())
    ids = tuple(server.id for server in place.view().servers)
    with pytest.raises(NotSupported, match="stop or pause"):
        place.driver.act(RestServers(unit="front", ids=ids, rest="shelved"))


@everywhere
def test_laying_to_rest_what_is_gone_is_an_error_of_ours(place: Place):
    with pytest.raises(DriverError):
        place.driver.act(RestServers(unit="front", ids=(str(uuid.uuid4()),), rest="stopped"))


@with_groups
def test_a_server_group_is_found_by_its_name_and_keeps_its_servers_apart(place: Place):
    group = CreateServerGroup(
        unit="front", name=f"cloudsentry.{place.event}.front", policy="anti-affinity", mark=place.mark("front")
    )
    place.done(group)
    order = place.servers(count=2, group=group.name)
    place.done(order)
    assert len({server.hypervisor for server in place.view().servers}) == 2


@with_groups
def test_a_server_that_finds_no_place_says_why(place: Place):
    group = CreateServerGroup(
        unit="front", name=f"cloudsentry.{place.event}.front", policy="anti-affinity", mark=place.mark("front")
    )
    place.done(group)
    order = place.servers(count=5, group=group.name)
    place.driver.act(order)
    progress = place.until(order)
    assert (progress.state, progress.done) == ("failed", 0)
    assert "5 of 5 in ERROR: No valid host was found" in progress.detail


@on_libvirt
def test_what_does_not_fit_is_refused_with_the_numbers_and_makes_nothing(place: Place):
    with pytest.raises(NoCapacity, match=r"1000 servers of 96 MiB do not fit"):
        place.driver.act(place.servers(count=1000))
    assert place.writes() == 0


@on_libvirt
def test_server_groups_are_refused(place: Place):
    with pytest.raises(NotSupported, match="pin by hypervisor"):
        place.driver.act(
            CreateServerGroup(unit="front", name="together", policy="anti-affinity", mark=place.mark("front"))
        )


@on_libvirt
def test_an_order_that_was_cut_off_is_completed_by_making_it_again(place: Place):
    order = place.servers(count=2)
    place.driver.act(order)
    first, second = place.view().servers
    place.done(DeleteServers(unit="front", ids=(second.id,)))
    place.done(order)
    assert {server.id for server in place.view().servers} == {first.id, second.id}


@everywhere
def test_names_that_are_not_there_are_said_with_the_nearest(place: Place):
    view = place.view(full=True, hypervisors=(place.hypervisor + "0",), zones=("nowhere",))
    assert any(text.startswith(f"hypervisor '{place.hypervisor}0' (nearest: ") for text in view.missing)
    assert any("'nowhere'" in text for text in view.missing)


@everywhere
def test_an_unknown_hypervisor_is_an_error_of_ours_and_makes_nothing(place: Place):
    with pytest.raises(NotSupported):
        place.driver.act(place.servers(hypervisor="no-such-host"))
    assert place.view().servers == ()


@everywhere
def test_starting_what_is_gone_is_an_error_of_ours(place: Place):
    with pytest.raises(DriverError):
        place.driver.act(StartServers(unit="front", ids=(str(uuid.uuid4()),)))


@everywhere
def test_no_secret_in_repr(place: Place):
    order = place.servers()
    place.driver.act(order)
    assert "hunter2" not in repr((place.driver, order, place.view()))
