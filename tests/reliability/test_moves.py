"""A kill or a fault at every call and every line of the journal; then the move goes on, or back: one serves, once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import move_bench as bench
import pytest

pytestmark = pytest.mark.exhaustive

PLACES = [
    ("pool", "private"),
    ("pool", "public"),
    ("balancer", "private"),
    ("mover", "private"),
    ("mover", "public"),
]
MOVERS = {"replace": 2, "fake": 1, "fake_warm": 1}


def _sweep(folder: Path, mover: str, arm: Callable[[int], None], verdict: Callable[[str, int], None]) -> int:
    """The trap at the first call, the second, … until the move has no such call any more."""
    table = bench.Bench(folder, mover, MOVERS[mover])
    for nth in itertools.count(1):
        with table.case(lambda nth=nth: arm(nth)) as struck:  # type: ignore[misc]
            if not struck.met:
                return nth - 1
            verdict(mover, nth)
    raise AssertionError


def _moved(mover: str, nth: int) -> None:
    """After going on: all is at the target, nothing of the move is left, and there is nothing to do."""
    ended = bench.resumed(mover)
    assert ended.state == "done", (nth, ended)
    _served("public", MOVERS[mover], nth)


def _turned_back(mover: str, nth: int) -> None:
    """After going back, or going on where there is no way back: all is at one cloud, nothing is left."""
    from cloudsentry.errors import UserError

    try:
        ended = bench.turned_back()
    except UserError:  # past the point of no return
        return _moved(mover, nth)
    assert ended is None or ended.state == "undone", (nth, ended)
    there = [cloud for cloud in bench.CLOUDS if bench.servers()[cloud]]
    assert len(there) == 1, (nth, bench.servers())
    return _served(there[0], MOVERS[mover], nth)


def _served(cloud: str, count: int, nth: int) -> None:
    found = bench.servers()
    other = next(name for name in bench.CLOUDS if name != cloud)
    assert [one.status for one in found[cloud]] == ["ACTIVE"] * count, (nth, found)
    assert found[other] == [], (nth, found)
    assert bench.members() == {one.id: 10 for one in found[cloud]}, nth
    assert bench.images() == [], nth
    assert bench.twice_alive() == [], nth
    wanted, plan = bench.newest()
    assert plan.steps == (), (nth, plan.steps)
    assert [pool.site for pool in wanted.pools.values()] == ["osaka" if cloud == "public" else "nara"]


@pytest.mark.parametrize("kind", ["kill_before", "kill_after", "busy", "unreachable", "ambiguous_after", "denied"])
@pytest.mark.parametrize("mover", MOVERS)
def test_a_move_goes_on_after_a_fault_at_any_call(mover: str, kind: str, tmp_path: Path) -> None:
    struck = 0
    for family, cloud in PLACES:
        folder = tmp_path / f"{family}-{cloud}"
        struck += _sweep(folder, mover, lambda nth, f=family, c=cloud: bench.arm(f, c, kind, nth), _moved)  # type: ignore[misc]
    assert struck > 20


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("mover", MOVERS)
def test_a_move_goes_on_after_a_kill_at_any_line_of_the_journal(mover: str, after: bool, tmp_path: Path) -> None:
    def arm(method: str) -> Callable[[int], Any]:
        return lambda nth: bench.arm_journal(method, nth, after=after)

    for method in ("add", "keep", "turn"):
        assert _sweep(tmp_path / method, mover, arm(method), _moved)


@pytest.mark.parametrize("mover", MOVERS)
def test_a_move_goes_back_after_a_kill_at_any_call(mover: str, tmp_path: Path) -> None:
    for family, cloud in PLACES:
        folder = tmp_path / f"{family}-{cloud}"
        _sweep(folder, mover, lambda nth, f=family, c=cloud: bench.arm(f, c, "kill_after", nth), _turned_back)  # type: ignore[misc]
