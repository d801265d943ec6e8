"""`weights: measured` in an event file: numbers from the journal's calibrations, refusals, and their reasons."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from cloudsentry import measured
from cloudsentry.conf import ExecutorSettings, JournalSettings, OwnershipSettings, Settings
from cloudsentry.drivers.balancer.fake import FakeBalancers
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.errors import UserError
from cloudsentry.journal.calibrations import Calibrations
from cloudsentry.records.loading import Capacity
from cloudsentry.sentry import Sentry
from cloudsentry.spec.load import load_text
from cloudsentry.testing.clock import JumpClock
from cloudsentry.weights import weigh

NOW = dt.datetime.now(dt.UTC)
EVENT = """
event: summer
sites: {nara: {cloud: measured-test}}
pools:
  web:
    site: nara
    driver: fake
    image: tiny
    flavor: nano
    networks: [front]
    pins:
      - {hypervisor: xeon1, count: 2, most: 4}
      - {hypervisor: opteron1, count: 1, most: 4}
balancers:
  front: {site: nara, driver: fake, network: front, weights: measured, members: [{pool: web}]}
"""
CARRY = "calibration: {responses: 3000, headroom: 0.1, survive: nothing}\n"


def capacity(host: str, servers: int, each: float, **known: object) -> Capacity:
    facts: dict[str, object] = {
        "event": "spring",
        "pool": "other",
        "unit": f"other@{host}",
        "hypervisor": host,
        "servers": servers,
        "connections": 4,
        "responses": each * servers,
        "mbits": 1.0,
        "p50_ms": 1.0,
        "p99_ms": 9.0,
        "derating": 1.0,
        "path": "/image",
        "why": "",
        "at": NOW,
        "cloud": "measured-test",
        "flavor": "nano",
        "image": "tiny",
        "size": 25800,
    }
    return Capacity(**{**facts, **known})  # type: ignore[arg-type]


FULL = [
    *(capacity("xeon1", k, each) for k, each in ((1, 2000.0), (2, 1500.0), (3, 1200.0), (4, 1000.0))),
    *(capacity("opteron1", k, each) for k, each in ((1, 300.0), (2, 280.0), (3, 260.0), (4, 250.0))),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    FakeCloud.forget()
    FakeBalancers.forget()
    return Settings(
        state=tmp_path,
        journal=JournalSettings(connection=f"sqlite:///{tmp_path / 'journal.sqlite'}"),
        ownership=OwnershipSettings(backend_url=f"file://{tmp_path / 'locks'}", lease=30),
        executor=ExecutorSettings(settle=0.0),
    )


def keep(settings: Settings, lines: list[Capacity]) -> None:
    with contextlib.closing(Calibrations(settings.journal.connection)) as kept:
        kept.add(lines)


def wanted(settings: Settings, text: str = EVENT) -> dict[str, tuple[int, int]]:
    event = measured.resolved(load_text(text, "summer.yaml"), settings.journal.connection)
    return {str(pin.hypervisor): (pin.count, pin.weight) for pin in event.pools["web"].pins}


def test_weights_are_those_of_the_packing_that_the_file_wants(settings: Settings) -> None:
    keep(settings, FULL)
    # Two on the Xeon carry 1500 each, one on the Opteron 300: whoever's event they were measured for.
    assert wanted(settings) == {"xeon1": (2, 5), "opteron1": (1, 1)}


def test_counts_follow_from_what_is_to_be_carried(settings: Settings) -> None:
    keep(settings, FULL)
    counts = {host: count for host, (count, _) in wanted(settings, EVENT + CARRY).items()}
    assert counts["xeon1"] * FULL[counts["xeon1"] - 1].each + counts["opteron1"] * 250 >= 3000 / 0.9
    assert 2 <= counts["xeon1"] <= 4
    assert 1 <= counts["opteron1"] <= 4


def test_what_no_pins_can_carry_is_refused_with_the_figures(settings: Settings) -> None:
    keep(settings, FULL)
    with pytest.raises(UserError, match=r"3000 responses/s .* without hypervisor xeon1.* room"):
        wanted(settings, EVENT + CARRY.replace("nothing", "hypervisor"))


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"flavor": "large"}, "not measured with this image and flavor"),
        ({"at": NOW - dt.timedelta(days=31)}, "more than 30 days ago"),
        ({"size": 900}, "answers of 900 bytes"),
        ({"hypervisor": "xeon7", "unit": "other@xeon7"}, "not measured"),
    ],
)
def test_what_does_not_hold_is_refused_with_the_command_that_mends_it(
    settings: Settings, known: dict[str, object], told: str
) -> None:
    keep(settings, [capacity("xeon1", 1, 2000.0, **known), capacity("opteron1", 1, 300.0)])
    with pytest.raises(UserError, match=told) as refused:
        wanted(settings)
    assert "web@xeon1" in str(refused.value)
    assert "web@opteron1" not in str(refused.value)
    assert "calibrate FILE web --boot" in str(refused.value)


def test_the_newest_calibration_counts_and_its_age_is_known(settings: Settings) -> None:
    keep(settings, FULL)
    later = NOW + dt.timedelta(minutes=1)
    keep(settings, [capacity("xeon1", k, 600.0, at=later) for k in (1, 2)])
    assert wanted(settings) == {"xeon1": (2, 2), "opteron1": (1, 1)}


def test_an_event_applied_from_its_file_explains_each_number(settings: Settings, tmp_path: Path) -> None:
    keep(settings, FULL)
    path = tmp_path / "summer.yaml"
    path.write_text(EVENT)
    sentry = Sentry(settings, clock=JumpClock())
    assert sentry.apply(sentry.load(path)).outcome == "done"
    lines = {line.unit: line for line in weigh.weights(sentry, "summer")}
    assert lines["web@xeon1"].weight == 5
    assert "1500 responses/s each with 2 on a hypervisor (derating 0.75)" in lines["web@xeon1"].why
    assert "for spring" in lines["web@xeon1"].why
    assert "rounding +0.0%" in lines["web@xeon1"].why
    # A new calibration changes nothing by itself; the reason says what it would.
    keep(settings, [capacity("xeon1", k, 600.0, at=NOW + dt.timedelta(minutes=1)) for k in (1, 2)])
    assert not sentry.plan(sentry.event("summer")[0]).steps
    assert "now it would be 2: apply the file again" in weigh.weights(sentry, "summer")[0].why + "".join(
        line.why for line in weigh.weights(sentry, "summer")
    )
    sentry.close()


TWO = (
    EVENT.replace("xeon1, count: 2, most: 4}", "xeon1, count: 1}\n      - {hypervisor: xeon2, count: 1}")
    .replace("opteron1, count: 1, most: 4}", "opteron1, count: 1}")
    .replace("{pool: web}]}", "{pool: web}]%s}")
)
"""Two hosts of one kind and one of another; further keys of the balancer go in."""
ROUNDS = [
    capacity("xeon1", 1, 2193.8, low=2150.0, high=2210.0),
    capacity("xeon2", 1, 2107.2, low=2080.0, high=2190.0),
    capacity("opteron1", 1, 430.0, low=420.0, high=444.0),
]


def test_hosts_whose_rounds_do_not_tell_them_apart_weigh_the_same_and_it_is_told(settings: Settings) -> None:
    keep(settings, ROUNDS)
    assert wanted(settings, TWO % "") == {"xeon1": (1, 5), "xeon2": (1, 5), "opteron1": (1, 1)}
    event = load_text(TWO % "", "summer.yaml")
    told = measured.reasons(event, settings.journal.connection)
    assert "; equal to web@xeon1 within ±3.9%, taken as one; off " in str(told["web@xeon2"])
    assert "taken as one" not in str(told["web@opteron1"])


def test_weights_of_which_parts_are_wanted_have_room_for_them(settings: Settings) -> None:
    keep(settings, ROUNDS)
    assert wanted(settings, TWO % ", reweigh: {}") == {"xeon1": (1, 50), "xeon2": (1, 50), "opteron1": (1, 10)}


def test_of_calibrations_without_a_spread_every_difference_counts(settings: Settings) -> None:
    keep(settings, [dataclasses.replace(one, low=None, high=None) for one in ROUNDS])
    assert len(set(wanted(settings, TWO % "").values())) == 3
