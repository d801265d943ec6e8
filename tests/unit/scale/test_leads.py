"""How long before they are needed servers are ordered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudsentry.journal.boots import Boots
from cloudsentry.records.scaling import Boot
from cloudsentry.scaling.leads import lead
from scale.stage import START, Stage


def boots(*took: float, unit: str = "front@xeon1", batch: int = 2) -> tuple[Boot, ...]:
    return tuple(Boot(unit=unit, batch=batch, seconds=seconds) for seconds in took)


def test_without_history_a_lead_is_the_slow_end_of_usual_clouds() -> None:
    assert lead((), {"front@xeon1"}, 2) == 240


def test_a_lead_is_the_slowest_of_what_the_slowest_kind_took() -> None:
    history = boots(60, 95, 70) + boots(120, 110, unit="front@opteron1") + boots(500, unit="front@retired")
    assert lead(history, {"front@xeon1", "front@opteron1"}, 2) == 120
    assert lead(history, {"front@xeon1"}, 2) == 95


def test_a_place_that_was_never_used_counts_as_the_others_do() -> None:
    assert lead(boots(60, 95, 70), {"front@new"}, 2) == 95


def test_what_a_larger_batch_took_longer_is_carried_on() -> None:
    history = boots(40, batch=1) + boots(50, batch=2) + boots(70, batch=4)
    assert lead(history, {"front@xeon1"}, 4) == pytest.approx(70)
    assert lead(history, {"front@xeon1"}, 3) == pytest.approx(60, abs=1)


def test_a_batch_larger_than_any_before_is_taken_to_last_in_proportion() -> None:
    history = boots(40, batch=1) + boots(50, batch=2) + boots(70, batch=4)
    assert lead(history, {"front@xeon1"}, 10) == pytest.approx(175)


def test_a_run_that_had_next_to_nothing_to_do_promises_nothing() -> None:
    assert lead(boots(2), {"front@xeon1"}, 1) == 30


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.scaler.close()
    made.sentry.close()


def test_the_journal_tells_what_every_place_took_and_in_what_batch(stage: Stage) -> None:
    stage.applied()
    stage.scaler.tick("summer", at=START)
    known = Boots(stage.settings.journal.connection)
    found = known.of("summer")
    known.close()
    assert {boot.unit for boot in found} == {"front@xeon1", "front@opteron1", "static@xeon2"}
    assert [boot.batch for boot in found][-1] == 3, "from two servers to five"
    assert all(boot.seconds >= 0 for boot in found)


def test_a_match_that_is_too_near_or_too_large_is_told_of(stage: Stage) -> None:
    stage.applied()
    late = stage.scaler.tick("summer", at=START - dt.timedelta(minutes=5), dry_run=True)
    assert late.alarms == ("final: 3 servers of front will be 690 s late: they take 90 s",)
    assert stage.scaler.tick("summer", at=START - dt.timedelta(hours=5), dry_run=True).alarms == ()
