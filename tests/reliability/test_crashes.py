"""Every operation, with everything going wrong once at every place: nothing lost, nothing doubled, nothing left."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import CLOUDS, SCENARIOS, Bench, Scenario, Verdict, arm_call, arm_journal

PLACES = [(family, cloud) for family in ("pool", "balancer") for cloud in CLOUDS]
KILLS = ("kill_before", "kill_after")
FAULTS = ("busy", "unreachable", "ambiguous_before", "ambiguous_after", "denied", "nocapacity")


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
            "converged": sum(verdict.converged for _, verdict in verdicts),
            "orphans": sum(verdict.orphans for _, verdict in verdicts),
            "duplicates": sum(verdict.duplicates for _, verdict in verdicts),
            "lost": sum(verdict.lost for _, verdict in verdicts),
        }
    )
    assert verdicts, "the fault struck nowhere: the harness is broken"
    assert [(where, verdict) for where, verdict in verdicts if not verdict.good] == []


@pytest.mark.parametrize("kind", [*KILLS, *FAULTS])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_at_every_call(scenario: Scenario, kind: str, folder: Path, table: list[dict[str, object]]) -> None:
    bench = Bench(scenario, folder)
    verdicts = [
        (f"{family} {cloud} call {nth}", verdict)
        for family, cloud in PLACES
        for nth, verdict in _sweep(
            bench, lambda nth, family=family, cloud=cloud: arm_call(family, cloud, kind, nth), kills=kind in KILLS
        )  # type: ignore[misc]
    ]
    _hold(table, scenario, kind, verdicts)


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


@pytest.mark.parametrize("kind", ["denied", "nocapacity"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_rollback_after_a_permanent_failure_at_every_call(
    scenario: Scenario, kind: str, folder: Path, table: list[dict[str, object]]
) -> None:
    bench = Bench(scenario, folder)
    verdicts = [
        (f"{family} {cloud} call {nth}", verdict)
        for family, cloud in PLACES
        for nth, verdict in _sweep_undone(
            bench,
            lambda nth, family=family, cloud=cloud: arm_call(family, cloud, kind, nth),  # type: ignore[misc]
        )
    ]
    _hold(table, scenario, f"{kind}, then rollback", verdicts)
