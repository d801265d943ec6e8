"""Calibration from the hall's floor, on fake clouds and with load that nobody sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloudsentry.calibration import calibrate
from cloudsentry.conf import ExecutorSettings, JournalSettings, OwnershipSettings, Settings
from cloudsentry.drivers.balancer.fake import FakeBalancers
from cloudsentry.drivers.load.fake import FakeLoad
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.errors import Unreachable, UserError
from cloudsentry.records.loading import LoadOrder, LoadResult
from cloudsentry.sentry import Sentry
from cloudsentry.spec.load import load_text
from cloudsentry.testing.clock import JumpClock
from cloudsentry.weights import weigh

EVENT = """
event: summer
sites: {nara: {cloud: calibrate-test}}
pools:
  web:
    site: nara
    driver: fake
    image: tiny
    flavor: nano
    networks: [front]
    pins:
      - {hypervisor: xeon1, count: 2}
      - {hypervisor: opteron1, count: 3}
balancers:
  front: {site: nara, driver: fake, network: front, members: [{pool: web, port: 8080}]}
"""
ASKED = calibrate.Asked(event="summer", pool="web", driver="fake", seconds=1)


@pytest.fixture
def sentry(tmp_path: Path) -> Iterator[Sentry]:
    FakeCloud.forget()
    FakeBalancers.forget()
    FakeLoad.forget()
    settings = Settings(
        state=tmp_path,
        journal=JournalSettings(connection=f"sqlite:///{tmp_path / 'journal.sqlite'}"),
        ownership=OwnershipSettings(backend_url=f"file://{tmp_path / 'locks'}", lease=30),
        executor=ExecutorSettings(settle=0.0),
    )
    made = Sentry(settings, clock=JumpClock())
    assert made.apply(load_text(EVENT, "summer.yaml")).outcome == "done"
    for line in made.status("summer").servers:
        FakeLoad.carries[line.address] = 500.0 if line.hypervisor == "xeon1" else 100.0
    yield made
    made.close()
    FakeLoad.forget()


def test_every_packing_of_every_unit_is_measured_and_kept(sentry: Sentry) -> None:
    found = calibrate.calibrate(sentry, ASKED)
    assert [(one.unit, one.servers) for one in found] == [
        ("web@opteron1", 1),
        ("web@opteron1", 2),
        ("web@opteron1", 3),
        ("web@xeon1", 1),
        ("web@xeon1", 2),
    ]
    assert [round(one.responses) for one in found] == [100, 200, 300, 500, 1000]
    assert {round(one.derating, 6) for one in found} == {1.0}
    assert {target.port for order in FakeLoad.orders for target in order.targets} == {8080}


def test_measured_weights_are_applied_like_any_others(sentry: Sentry) -> None:
    calibrate.calibrate(sentry, ASKED)
    wanted = calibrate.measured_weights(sentry, "summer", "front")
    assert wanted == {"web@xeon1": 5, "web@opteron1": 1}
    assert weigh.set_weights(sentry, "summer", "front", wanted).outcome == "done"
    assert sorted(line.weight for line in weigh.weights(sentry, "summer")) == [1, 1, 1, 5, 5]


def test_the_newest_calibration_counts(sentry: Sentry) -> None:
    calibrate.calibrate(sentry, ASKED)
    for line in sentry.status("summer").servers:
        FakeLoad.carries[line.address] = 250.0
    calibrate.calibrate(sentry, ASKED)
    assert calibrate.measured_weights(sentry, "summer", "front") == {"web@xeon1": 1, "web@opteron1": 1}


def test_one_disturbed_round_of_three_changes_nothing(sentry: Sentry, monkeypatch: pytest.MonkeyPatch) -> None:
    drive, began = FakeLoad.drive, []

    def disturbed(self: FakeLoad, order: LoadOrder) -> LoadResult:
        began.append(order)
        found = drive(self, order)
        return replace(found, responses=found.responses / 3) if len(began) <= 12 else found

    monkeypatch.setattr(FakeLoad, "drive", disturbed)
    found = calibrate.calibrate(sentry, ASKED)
    assert [round(one.responses) for one in found] == [100, 200, 300, 500, 1000]


def test_kinds_take_turns_in_every_round(sentry: Sentry) -> None:
    calibrate.calibrate(sentry, replace(ASKED, rounds=1))
    seen = [(order.targets[0].address, len(order.targets)) for order in FakeLoad.orders]
    turns = [one for number, one in enumerate(seen) if number == 0 or seen[number - 1] != one]
    assert [count for _, count in turns] == [1, 1, 2, 2, 3]


def test_a_machine_that_had_no_more_to_give_is_told_instead_of_a_wrong_ratio(
    sentry: Sentry, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = FakeLoad.drive
    monkeypatch.setattr(FakeLoad, "drive", lambda self, order: replace(drive(self, order), pressure=0.9))
    found = calibrate.calibrate(sentry, ASKED)
    assert {one.limit for one in found} == {"machine"}
    assert "at least this" in found[0].why
    assert "web@opteron1, web@xeon1 may carry more" in calibrate.told(sentry.event("summer")[0], "web", found)[-1]


def test_what_was_measured_is_kept_with_its_kind(sentry: Sentry) -> None:
    (alone, *_) = calibrate.calibrate(sentry, ASKED)
    assert (alone.cloud, alone.flavor, alone.image, alone.hypervisor) == ("calibrate-test", "nano", "tiny", "opteron1")
    assert alone.size == 25 * 1024
    assert alone.packets == pytest.approx(alone.responses * (18 + 9 + 1))


def test_a_calibration_that_fails_keeps_nothing(sentry: Sentry) -> None:
    FakeLoad.fault = Unreachable("nobody answers", cloud="netns:far")
    with pytest.raises(Unreachable):
        calibrate.calibrate(sentry, ASKED)
    with pytest.raises(UserError, match="web@xeon1, web@opteron1: not measured"):
        calibrate.measured_weights(sentry, "summer", "front")


def test_servers_that_do_not_serve_are_told(sentry: Sentry) -> None:
    FakeLoad.carries.update(dict.fromkeys(FakeLoad.carries, 0.0))
    with pytest.raises(UserError, match="does not serve /image"):
        calibrate.calibrate(sentry, ASKED)


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        (calibrate.Asked(event="summer", pool="wbe", driver="fake"), "no pool 'wbe'"),
        (calibrate.Asked(event="summer", pool="web", seconds=60), "1 to 15"),
        (calibrate.Asked(event="summer", pool="web", rounds=0), "one round"),
    ],
)
def test_wishes_that_make_no_sense_are_refused_before_anything_is_sent(
    sentry: Sentry, asked: calibrate.Asked, what: str
) -> None:
    with pytest.raises(UserError, match=what):
        calibrate.calibrate(sentry, asked)
    assert FakeLoad.orders == []


def test_what_the_pool_carries_is_told_with_and_without_its_largest_unit(sentry: Sentry) -> None:
    found = calibrate.calibrate(sentry, ASKED)
    lines = calibrate.told(sentry.event("summer")[0], "web", found)
    assert "1105 responses/s" in lines[0]
    assert lines[1] == "Without web@xeon1: 255."


@pytest.mark.parametrize(
    ("unit", "pin"),
    [
        ("web@xeon1", "web@xeon1"),
        ("web@zone:az1", "web@zone:az1"),
        ("web@trait:CUSTOM_XEON:private-xeon1", "web@trait:CUSTOM_XEON"),
        ("web@any", "web@any"),
    ],
)
def test_a_unit_belongs_to_its_pin(unit: str, pin: str) -> None:
    assert calibrate.pin_of(unit) == pin
