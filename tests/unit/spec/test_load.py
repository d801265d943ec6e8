"""The event of 2010, what YAML offers, and the way to the journal and back."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from cloudsentry.errors import SpecError
from cloudsentry.spec.load import digest, dump, from_dict, load, load_text

EVENTS = Path(__file__).parents[3] / "etc" / "cloudsentry" / "events"
KOSHIEN = EVENTS / "koshien-2010.yaml"
SMALL = """
event: e
sites: {s: {cloud: c}}
pools: {p: {site: s, image: i, flavor: f, networks: [n], pins: [{hypervisor: h, count: 1}]}}
"""
BALANCER = "balancers: {b: {site: s, network: n, %s members: [{pool: p}]}}\n"


def test_the_event_of_2010() -> None:
    event = load(KOSHIEN)
    assert event.event == "koshien-2010"
    assert event.calendar is not None
    assert (event.calendar.first, event.calendar.last) == (dt.date(2010, 8, 7), dt.date(2010, 8, 21))
    assert event.calendar.timezone == "Asia/Tokyo"
    assert {name: site.cloud for name, site in event.sites.items()} == {"nara": "private", "osaka": "public"}
    pins = {name: [(*pin.place, pin.count, pin.weight) for pin in pool.pins] for name, pool in event.pools.items()}
    assert pins["front-nara"] == [("hypervisor", "private-xeon1", 2, 10), ("hypervisor", "private-opteron1", 2, 2)]
    assert pins["front-osaka"] == [("hypervisor", f"public-hv{number}", 1, 10) for number in range(1, 5)]
    for balancer in event.balancers.values():
        assert balancer.monitor is not None
        assert (balancer.monitor.type, balancer.monitor.path, balancer.drain) == ("HTTP", "/name", 5)


def test_the_event_of_2010_fits_a_page() -> None:
    lines = KOSHIEN.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    assert lines[0] == "# yaml-language-server: $schema=event.schema.json"


def test_there_and_back() -> None:
    event = load(KOSHIEN)
    assert from_dict(dump(event)) == event
    assert digest(from_dict(dump(event))) == digest(event)


def test_the_digest_is_of_the_meaning() -> None:
    plain = load_text(SMALL + BALANCER % "", "f")
    spelt_out = load_text(SMALL + BALANCER % "drain: '10s', port: 80, protocol: 'HTTP',", "g")
    other = load_text(SMALL + BALANCER % "drain: 11s,", "g")
    assert digest(plain) == digest(spelt_out) != digest(other)
    assert len(digest(plain)) == 16


def test_a_default_duration_is_the_same_as_a_written_one() -> None:
    plain = load_text(SMALL + BALANCER % "monitor: {},", "f")
    assert digest(plain) == digest(load_text(SMALL + BALANCER % "monitor: {delay: 5s, timeout: 3},", "f"))


def test_a_revision_that_does_not_fit() -> None:
    with pytest.raises(SpecError, match="revision:1:1: the key 'cloud' is missing"):
        from_dict(dump(load_text(SMALL, "f")) | {"sites": {"s": {}}})


def test_a_revision_is_readable_though_the_checks_have_become_stricter() -> None:
    far = dump(load_text(SMALL, "f")) | {"sites": {"elsewhere": {"cloud": "c"}}}
    assert list(from_dict(far).sites) == ["elsewhere"]


def test_merged_keys_and_aliases() -> None:
    text = """
event: e
sites: {s: {cloud: c}}
pools:
  one: &one {site: s, image: i, flavor: f, networks: [n], pins: [{hypervisor: h, count: 1}]}
  two: {<<: *one, flavor: g}
  three: {<<: [{flavor: h}, *one]}
"""
    event = load_text(text, "f")
    assert [pool.flavor for pool in event.pools.values()] == ["f", "g", "h"]
    assert event.pools["three"].pins == event.pools["one"].pins


def test_keys_are_text_whatever_they_look_like() -> None:
    event = load_text(SMALL.replace("{s: {cloud: c}}", "{s: {cloud: c}, 2010: {cloud: d}, on: {cloud: e}}"), "f")
    assert list(event.sites) == ["s", "2010", "on"]


def test_user_data_is_passed_as_it_is() -> None:
    block = SMALL.replace("networks: [n]", 'networks: [n], user_data: "#!/bin/sh\\n  run  \\n"')
    assert load_text(block, "f").pools["p"].user_data == "#!/bin/sh\n  run  \n"


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "event.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert load(path).event == "e"


def test_a_fault_in_a_merged_part_stands_where_it_was_written() -> None:
    text = """event: e
sites: {s: {cloud: c}}
pools:
  one: &one {site: s, image: i, flavor: f, networks: [n],
    pins: [{hypervisor: h, count: many}]}
  two: {<<: *one}
"""
    with pytest.raises(SpecError) as told:
        load_text(text, "f")
    assert {(fault.line, fault.column) for fault in told.value.faults} == {(5, 35)}


def test_servers_of_no_weight_are_fine_beside_others() -> None:
    text = SMALL.replace("count: 1}", "count: 1, weight: 0}, {hypervisor: g, count: 1}") + BALANCER % ""
    assert load_text(text, "f").pools["p"].pins[0].weight == 0


def test_a_pool_without_servers_is_a_wish_too() -> None:
    assert load_text(SMALL.replace("count: 1", "count: 0, weight: 0") + BALANCER % "", "f").balancers
