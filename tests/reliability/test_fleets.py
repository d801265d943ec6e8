"""Several servers under way at once on two fake clouds: all counted once; a group goes as one, or not at all."""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import move_bench as bench
import pytest

from cloudsentry import conf
from cloudsentry.drivers.pool.fake.cloud import FakeCloud
from cloudsentry.errors import PlanError, UserError
from cloudsentry.journal import Journal
from cloudsentry.loading import Loader
from cloudsentry.migrate import Asked, Migration
from cloudsentry.records.moving import Budget
from cloudsentry.sentry import Sentry
from cloudsentry.spec.event import Event
from cloudsentry.spec.scaling import count_of
from cloudsentry.testing import JumpClock

SPEED = 50.0
"""Threads that wait for each other must really wait, if not for long."""


@pytest.fixture
def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Migration]:
    monkeypatch.setenv("CLOUDSENTRY_FAKE_DIR", str(tmp_path / "worlds"))
    monkeypatch.setenv("CLOUDSENTRY_STATE_DIR", str(tmp_path / "state"))
    for kind in bench.PLACES.values():
        kind.forget()
    clock, loader = JumpClock(SPEED), Loader(bench.Joined)
    sentry = Sentry(conf.settings([], config_files=[]), clock=clock, loader=loader)
    migration = Migration(sentry, loader=loader, clock=clock)
    yield migration
    migration.close()
    sentry.close()
    for kind in bench.PLACES.values():
        kind.forget()


def asked(*, together: bool = False, at_once: int = 3) -> Asked:
    return Asked(event="cup", what="front", to="osaka", mover="fake", together=together, budget=Budget(at_once=at_once))


@pytest.mark.parametrize("together", [False, True])
def test_all_of_them_arrive_and_the_event_counts_each_once(hall: Migration, together: bool) -> None:
    assert bench.applied(bench.event(3)).outcome == "done"
    moved = hall.run(asked(together=together))
    assert [move.state for move in moved] == ["done"] * 3
    found, plan = bench.newest()
    assert plan.steps == ()
    assert {name: count_of(pool.pins) for name, pool in found.pools.items()} == {"front-osaka": 3}
    assert bench.members() == {one.id: 10 for one in bench.servers()["public"]}
    assert bench.servers()["private"] == []
    assert bench.images() == []
    assert bench.twice_alive() == []


@pytest.mark.parametrize("together", [False, True])
def test_where_one_has_no_room_a_group_stays_as_a_whole_and_others_go_as_far_as_they_can(
    hall: Migration, together: bool
) -> None:
    assert bench.applied(bench.event(3)).outcome == "done"
    with FakeCloud.named("public").work() as state:
        state.quota = 2
    moved = hall.run(asked(together=together))
    states = sorted(move.state for move in moved)
    there = {cloud: len(bench.servers()[cloud]) for cloud in bench.CLOUDS}
    _, plan = bench.newest()
    assert plan.steps == ()
    assert bench.images() == []
    assert bench.twice_alive() == []
    if together:
        assert (states, there) == (["undone"] * 3, {"private": 3, "public": 0})
        with FakeCloud.named("public").work() as state:
            state.quota = -1
        assert hall.retry(moved[0].id).state == "done"
        assert {cloud: len(bench.servers()[cloud]) for cloud in bench.CLOUDS} == {"private": 0, "public": 3}
        assert bench.newest()[1].steps == ()
    else:
        assert (states, there) == (["done", "done", "undone"], {"private": 1, "public": 2})


def test_nothing_begins_in_a_window_that_is_closed(hall: Migration) -> None:
    now = dt.datetime.now(dt.UTC)
    match = {"match": "final", "start": f"{now:%Y-%m-%d %H:%M}", "crowd": 100}
    calendar = {"from": f"{now:%Y-%m-%d}", "until": f"{now + dt.timedelta(days=1):%Y-%m-%d}", "matches": [match]}
    wanted = Event.model_validate(bench.event(1).model_dump(by_alias=True) | {"calendar": calendar})
    assert bench.applied(wanted).outcome == "done"
    with pytest.raises(PlanError, match=r"window quiet: .* it opens at"):
        hall.run(Asked(event="cup", what="front", to="osaka", mover="fake", window="quiet"))
    assert hall.moves() == ()
    assert [one.state for one in hall.run(Asked(event="cup", what="front", to="osaka", mover="fake"))] == ["done"]


def test_who_may_not_be_forced_is_told_so(hall: Migration) -> None:
    assert bench.applied(bench.event(1)).outcome == "done"
    (moved,) = hall.run(asked(at_once=1))
    with pytest.raises(UserError, match="goes by fake, which cannot be forced"):
        hall.force(moved.id)


def test_a_move_that_was_killed_right_after_its_revision_counts_its_server_once(tmp_path: Path) -> None:
    def trap() -> None:
        plain = Journal.revise

        def killed(self: Journal, *args: Any, **named: Any) -> Any:
            plain(self, *args, **named)
            os.kill(os.getpid(), signal.SIGKILL)

        Journal.revise = killed  # type: ignore[method-assign]

    table = bench.Bench(tmp_path, "fake", 2)
    with table.case(trap) as struck:
        assert struck.met
        assert bench.resumed("fake").state == "done"
        found, plan = bench.newest()
        assert {name: count_of(pool.pins) for name, pool in found.pools.items()} == {"front": 1, "front-osaka": 1}
        assert plan.steps == ()
        assert bench.images() == []
