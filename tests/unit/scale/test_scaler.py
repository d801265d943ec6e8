"""Ticks over the fake drivers: what the cloud has afterwards, and what the journal tells."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudsentry.drivers.pool.fake import FakeCloud, FaultRule
from cloudsentry.errors import Owned, PlanStale, UserError
from cloudsentry.journal.ownership import owned
from cloudsentry.records.scaling import Ask
from cloudsentry.scaling.scale import HOOK, Call
from cloudsentry.spec.scaling import scaled
from scale.stage import EVENT, START, Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.scaler.close()
    made.sentry.close()


def call(by: int = 1, digest: str = "a", again: float = 300, pool: str = "front") -> Call:
    ask = Ask(by=by, source="alert Slow")
    return Call(event="summer", pool=pool, ask=ask, source=f"{HOOK}generic", digest=digest, again=again)


def test_a_tick_before_the_match_brings_the_servers_and_their_members(stage: Stage) -> None:
    stage.applied()
    tick = stage.scaler.tick("summer", at=START - dt.timedelta(minutes=20))
    (row,) = tick.decisions
    assert (row.current, row.wanted, row.rule, row.state) == (2, 5, "calendar", "done")
    assert tick.report is not None
    assert row.run == tick.report.run
    assert sum(stage.active().values()) == 5
    assert stage.active("static") == {"xeon2": 1}
    assert stage.members() == 5


def test_the_same_tick_again_writes_nothing(stage: Stage) -> None:
    stage.applied()
    at = START - dt.timedelta(minutes=20)
    stage.scaler.tick("summer", at=at)
    before = FakeCloud.named("scale-test").state.writes
    tick = stage.scaler.tick("summer", at=at)
    assert tick.report is None
    assert FakeCloud.named("scale-test").state.writes == before
    assert stage.sentry.show("summer")[1].number == 2


def test_after_the_match_the_servers_go_step_by_step(stage: Stage) -> None:
    stage.applied()
    stage.scaler.tick("summer", at=START)
    late = START + dt.timedelta(hours=6)
    assert stage.scaler.tick("summer", at=late).decisions[0].wanted == 2
    assert sum(stage.active().values()) == 2
    assert stage.members() == 2


def test_a_dry_run_keeps_and_changes_nothing(stage: Stage) -> None:
    stage.applied()
    tick = stage.scaler.tick("summer", at=START, dry_run=True)
    assert tick.decisions[0].wanted == 5
    assert stage.scaler.explain("summer") == ()
    assert sum(stage.active().values()) == 2


def test_explain_tells_inputs_rule_and_decision_of_any_moment(stage: Stage) -> None:
    stage.applied()
    quiet = START - dt.timedelta(hours=20)
    for minutes in range(3):
        stage.scaler.tick("summer", at=quiet + dt.timedelta(minutes=minutes))
    stage.scaler.tick("summer", at=START)
    newest, oldest = stage.scaler.explain("summer")
    assert (oldest.times, oldest.at, oldest.until) == (3, quiet, quiet + dt.timedelta(minutes=2))
    assert (newest.rule, newest.wanted, newest.demand) == ("calendar", 5, 2500)
    assert newest.inputs["demands"][0]["name"] == "final"
    assert "final: 2500 requests/s from 2026-08-21 04:00 UTC" in newest.reasons
    assert stage.scaler.explain("summer", at=quiet) == (oldest,)


def test_a_run_that_failed_is_gone_on_with_by_the_next_tick(stage: Stage) -> None:
    stage.applied()
    with FakeCloud.named("scale-test").work() as state:
        state.faults.append(FaultRule("CreateServers", kind="nocapacity", times=99))
    first = stage.scaler.tick("summer", at=START)
    assert first.report is not None
    assert first.decisions[0].state == "failed"
    assert first.decisions[0].error
    with FakeCloud.named("scale-test").work() as state:
        state.faults.clear()
    second = stage.scaler.tick("summer", at=START + dt.timedelta(minutes=1))
    assert second.decisions[0].state == "held"
    assert sum(stage.active().values()) == 5


def test_a_destroyed_event_is_not_brought_back(stage: Stage) -> None:
    event = stage.applied()
    assert stage.sentry.destroy(event).outcome == "done"
    with pytest.raises(UserError, match="was destroyed"):
        stage.scaler.tick("summer", at=START)
    with pytest.raises(UserError, match="was destroyed"):
        stage.scaler.ask(call())
    assert FakeCloud.named("scale-test").state.servers.get("summer", {}) == {}


def test_an_event_destroyed_between_look_and_apply_is_not_brought_back(stage: Stage) -> None:
    event = stage.applied()
    _, number = stage.sentry.event("summer")
    stage.sentry.destroy(event)
    with pytest.raises(PlanStale):
        stage.sentry.apply(scaled(event, {"front": 4}), since=number)


def test_two_calls_at_once_add_up_and_are_one_run(stage: Stage) -> None:
    stage.applied()
    stage.wall.now = START
    first, second = stage.scaler.ask(call(digest="a"))[0], stage.scaler.ask(call(digest="b"))[0]
    assert (first.wanted, second.wanted) == (5, 6)
    runs = len(stage.sentry.runs("summer"))
    assert stage.scaler.carry_out("summer", 600)
    assert not stage.scaler.carry_out("summer", 600)
    assert len(stage.sentry.runs("summer")) == runs + 1
    assert sum(stage.active().values()) == 6
    assert stage.scaler.decisions.get(first.id).state == "done"


def test_a_hundred_equal_calls_are_one(stage: Stage) -> None:
    stage.applied()
    answers = [stage.scaler.ask(call()) for _ in range(100)]
    assert {row.id for row, _ in answers} == {answers[0][0].id}
    assert sum(new for _, new in answers) == 1
    stage.scaler.carry_out("summer", 600)
    assert sum(stage.active().values()) == 3
    row, new = stage.scaler.ask(call())
    assert (row.state, new) == ("done", False)


def test_an_equal_call_later_is_a_new_alarm(stage: Stage) -> None:
    stage.applied()
    stage.scaler.ask(call())
    stage.scaler.carry_out("summer", 600)
    stage.wall.forward(seconds=301)
    assert stage.scaler.ask(call())[1]


def test_a_call_never_takes_away_what_came_meanwhile(stage: Stage) -> None:
    event = stage.applied()
    stage.scaler.ask(call())
    stage.sentry.apply(scaled(event, {"front": 6}))
    stage.scaler.carry_out("summer", 600)
    assert sum(stage.active().values()) == 6


def test_a_call_waits_while_another_process_holds_the_event_and_is_given_up_in_the_end(stage: Stage) -> None:
    stage.applied()
    row, _ = stage.scaler.ask(call())
    with owned("summer", stage.settings.ownership.backend_url), pytest.raises(Owned):
        stage.scaler.carry_out("summer", 600)
    assert stage.scaler.decisions.get(row.id).state == "queued"
    stage.wall.forward(seconds=601)
    assert not stage.scaler.carry_out("summer", 600)
    assert "given up" in stage.scaler.decisions.get(row.id).error


def test_a_call_for_a_pool_that_is_not_scaled_is_refused_with_those_that_are(stage: Stage) -> None:
    stage.applied()
    with pytest.raises(UserError, match=r"does not scale a pool 'static' \(it scales: front\)"):
        stage.scaler.ask(call(pool="static"))


def test_calls_outside_matches_are_slowed_by_the_cooldown(stage: Stage) -> None:
    stage.applied()
    stage.scaler.ask(call())
    stage.scaler.carry_out("summer", 600)
    stage.wall.forward(seconds=10)
    row, _ = stage.scaler.ask(call(digest="b"))
    assert (row.state, row.rule) == ("held", "cooldown")


def test_missing_data_holds_what_there_is(tmp_path: Path) -> None:
    blind = "front: {least: 2, most: 8, per_server: 500, signal: {driver: fake, query: 'missing: blind'}}"
    stage = Stage(tmp_path, text=EVENT.replace("front: {least: 2, most: 8, per_server: 500}", blind))
    stage.applied()
    stage.scaler.tick("summer", at=START)
    row = stage.scaler.tick("summer", at=START + dt.timedelta(hours=9)).decisions[0]
    assert (row.wanted, row.rule) == (5, "missing")
    assert row.inputs["signal"]["why"] == "blind"


def test_an_unreachable_cloud_is_told_and_kept(stage: Stage) -> None:
    stage.applied()
    FakeCloud.named("scale-test").faults.append(FaultRule(verb="CreateServers", kind="denied", times=99))
    tick = stage.scaler.tick("summer", at=START)
    assert tick.report is not None
    assert tick.report.outcome == "failed"
    assert stage.scaler.explain("summer")[0].state == "failed"


def test_a_call_whose_process_is_stopped_is_left_for_the_next_one(stage: Stage) -> None:
    stage.applied()
    row, _ = stage.scaler.ask(call())
    stage.clock.stop()
    stage.scaler.carry_out("summer", 600)
    assert stage.scaler.decisions.get(row.id).state == "queued"
    assert stage.scaler.waiting() == ("summer",)


def test_servers_that_a_call_brought_are_not_taken_away_by_the_timetable_at_once(stage: Stage) -> None:
    stage.applied()
    stage.scaler.ask(call(by=2))
    stage.scaler.carry_out("summer", 600)
    stage.wall.forward(minutes=50)
    row = stage.scaler.tick("summer").decisions[0]
    assert (row.wanted, row.rule) == (4, "asked")
    assert "kept for 600 s more" in row.reasons[-1]
    stage.wall.forward(minutes=11)
    assert stage.scaler.tick("summer").decisions[0].wanted == 2
