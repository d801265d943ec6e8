"""The loop: passes, trouble, and a clean end."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from scale.stage import START, Stage

from cloudsentry.agent import Agent
from cloudsentry.drivers.pool.fake import FakeCloud, FaultRule
from cloudsentry.errors import Unreachable, UserError
from cloudsentry.executor.clock import Clock
from cloudsentry.journal.ownership import owned
from cloudsentry.scaling.scale import Tick


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    made.applied()
    yield made
    made.scaler.close()
    made.sentry.close()


def agent(stage: Stage, every: float = 30) -> Agent:
    return Agent(stage.scaler, stage.clock, every=every)


def test_a_pass_follows_the_timetable(stage: Stage) -> None:
    stage.wall.now = START - dt.timedelta(minutes=20)
    agent(stage).once()
    assert sum(stage.active().values()) == 5


def test_a_pass_mends_what_somebody_broke(stage: Stage) -> None:
    with FakeCloud.named("scale-test").work() as state:
        state.servers["summer"].popitem()
    agent(stage).once()
    assert sum(stage.active().values()) + sum(stage.active("static").values()) == 3


def test_a_pass_with_nothing_to_do_writes_nothing_and_is_no_run(stage: Stage) -> None:
    writes, runs = FakeCloud.named("scale-test").state.writes, len(stage.sentry.runs("summer"))
    agent(stage).run(times=3)
    assert FakeCloud.named("scale-test").state.writes == writes
    assert len(stage.sentry.runs("summer")) == runs
    assert stage.scaler.explain("summer")[0].times == 3


def test_passes_begin_every_so_many_seconds(stage: Stage) -> None:
    began = stage.clock.now()
    assert agent(stage, every=30).run(times=4) == 4
    assert stage.clock.now() - began == pytest.approx(90)


def test_an_event_that_another_process_holds_is_passed_over(stage: Stage) -> None:
    stage.wall.now = START
    with owned("summer", stage.settings.ownership.backend_url):
        assert agent(stage).once() == ()
    assert sum(stage.active().values()) == 2
    agent(stage).once()
    assert sum(stage.active().values()) == 5


def test_trouble_is_logged_once_and_met_again_in_the_next_pass(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.wall.now = START
    FakeCloud.named("scale-test").faults.append(FaultRule(verb="observe", kind="denied"))
    agent(stage).once()
    (error,) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert error.startswith("event summer: ")
    agent(stage).once()
    assert sum(stage.active().values()) == 5


def test_a_destroyed_event_is_left_alone(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.sentry.destroy("summer")
    stage.wall.now = START
    assert agent(stage).once() == ()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_stopped_it_makes_no_further_pass(stage: Stage) -> None:
    stage.clock.stop()
    assert agent(stage).run() == 0


def test_what_another_agent_has_just_passed_over_is_left_alone_until_somebody_nudges(stage: Stage) -> None:
    stage.sentry.passes().made("summer", "another", dt.datetime.now(dt.UTC))
    clock, ticked = Clock(), threading.Event()
    tick = stage.scaler.agents_tick

    def noted(event: str, agent: str) -> Tick:
        ticked.set()
        return tick(event, agent)

    stage.scaler.agents_tick = noted  # type: ignore[method-assign]
    kept = threading.Thread(target=Agent(stage.scaler, clock, every=3600).keep)
    kept.start()
    try:
        assert not ticked.wait(2.5)
        stage.sentry.nudge("summer")
        assert ticked.wait(60)
    finally:
        clock.stop()
        kept.join()
    assert stage.sentry.passes().all()["summer"].agent != "another"


def test_nobody_is_nudged_for_an_event_that_is_not_kept(stage: Stage) -> None:
    with pytest.raises(UserError, match="no event 'winter' to be kept"):
        stage.sentry.nudge("winter")


def test_weights_follow_at_the_agent_that_passed_over_the_event_last(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    looked: list[str] = []

    def follow(event: str) -> None:
        looked.append(event)
        raise Unreachable("the balancer does not answer")

    mine = Agent(stage.scaler, stage.clock, every=30, name="mine", follow=follow)
    with caplog.at_level(logging.INFO):
        mine.run(times=2)
    assert looked == ["summer", "summer"]
    assert caplog.text.count("weights do not follow now") == 2
    stage.sentry.passes().made("summer", "another", dt.datetime.now(dt.UTC))
    assert mine._mine() == ()


def test_weights_follow_more_often_than_passes_are_made(stage: Stage) -> None:
    clock, looked = Clock(), threading.Semaphore(0)
    agent = Agent(stage.scaler, clock, every=3600, follow=lambda event: looked.release())
    kept = threading.Thread(target=agent.keep)
    kept.start()
    try:
        for _ in range(2):
            assert looked.acquire(timeout=60)
    finally:
        clock.stop()
        kept.join()
