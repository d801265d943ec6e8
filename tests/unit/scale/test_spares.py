"""A warm pool from the hall: what an operator sees of it when the crowd comes and goes, and after a kill."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudsentry.clouds.fake import FOLDER, FaultRule
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.sentry import Sentry
from cloudsentry.spec.load import load_text
from cloudsentry.spec.scaling import scaled
from cloudsentry.testing.clock import JumpClock
from tests.unit.scale.stage import EVENT, Stage, settings

TEXT = EVENT.replace(
    "    pins:\n      - {hypervisor: xeon1, count: 1",
    "    spares: {count: 1, rest: paused}\n    pins:\n      - {hypervisor: xeon1, count: 1",
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path, text=TEXT)
    yield made
    made.scaler.close()
    made.sentry.close()


def states(stage: Stage) -> Counter[str]:
    return Counter(line.status for line in stage.sentry.status("summer").servers if line.unit.startswith("front@"))


def to(stage: Stage, servers: int) -> set[str]:
    """Scale, and return the verbs of the servers' steps."""
    event = scaled(load_text(TEXT, "summer.yaml"), {"front": servers})
    report = stage.sentry.apply(event)
    assert report.outcome == "done"
    verbs = {step.verb for step in report.steps if step.unit.startswith("front@")}
    assert stage.sentry.apply(event).steps == (), "applying twice writes nothing"
    return verbs


def test_spares_rest_beside_the_balancer_and_come_and_go_with_the_crowd(stage: Stage) -> None:
    stage.applied()
    assert (states(stage), stage.members()) == ({"ACTIVE": 2, "PAUSED": 2}, 2)
    assert "start" in to(stage, 4)
    assert (states(stage), stage.members()) == ({"ACTIVE": 4, "PAUSED": 2}, 4)
    assert "start" in to(stage, 8)
    assert "create" not in to(stage, 2)
    assert (states(stage), stage.members()) == ({"ACTIVE": 2, "PAUSED": 2}, 2)
    assert stage.sentry.destroy("summer").left == ()


def test_spares_that_somebody_started_or_deleted_are_put_right(stage: Stage) -> None:
    event = stage.applied()
    with FakeCloud.named("scale-test").work() as state:
        mine = state.servers["summer"]
        first, second = (id for id, one in mine.items() if one.server.status == "PAUSED")
        FakeCloud.named("scale-test").start(state, [first])
        del mine[second]
    assert stage.sentry.apply(event).outcome == "done"
    assert (states(stage), stage.members()) == ({"ACTIVE": 2, "PAUSED": 2}, 2)


def test_a_run_that_ended_between_making_a_spare_and_laying_it_to_rest_is_gone_on_with(stage: Stage) -> None:
    event = load_text(TEXT, "summer.yaml")
    for number in range(12):  # stop after ever more notes: at each point the next run brings the same
        left = iter(range(4 * number))

        def listen(note: object, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        cut = Sentry(stage.settings, clock=JumpClock())
        with contextlib.suppress(KeyboardInterrupt):
            cut.apply(event, listen=listen)
        cut.close()
        # The same clouds and the same journal, and a process of its own.
        other = Sentry(stage.settings, clock=JumpClock())
        assert other.apply(event).outcome == "done"
        assert (states(stage), stage.members()) == ({"ACTIVE": 2, "PAUSED": 2}, 2)
        assert other.destroy("summer").left == ()
        other.close()


KILLED = """
import sys
from pathlib import Path
from cloudsentry.sentry import Sentry
from cloudsentry.spec.load import load_text
from cloudsentry.spec.scaling import scaled
from cloudsentry.testing.clock import JumpClock
from tests.unit.scale.stage import settings
from tests.unit.scale.test_spares import TEXT
event = load_text(TEXT, "summer.yaml")
for servers in map(int, sys.argv[2:]):
    assert Sentry(settings(Path(sys.argv[1])), clock=JumpClock()).apply(scaled(event, {"front": servers})).steps
"""


@pytest.mark.parametrize("kind", ["kill_before", "kill_after"])
@pytest.mark.parametrize(
    ("verb", "nth", "counts"), [("CreateServers", 4, "2"), ("RestServers", 2, "2"), ("StartServers", 1, "2 4")]
)
def test_a_process_killed_at_any_call_about_spares_leaves_what_the_next_run_puts_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, nth: int, counts: str, kind: Any
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path / "clouds"))
    FakeCloud.forget()
    with FakeCloud.named("scale-test").work() as state:
        state.faults.append(FaultRule(verb=verb, nth=nth, kind=kind))
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), *counts.split()], timeout=60)
    assert done.returncode == -signal.SIGKILL
    sentry = Sentry(settings(tmp_path), clock=JumpClock())
    event = scaled(load_text(TEXT, "summer.yaml"), {"front": int(counts[-1])})
    assert sentry.apply(event).outcome == "done"
    found = Counter(line.status for line in sentry.status("summer").servers if line.unit.startswith("front@"))
    (balancer,) = sentry.status("summer").balancers
    assert found == {"ACTIVE": int(counts[-1]), "PAUSED": 2}
    assert len(balancer.members) == int(counts[-1])
    assert sentry.apply(event).steps == ()
    sentry.close()
    FakeCloud.forget()
