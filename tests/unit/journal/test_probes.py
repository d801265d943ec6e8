"""What the journal keeps of probes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from cloudsentry.journal.probes import Probes
from cloudsentry.planner.stretches import probed
from cloudsentry.probing import summed
from cloudsentry.records.marks import Mark
from cloudsentry.records.stretching import FRESH_S, End, Probe, Probed, StretchView
from cloudsentry.records.views import Snapshot

BEGUN = dt.datetime(2010, 8, 7, 9, 0, tzinfo=dt.UTC)


def one(second: int, **changed: Any) -> Probed:
    fields = {"event": "cup", "stretch": "link", "cloud": "private", "up": True, "rtt": 41.0, **changed}
    return Probed(at=BEGUN + dt.timedelta(seconds=second), **fields)


@pytest.fixture
def kept(tmp_path: Path) -> Any:
    store = Probes(f"sqlite:///{tmp_path}/journal.sqlite")
    yield store
    store.close()


def test_one_row_a_minute_while_nothing_changes_and_each_change_at_once(kept: Probes) -> None:
    seen = [one(second) for second in (0, 10, 20, 61)]
    seen += [one(second, up=False, rtt=None) for second in (70, 75)] + [one(80), one(80), one(79)]
    for probe in seen:
        kept.note([probe])
    at = [int((probe.at - BEGUN).total_seconds()) for probe in kept.of("cup", "link")]
    assert at == [80, 70, 61, 0]


def test_ends_and_stretches_are_kept_apart(kept: Probes) -> None:
    kept.note([one(0), one(0, cloud="public"), one(0, stretch="other")])
    assert sorted(probe.cloud for probe in kept.of("cup", "link")) == ["private", "public"]
    assert kept.of("cup", "none") == ()


def test_the_oldest_go(kept: Probes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudsentry.journal.probes.MOST", 3)
    for minute in range(6):
        kept.note([one(minute * 60)])
    assert [int((probe.at - BEGUN).total_seconds()) // 60 for probe in kept.of("cup", "link")] == [5, 4, 3]


def test_an_old_word_of_an_end_is_not_kept_as_a_new_one() -> None:
    def seen(age: float) -> tuple[Probed, ...]:
        end = End(mark=Mark(event="cup", unit="link"), state="ACTIVE", probe=Probe(by="gw1", up=True, age=age))
        view = StretchView(driver="gateway", cloud="private", ends=(end,))
        return probed(Snapshot(event="cup", stretches=(view,)), BEGUN)

    assert [probe.at for probe in seen(30.0)] == [BEGUN - dt.timedelta(seconds=30)]
    assert seen(FRESH_S + 1) == ()


def test_people_read_how_often_it_lived_and_when_it_did_not() -> None:
    found = (one(120), one(60, up=False, rtt=None), one(0, rtt=43.0))
    assert summed(found) == (
        "private: alive in 2 of 3 probes since 2010-08-07 09:00:00Z, round trip 42.0 ms (median); "
        "last dead at 2010-08-07 09:01:00Z",
    )
    assert summed(()) == ()
