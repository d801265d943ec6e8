"""Where the servers of a scaled pool stand, and what they can carry."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsentry.errors import SpecError
from cloudsentry.spec.calendar import exists, instant
from cloudsentry.spec.event import Pin
from cloudsentry.spec.load import digest, dump, from_dict, load_text
from cloudsentry.spec.scaling import Scaling, capacities, count_of, scaled, spread

EVENT = """
event: summer
calendar:
  timezone: {zone}
  from: 2026-03-01
  until: 2026-11-30
  matches:
    - {{match: final, start: {start}, crowd: 1000, uncertainty: 0.5, length: {length}}}
sites: {{nara: {{cloud: private}}}}
pools:
  front:
    site: nara
    driver: fake
    image: tiny
    flavor: nano
    networks: none
    pins:
      - {{hypervisor: xeon1, count: 2, weight: 10, most: 4}}
      - {{hypervisor: opteron1, count: 1, weight: 2}}
scaling:
  front: {{least: 2, most: {most}, per_server: 500}}
"""


def text(zone: str = "Asia/Tokyo", start: str = "2026-08-21 13:00", length: str = "3h", most: int = 8) -> str:
    return EVENT.format(zone=zone, start=start, length=length, most=most)


pins = st.lists(
    st.builds(
        Pin, zone=st.just("z"), count=st.integers(0, 9), weight=st.integers(0, 9), most=st.none() | st.integers(0, 9)
    ),
    min_size=1,
    max_size=5,
)


@given(pins, st.integers(0, 30))
def test_one_server_more_takes_none_away_elsewhere(pins: list[Pin], servers: int) -> None:
    before, after = spread(pins, servers), spread(pins, servers + 1)
    assert all(new >= old for old, new in zip(before, after, strict=True))
    assert sum(after) - sum(before) in (0, 1)
    assert all(pin.most is None or count <= pin.most for pin, count in zip(pins, after, strict=True))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 4))
def test_multiples_of_the_shares_are_met_exactly(shares: list[int], times: int) -> None:
    if any(shares):
        found = spread([Pin(zone="z", count=share) for share in shares], sum(shares) * times)
        assert found == tuple(share * times for share in shares)


def test_scaling_twice_starts_from_the_files_proportion() -> None:
    event = load_text(text(), "e")
    down = scaled(event, {"front": 2})
    up = scaled(down, {"front": 6})
    assert [pin.count for pin in down.pools["front"].pins] == [1, 1]
    assert [pin.count for pin in up.pools["front"].pins] == [4, 2]
    assert [pin.count for pin in scaled(down, {"front": 3}).pools["front"].pins] == [2, 1]
    assert from_dict(dump(up)) == up


def test_scaling_to_what_is_there_is_the_same_revision() -> None:
    event = load_text(text(), "e")
    assert digest(scaled(event, {"front": 3})) == digest(event)


def test_a_server_of_lower_weight_carries_less() -> None:
    event = load_text(text(), "e")
    ladder = capacities(event.pools["front"].pins, event.scaling["front"])
    assert ladder[:4] == (0, 500, 600, 1100)


def test_the_ladder_ends_where_the_pins_are_full() -> None:
    full = [Pin(hypervisor="a", count=1, most=2), Pin(hypervisor="b", count=1, most=1)]
    assert len(capacities(full, Scaling(most=9, per_server=1))) == 4
    assert count_of(full) == 2


def start_of(zone: str, start: str, length: str = "3h") -> tuple[str, str]:
    event = load_text(text(zone, start, length), "e")
    assert event.calendar is not None
    (demand,) = event.calendar.demands()
    return demand.start.isoformat(), (demand.ends - dt.timedelta(seconds=demand.ramp)).isoformat()


def test_local_times_are_the_zones() -> None:
    assert start_of("Asia/Tokyo", "2026-08-21 13:00")[0] == "2026-08-21T04:00:00+00:00"
    assert start_of("Europe/Berlin", "2026-03-28 13:00")[0] == "2026-03-28T12:00:00+00:00"
    assert start_of("Europe/Berlin", "2026-03-29T13:00:00")[0] == "2026-03-29T11:00:00+00:00"


def test_a_match_over_the_change_of_the_clocks_lasts_as_long_as_it_says() -> None:
    assert start_of("Europe/Berlin", "2026-10-25 01:30") == ("2026-10-24T23:30:00+00:00", "2026-10-25T02:30:00+00:00")


def test_a_time_that_the_clocks_show_twice_is_the_earlier() -> None:
    assert start_of("Europe/Berlin", "2026-10-25 02:30")[0] == "2026-10-25T00:30:00+00:00"


def test_a_time_that_the_clocks_skip_is_refused_at_its_place() -> None:
    with pytest.raises(SpecError, match=r"e:8:.*skip 02:30 on 2026-03-29"):
        load_text(text("Europe/Berlin", "2026-03-29 02:30"), "e")


@given(
    st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2035, 1, 1)),
    st.sampled_from(["UTC", "Asia/Tokyo", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
def test_what_exists_comes_back(when: dt.datetime, zone: str) -> None:
    import zoneinfo

    back = instant(when, zone).astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None)
    assert (back == when) == exists(when, zone)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("most: 8, per", "most: 1, per", "at most 1 servers are fewer than at least 2"),
        ("front: {least", "frond: {least", "there is no pool 'frond'; did you mean 'front'?"),
        ("least: 2, ", "least: 2, policy: target, ", "add 'signal'"),
        ("per_server: 500", "per_server: 500, signal: {url: 'http://p'}", "needs 'query'"),
        ("per_server: 500", "per_server: 500, signal: {url: 'http://u:p@p', query: x}", "without a password"),
        ("start: 2026-08-21 13:00", "start: 2026-12-21 13:00", "2026-12-21 is not one of the calendar's days"),
        ("start: 2026-08-21 13:00", "start: 13:00", "a local time such as"),
        ("crowd: 1000", "crowd: 0", "crowd"),
    ],
)
def test_faults_are_told(old: str, new: str, told: str) -> None:
    assert old in text()
    with pytest.raises(SpecError) as fault:
        load_text(text().replace(old, new), "e")
    assert told in str(fault.value) or told == "crowd"
