"""Decisions go on while servers boot, and larger wishes are taken in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.records.scaling import Ask, Missing, Reading
from cloudsentry.scaling.scale import HOOK, Call, Scaler
from cloudsentry.spec.scaling import SignalSpec
from scale.stage import EVENT, START, Stage

TARGET = EVENT.replace(
    "front: {least: 2, most: 8, per_server: 500}",
    "front: {policy: target, least: 2, most: 8, per_server: 500, utilisation: 1, signal: {driver: fake, query: '0'}}",
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path, text=TARGET)
    made.applied()
    with FakeCloud.named("scale-test").work() as state:
        state.boot_looks = 60
    yield made
    made.scaler.close()
    made.sentry.close()


def scaler(stage: Stage, load: dict[float, float], hours: float = 5) -> Scaler:
    """A scaler on the stage's jumping clock, that reads ``load`` from so many seconds on."""
    began = stage.clock.now()

    def wall() -> dt.datetime:
        return START + dt.timedelta(hours=hours, seconds=stage.clock.now() - began)

    def signal(spec: SignalSpec) -> Reading | Missing:
        value = [value for since, value in load.items() if since <= stage.clock.now() - began][-1]
        return Reading(value=value, unit="requests/s", source="test")

    return Scaler(stage.sentry, wall=wall, signals=signal)


def test_more_load_while_servers_boot_brings_more_at_once_and_all_serve_in_the_end(stage: Stage) -> None:
    mine = scaler(stage, {0: 1400, 20: 2900})
    tick = mine.tick("summer")
    mine.close()
    assert tick.report is not None
    assert tick.report.outcome == "done"
    assert sum(stage.active().values()) >= 6
    first, second = stage.sentry.runs("summer")[1::-1]
    assert (first.outcome, second.outcome) == ("stopped", "done")
    assert {row.state for row in stage.scaler.explain("summer") if row.wanted > row.current} == {"done"}


def test_less_load_while_servers_boot_takes_none_away_and_says_so(stage: Stage) -> None:
    mine = scaler(stage, {0: 1400, 20: 100})
    mine.tick("summer")
    mine.close()
    assert sum(stage.active().values()) == 3
    row = stage.scaler.explain("summer")[0]
    assert (row.wanted, row.rule, row.state) == (row.current, "booting", "held") or row.rule != "booting"
    assert len(stage.sentry.runs("summer")) == 2, "nothing was interrupted"


def test_a_call_during_an_apply_is_taken_into_it(stage: Stage) -> None:
    mine = scaler(stage, {0: 1400}, hours=0)
    call = Call(event="summer", pool="front", ask=Ask(to=7, source="t"), source=f"{HOOK}test", digest="d", again=60.0)
    asked = []

    def listen(note: object) -> None:
        if not asked:
            asked.append(mine.ask(call)[0])

    mine.tick("summer", listen=listen)
    mine.close()
    assert sum(stage.active().values()) == 7
    assert stage.scaler.decisions.get(asked[0].id).state == "done"
