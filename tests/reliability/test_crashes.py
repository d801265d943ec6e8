"""Every operation, with everything going wrong once at every place: nothing lost, nothing doubled, nothing left."""

from __future__ import annotations

import functools
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import PLACES, Bench, Verdict, arm_boots, arm_call, arm_journal, arm_slow
from scenarios import CLOUDS, SCENARIOS, SPILL, Scenario

from cloudsentry.clouds.accidents import ACCIDENTS
from cloudsentry.testing import JumpClock

KILLS = ("kill_before", "kill_after")
ALIKE: dict[str, tuple[str, ...]] = {
    "500, 502 or 504": ("500", "502", "504"),
    "503": ("503",),
    "429, Retry-After 7": ("429, Retry-After 7",),
    "refused, reset or timed out": ("refused connection", "reset", "timeout"),
    "answer lost after the effect": (
        "answer lost after the effect",
        "500 after the effect",
        "cut JSON after the effect",
        "502 after the effect",
    ),
    "timeout, the effect comes later": ("timeout, the effect comes later", "504, the effect comes later"),
    "401 (no new token to be had)": ("401 (no new token to be had)",),
    "403": ("denied",),
    "quota used up": ("nocapacity",),
}
"""Faults by what has to be done about them. At each call one of each row strikes, in turn; under the marker
``exhaustive`` every single one."""
SLOW = 60.0
"""Seconds that a call takes of a slow API."""


@pytest.fixture(scope="session")
def table() -> Iterator[list[dict[str, object]]]:
    """The figures of all tests, written where $CLOUDSENTRY_RELIABILITY_JSON says; of xdist's workers one file each."""
    rows: list[dict[str, object]] = []
    yield rows
    path = os.environ.get("CLOUDSENTRY_RELIABILITY_JSON")
    if path:
        file = Path(path)
        worker = os.environ.get("PYTEST_XDIST_WORKER")
        file = file.with_suffix(f".{worker}{file.suffix}") if worker else file
        file.write_text(json.dumps(rows, indent=1) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where the machine has such a place: a case makes and removes a dozen files."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="cloudsentry-", dir=memory) as made:
        yield Path(made)


def _sweep(bench: Bench, arm: Callable[[int], None], *, kills: bool = False) -> list[tuple[int, Verdict]]:
    """The fault at the first call, the second, … until the operation has no such call any more."""
    verdicts = []
    for nth in itertools.count(1):
        verdict = bench.case(lambda nth=nth: arm(nth), kills=kills)  # type: ignore[misc]
        if not verdict.struck:
            return verdicts
        verdicts.append((nth, verdict))
    raise AssertionError


def _sweep_undone(bench: Bench, arm: Callable[[int], None]) -> list[tuple[int, Verdict]]:
    """The same, each time rolled back."""
    verdicts = []
    for nth in itertools.count(1):
        verdict = bench.undone(lambda nth=nth: arm(nth))  # type: ignore[misc]
        if not verdict.struck:
            return verdicts
        verdicts.append((nth, verdict))
    raise AssertionError


def _hold(rows: list[dict[str, object]], scenario: Scenario, fault: str, verdicts: list[tuple[str, Verdict]]) -> None:
    rows.append(
        {
            "operation": scenario.name,
            "fault": fault,
            "cases": len(verdicts),
            "alone": sum(verdict.alone for _, verdict in verdicts),
            "converged": sum(verdict.converged for _, verdict in verdicts),
            "orphans": sum(verdict.orphans for _, verdict in verdicts),
            "duplicates": sum(verdict.duplicates for _, verdict in verdicts),
            "lost": sum(verdict.lost for _, verdict in verdicts),
        }
    )
    assert verdicts, "the fault struck nowhere: the harness is broken"
    assert [(where, verdict) for where, verdict in verdicts if not verdict.good] == []


def _at_every_call(bench: Bench, kinds: tuple[str, ...], **more: Any) -> list[tuple[str, Verdict]]:
    """One of the kinds at each call of each place, in turn."""
    turn = itertools.cycle(kinds)
    return [
        (f"{family} {cloud} call {nth}", verdict)
        for family, cloud in more.pop("places", PLACES)
        for nth, verdict in _sweep(
            bench,
            lambda nth, family=family, cloud=cloud: arm_call(family, cloud, next(turn), nth, **more),  # type: ignore[misc]
            kills=kinds[0] in KILLS,
        )
    ]


@pytest.mark.parametrize("kind", [*KILLS, *ALIKE])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_at_every_call(scenario: Scenario, kind: str, folder: Path, table: list[dict[str, object]]) -> None:
    _hold(table, scenario, kind, _at_every_call(Bench(scenario, folder), ALIKE.get(kind, (kind,))))


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", [kind for kind in ACCIDENTS if kind != "409"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_accident_at_every_call(
    scenario: Scenario, kind: str, folder: Path, table: list[dict[str, object]]
) -> None:
    _hold(table, scenario, kind, _at_every_call(Bench(scenario, folder), (kind,)))


