"""What signals make of counters, of clouds and of balancers."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cloudsentry.drivers.signal.balancer import BalancerSignal
from cloudsentry.drivers.signal.base import SignalOptions
from cloudsentry.drivers.signal.counters import rate
from cloudsentry.drivers.signal.gnocchi import GnocchiSignal
from cloudsentry.drivers.signal.nova import NovaSignal
from cloudsentry.errors import Unreachable
from cloudsentry.records.marks import Mark
from cloudsentry.records.scaling import Count, Missing, Reading
from cloudsentry.records.views import Balancer, Member

NOW = dt.datetime.now(dt.UTC)


def count(value: int, seconds: float, name: str = "a") -> Count:
    return Count(name=name, value=value, at=NOW + dt.timedelta(seconds=seconds))


def minute_ago(value: int, name: str = "a") -> Count:
    return Count(name=name, value=value, at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=60))


def test_a_rate_needs_two_looks_and_adds_its_counters_up() -> None:
    first = rate((), (count(5, 0),), "requests/s", "s")
    assert isinstance(first, Missing)
    assert first.counts == (count(5, 0),), "kept for the next look"
    before = (count(100, 0), count(10, 0, "b"))
    found = rate(before, (count(400, 30), count(70, 30, "b"), count(9, 30, "new")), "requests/s", "s")
    assert isinstance(found, Reading)
    assert found.value == pytest.approx(12)


@pytest.mark.parametrize(("bits", "top"), [(32, 2**32), (64, 2**64)])
def test_a_counter_that_wraps_goes_on(bits: int, top: int) -> None:
    found = rate((count(top - 3000, 0),), (count(6000, 10),), "bytes/s", "s", bits)
    assert isinstance(found, Reading)
    assert (found.value, found.unit) == (pytest.approx(900 * 8e-6), "Mbit/s")


def test_a_counter_that_began_anew_is_missing_and_no_wrap() -> None:
    for bits in (0, 64):
        found = rate((count(2**63, 0),), (count(6000, 10),), "bytes/s", "s", bits)
        assert isinstance(found, Missing)
        assert "began anew" in found.why


def test_a_look_of_long_ago_tells_no_rate_of_now() -> None:
    assert isinstance(rate((count(1, 0),), (count(2, 3600),), "requests/s", "s"), Missing)


def balancer(**told: Any) -> Balancer:
    mark = Mark(event="e", unit="front", op="o", template="t")
    return Balancer(id="1", name="front", mark=mark, vip="v", provisioning="ACTIVE", **told)


def behind(found: Balancer | None, query: str, unit: str = "requests/s", before: tuple[Count, ...] = ()) -> Any:
    options = SignalOptions(query=query, unit=unit, balancer="front", before=before, look=lambda name: found)
    return BalancerSignal(options).read()


def test_a_balancer_tells_sessions_and_what_its_members_were_given() -> None:
    sessions = behind(balancer(connections=80), "sessions", "sessions")
    assert (sessions.value, sessions.unit) == (80, "sessions")
    member = Member(name="a", address="10.0.0.1", port=80, weight=1, served=900)
    found = behind(balancer(members=(member,)), "requests", before=(minute_ago(300),))
    assert found.value == pytest.approx(10, rel=0.05)


def test_what_a_balancer_does_not_count_is_missing_and_so_is_one_that_is_gone() -> None:
    member = Member(name="a", address="10.0.0.1", port=80, weight=1)
    assert behind(balancer(members=(member,)), "bytes").why == "its driver counts no bytes"
    assert behind(balancer(), "sessions").why.startswith("expected a number")
    assert behind(None, "sessions").why == "it is not there"


class Nova:
    """Two servers on two hypervisors."""

    def __init__(self, down: str = "", mute: str = "") -> None:
        self.down, self.mute = down, mute

    def listed(self, service: str, path: str, key: str, **_: Any) -> list[dict[str, Any]]:
        if key == "services":
            return [{"host": host, "state": "down" if host == self.down else "up"} for host in ("hv1", "hv2")]
        mark = {number: Mark(event="e", unit=f"front@hv{number}", op="o", template="t") for number in (1, 2)}
        return [
            {"id": f"s{number}", "OS-EXT-SRV-ATTR:host": f"hv{number}", "metadata": mark[number].metadata()}
            for number in (1, 2)
        ]

    def get(self, service: str, path: str, **_: Any) -> dict[str, Any]:
        if self.mute and self.mute in path:
            raise Unreachable("no answer", cloud="c")
        return {"nic_details": [{"tx_octets": 4_000_000, "tx_packets": 3000}]}


def diagnosed(nova: Nova) -> Any:
    before = (minute_ago(1_000_000, "s1"), minute_ago(1_000_000, "s2"))
    connect: Any = lambda name: nova  # noqa: E731
    return NovaSignal(
        SignalOptions(query="bytes", unit="bytes/s", event="e", pool="front", cloud="c", before=before, connect=connect)
    ).read()


def test_nova_tells_what_the_servers_of_the_pool_send() -> None:
    assert diagnosed(Nova()).value == pytest.approx(100_000 * 8e-6, rel=0.05)


@pytest.mark.parametrize("nova", [Nova(down="hv2"), Nova(mute="s2")])
def test_a_hypervisor_that_does_not_answer_is_overload_and_no_quiet(nova: Nova) -> None:
    found = diagnosed(nova)
    assert isinstance(found, Missing)
    assert found.lost == 1
    assert found.why == "1 of 2 servers are on hypervisors that do not answer"


def test_gnocchi_s_newest_measure_is_the_load_unless_it_is_old() -> None:
    class Metric:
        def __init__(self, age: float) -> None:
            self.age = age

        def get(self, service: str, path: str, **_: Any) -> list[list[Any]]:
            assert (service, path) == ("metric", "/metric/m-1/measures")
            at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=self.age)
            return [["2020-01-01T00:00:00+00:00", 60.0, 1.0], [at.isoformat(), 60.0, 250.0]]

    def read(age: float) -> Any:
        connect: Any = lambda name: Metric(age)  # noqa: E731
        return GnocchiSignal(SignalOptions(query="m-1", cloud="c", connect=connect)).read()

    assert read(30).value == 250
    assert "old" in read(300).why
