"""Weights that follow, from the hall's floor: fake clouds, counters and paths as the test says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from cloudsentry.conf import ExecutorSettings, JournalSettings, OwnershipSettings, Settings
from cloudsentry.drivers.balancer.fake import FakeBalancers
from cloudsentry.drivers.load.path import Tried, told
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.records.loading import Target
from cloudsentry.records.views import Balancer
from cloudsentry.sentry import Sentry
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import load_text
from cloudsentry.spec.reweighing import Fallback
from cloudsentry.testing.clock import JumpClock
from cloudsentry.weights import weigh
from cloudsentry.weights.following import Follower

POOL = "{site: %s, driver: fake, image: tiny, flavor: nano, networks: [front], pins: [%s]}"
EVENT = f"""
event: summer
sites: {{nara: {{cloud: follow-nara}}OSAKA}}
pools:
  web: {POOL % ("nara", "{hypervisor: xeon1, count: 2, weight: 40}, {hypervisor: opteron1, count: 1, weight: 40}")}
FARbalancers:
  front: {{site: nara, driver: fake, network: front, PART}}
"""
NEAR = EVENT.replace("FAR", "").replace("OSAKA", "")
REWEIGH = NEAR.replace("PART", "reweigh: {back: 30s}, members: [{pool: web}]")
FAR = POOL % ("osaka", "{hypervisor: xeon2, count: 1, weight: 40}")
FALLBACK = (
    EVENT.replace("FAR", f"  far: {FAR}\n")
    .replace("OSAKA", ", osaka: {cloud: follow-osaka}")
    .replace("PART", "members: [{pool: web}, {pool: far, fallback: {place: local, path: /image, size: 25600}}]")
)
RAMP = NEAR.replace("PART", "members: [{pool: web, ramp: 100s}]")


@dataclass
class World:
    """A hall whose balancer tells counters, a clock that is set, and paths that are good or not."""

    sentry: Sentry
    now: dt.datetime = dt.datetime(2010, 8, 7, 12, tzinfo=dt.UTC)
    times: dict[str, float] = field(default_factory=dict)
    served: int | None = 0
    good: bool = True
    tries: int = 0
    timed: dict[str, float] = field(default_factory=dict)

    def follower(self) -> Follower:
        return Follower(self.sentry, wall=lambda: self.now, path=self.path)

    def path(self, place: str, target: Target, spec: Fallback) -> Tried:
        self.tries += 1
        if spec.path == "/small":
            line = (
                f'{{"status": "200", "size": 9, "connect": 0.001, "total": {self.timed[self.unit(target)] / 1000}}} 0'
            )
            return told(target.address, "\n".join([line] * spec.tries), spec.size, spec.tries)
        lines = ['{"status": "200", "size": 25600, "connect": 0.04, "total": 0.1} 0'] * 5
        if not self.good:
            lines[2] = '{"status": "200", "size": 13032, "connect": 0.04, "total": 2.0} 28'
        return told(target.address, "\n".join(lines), spec.size, spec.tries)

    def unit(self, target: Target) -> str:
        return next(line.unit for line in self.sentry.status("summer").servers if line.address == target.address)

    def looks(self, follower: Follower, count: int) -> None:
        for _ in range(count):
            self.now += dt.timedelta(seconds=5)
            if self.served is not None:
                self.served += 200
            follower.once("summer")

    def weights(self) -> dict[str, int]:
        return {line.unit: line.weight or 0 for line in self.sentry.status("summer").servers}

    def why(self, unit: str) -> str:
        return (self.sentry.event("summer")[0].balancers["front"].tuned or {})[unit].why


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    FakeCloud.forget()
    FakeBalancers.forget()
    settings = Settings(
        state=tmp_path,
        journal=JournalSettings(connection=f"sqlite:///{tmp_path / 'journal.sqlite'}"),
        ownership=OwnershipSettings(backend_url=f"file://{tmp_path / 'locks'}", lease=30),
        executor=ExecutorSettings(settle=0.0),
    )
    made = World(sentry=Sentry(settings, clock=JumpClock()))
    plain = Sentry.balancer

    def counted(self: Sentry, event: Event, name: str) -> Balancer | None:
        seen = plain(self, event, name)
        units = {line.id: line.unit for line in self.status(event).servers}
        assert seen is not None
        members = tuple(
            replace(one, served=made.served, time_ms=made.times.get(units[one.name])) for one in seen.members
        )
        return replace(seen, members=members)

    monkeypatch.setattr(Sentry, "balancer", counted)
    yield made
    made.sentry.close()


def test_a_slow_unit_loses_weight_and_weights_show_says_why(world: World) -> None:
    assert world.sentry.apply(load_text(REWEIGH, "summer.yaml")).outcome == "done"
    world.times = {"web@xeon1": 10.0, "web@opteron1": 30.0}
    follower = world.follower()
    world.looks(follower, 6)
    assert world.weights() == {"web@xeon1": 40, "web@opteron1": 40}
    world.times["web@opteron1"] = 90.0
    world.looks(follower, 5)
    assert world.weights()["web@xeon1"] == 40
    assert 4 <= world.weights()["web@opteron1"] <= 20
    (line,) = [one for one in weigh.weights(world.sentry, "summer") if one.unit == "web@opteron1"]
    assert "pin web@opteron1 says 40; takes" in line.why
    # The file applied anew keeps what was found; another process goes on from there.
    path = world.sentry.settings.state / "summer.yaml"
    path.write_text(REWEIGH)
    assert not world.sentry.plan(world.sentry.load(path)).steps
    world.times["web@opteron1"] = 30.0
    world.looks(world.follower(), 60)
    assert world.weights()["web@opteron1"] == 40


def test_members_whose_balancer_tells_no_times_are_timed_from_a_place(world: World) -> None:
    event = REWEIGH.replace("{back: 30s}", "{back: 30s, place: local, path: /small}")
    assert world.sentry.apply(load_text(event, "summer.yaml")).outcome == "done"
    world.served, world.timed = None, {"web@xeon1": 10.0, "web@opteron1": 30.0}
    follower = world.follower()
    world.looks(follower, 6)
    assert world.weights() == {"web@xeon1": 40, "web@opteron1": 40}
    world.timed["web@opteron1"] = 90.0
    world.looks(follower, 5)
    assert world.weights()["web@xeon1"] == 40
    assert 4 <= world.weights()["web@opteron1"] <= 20


def test_a_balancer_that_tells_nothing_changes_nothing(world: World) -> None:
    assert world.sentry.apply(load_text(REWEIGH, "summer.yaml")).outcome == "done"
    world.served = None
    revision = world.sentry.event("summer")[1]
    world.looks(world.follower(), 10)
    assert world.weights() == {"web@xeon1": 40, "web@opteron1": 40}
    assert world.sentry.event("summer")[1] == revision


def test_a_fallback_has_weight_only_while_whole_transfers_arrive(world: World) -> None:
    assert world.sentry.apply(load_text(FALLBACK, "summer.yaml")).outcome == "done"
    assert world.weights()["far@xeon2"] == 0
    world.good = False
    follower = world.follower()
    world.looks(follower, 1)
    assert world.weights()["far@xeon2"] == 0
    told_why = "path from local: 4 of 5 transfers of 25600 bytes were whole: not whole in time after 13032 bytes"
    assert world.why("far@xeon2") == told_why
    world.good = True
    world.looks(follower, 8)
    assert world.weights()["far@xeon2"] == 40
    world.good = False
    world.looks(follower, 8)
    assert world.weights()["far@xeon2"] == 0


def test_a_pool_that_comes_gets_its_weight_in_steps(world: World) -> None:
    assert world.sentry.apply(load_text(RAMP, "summer.yaml")).outcome == "done"
    assert world.weights() == {"web@xeon1": 4, "web@opteron1": 4}
    follower, seen = world.follower(), []
    for _ in range(24):
        world.looks(follower, 1)
        seen.append(world.weights()["web@xeon1"])
    assert seen == sorted(seen)
    assert len(set(seen)) >= 5
    assert world.weights() == {"web@xeon1": 40, "web@opteron1": 40}


def test_a_dry_run_looks_and_changes_nothing(world: World) -> None:
    assert world.sentry.apply(load_text(FALLBACK, "summer.yaml")).outcome == "done"
    lines, report = world.follower().once("summer", dry_run=True)
    assert report is None
    assert {line.unit: line.weight for line in lines}["far@xeon2"] == 40
    assert world.weights()["far@xeon2"] == 0


def test_a_path_that_nobody_answers_on_is_told() -> None:
    line = '{"status": "000", "size": 0, "connect": 0.0, "total": 2.0} 28'
    found = told("10.0.0.1", "\n".join([line] * 3), 25600, 3)
    assert (found.good, found.whole) == (False, 0)
    assert found.why == "0 of 3 transfers of 25600 bytes were whole: not whole in time"
    short = told("10.0.0.1", '{"status": "200", "size": 900, "connect": 0.1, "total": 0.2} 0', 25600, 1)
    assert short.why.endswith("only 900 bytes")
