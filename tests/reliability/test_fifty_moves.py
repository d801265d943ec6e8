"""Fifty servers from one fake cloud to the other while calls of every family fail: all serve, once; nothing is left."""

from __future__ import annotations

import random
from pathlib import Path

import move_bench as bench
import pytest

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.errors import SentryError, UserError
from cloudsentry.migrate import Asked
from cloudsentry.records.moving import Budget

pytestmark = pytest.mark.exhaustive

COUNT = 50
PLACES = [("pool", "private"), ("pool", "public"), ("balancer", "private"), ("mover", "private"), ("mover", "public")]
KINDS = ("busy", "unreachable", "ambiguous_after", "denied")


CALLS = {"replace": 12, "fake": 300, "fake_warm": 300}
"""Calls of a pass among which its faults are: a pool is replaced in few."""


def armed(dice: random.Random, calls: int) -> None:
    """Three faults at each place, of every kind in turn, each at some call of so many."""
    for place, (family, cloud) in enumerate(PLACES):
        with bench.PLACES[family].named(cloud).work() as state:
            for number in range(3):
                kind = KINDS[(place + number) % len(KINDS)]
                state.faults.append(FaultRule("*", dice.randrange(1, calls), kind))  # type: ignore[arg-type]


def struck() -> int:
    """How many of the faults have been met; from here on there are none."""
    met = 0
    for family, cloud in PLACES:
        with bench.PLACES[family].named(cloud).work() as state:
            met += sum(rule.seen >= rule.nth for rule in state.faults)
            state.faults.clear()
    return met


def operated(mover: str) -> None:
    """What an operator does: retry what is listed as open or failed, then move what is still at home."""
    migration = bench.hall()
    try:
        for move in reversed(migration.moves()):
            if move.state in ("open", "undoing", "failed"):
                migration.retry(move.id)
        if bench.servers()["private"]:
            migration.run(Asked(event="cup", what="front", to="osaka", mover=mover, wave=10, budget=Budget(at_once=4)))
    except (SentryError, UserError):
        pass  # an operator looks, and goes on
    finally:
        migration.close()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("mover", ["replace", "fake", "fake_warm"])
def test_all_of_fifty_end_at_the_target_and_nothing_of_the_moves_is_left(mover: str, seed: int, tmp_path: Path) -> None:
    dice, met = random.Random(seed), 0
    with bench.standing(tmp_path, COUNT):
        for round in range(12):
            if round < 4:
                armed(dice, CALLS[mover])
            operated(mover)
            met += struck()
            home = bench.servers()["private"]
            assert all(one.status in ("ACTIVE", "SHUTOFF") for one in home)
            if not home and round >= 4:
                break
        found = bench.servers()
        assert (len(found["private"]), len(found["public"])) == (0, COUNT)
        assert {one.status for one in found["public"]} == {"ACTIVE"}
        assert len({one.name for one in found["public"]}) == COUNT
        assert bench.members() == {one.id: 10 for one in found["public"]}
        assert (bench.images(), bench.twice_alive()) == ([], [])
        assert bench.newest()[1].steps == ()
    assert met >= 5, "the faults were hardly met"