@pytest.mark.parametrize("times", [3, 1000], ids=["for a while", "for ever"])
@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.name != "steer"], ids=lambda one: one.name)
def test_a_balancer_that_is_immutable(
    scenario: Scenario, times: int, folder: Path, table: list[dict[str, object]]
) -> None:
    """At each write to it; a run that met it for ever is run again when it is over."""
    bench = Bench(scenario, folder)
    verdicts = [
        (f"{verb} {nth}", verdict)
        for verb in ("CreateBalancer", "SetMembers", "DeleteBalancer")
        for nth, verdict in _sweep(
            bench,
            lambda nth, verb=verb: arm_call("balancer", "private", "409", nth, verb=verb, times=times),  # type: ignore[misc]
        )
    ]
    if times == 3:
        assert all(verdict.alone for _, verdict in verdicts)
    _hold(table, scenario, "409 three times" if times == 3 else "409 for ever, then again", verdicts)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_slow_api(scenario: Scenario, folder: Path, table: list[dict[str, object]]) -> None:
    """Any one call that takes a minute: the run still comes to its own end."""
    bench = Bench(scenario, folder)
    verdicts = []
    for family, cloud in PLACES:
        for nth in itertools.count(1):
            clock = JumpClock()
            arm = functools.partial(arm_slow, family, cloud, nth, clock, SLOW)
            verdict = bench.case(arm, kills=False, clock=clock)
            if not verdict.struck:
                break
            verdicts.append((f"{family} {cloud} call {nth}", verdict))
    assert all(verdict.alone for _, verdict in verdicts)
    _hold(table, scenario, f"slow API ({SLOW:.0f} s)", verdicts)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_at_every_line_of_the_journal(
    scenario: Scenario, after: bool, folder: Path, table: list[dict[str, object]]
) -> None:
    bench = Bench(scenario, folder)
    verdicts = [
        (f"{method} {nth}", verdict)
        for method in ("revise", "begin", "intent", "step_ended", "run_ended", "event_gone")
        for nth, verdict in _sweep(bench, lambda nth, method=method: arm_journal(method, nth, after=after), kills=True)  # type: ignore[misc]
    ]
    _hold(table, scenario, f"kill {'after' if after else 'before'} a line of the journal", verdicts)


@pytest.mark.parametrize("scenario", [item for item in SCENARIOS if item.wanted], ids=lambda scenario: scenario.name)
def test_servers_that_end_in_error(scenario: Scenario, folder: Path, table: list[dict[str, object]]) -> None:
    bench = Bench(scenario, folder)

    def arm(cloud: str, nth: int) -> None:
        arm_call("pool", cloud, "error_server", nth, verb="CreateServers")

    verdicts = [
        (f"{cloud} create {nth}", verdict)
        for cloud in CLOUDS
        for nth, verdict in _sweep(bench, lambda nth, cloud=cloud: arm(cloud, nth))  # type: ignore[misc]
    ]
    if verdicts:
        _hold(table, scenario, "a server ends in ERROR", verdicts)


@pytest.mark.parametrize("kind", KILLS)
def test_killed_while_others_stand_in(kind: str, folder: Path, table: list[dict[str, object]]) -> None:
    """A hypervisor's boots end in ERROR while the other cloud's go on; the run is killed at each of its calls."""
    bench = Bench(SPILL, folder)

    def arm(family: str, cloud: str, nth: int) -> None:
        arm_boots("private", looks=6)
        arm_call(family, cloud, kind, nth)

    verdicts = [
        (f"{family} {cloud} call {nth}", verdict)
        for family, cloud in PLACES
        for nth, verdict in _sweep(
            bench,
            lambda nth, family=family, cloud=cloud: arm(family, cloud, nth),  # type: ignore[misc]
            kills=True,
        )
    ]
    _hold(table, SPILL, kind, verdicts)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_rollback_after_a_permanent_failure_at_every_call(
    scenario: Scenario, folder: Path, table: list[dict[str, object]]
) -> None:
    bench = Bench(scenario, folder)
    turn = itertools.cycle(("denied", "nocapacity"))
    verdicts = [
        (f"{family} {cloud} call {nth}", verdict)
        for family, cloud in PLACES
        for nth, verdict in _sweep_undone(
            bench,
            lambda nth, family=family, cloud=cloud: arm_call(family, cloud, next(turn), nth),  # type: ignore[misc]
        )
    ]
    _hold(table, scenario, "403 or quota used up, then rollback", verdicts)
