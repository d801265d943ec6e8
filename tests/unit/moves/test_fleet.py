"""Several moves at once: budgets, and groups that pass together or not at all."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter

import pytest

from cloudsentry.migrate.fleet import Gate, Slots, sail
from cloudsentry.records.moving import Budget, Move, MoveState, Phase


def move(number: int, *, phase: Phase = "check", state: MoveState = "open") -> Move:
    now = dt.datetime.now(dt.UTC)
    return Move(
        id=number, event="cup", server=str(number), source="a", target="a", mover="live", phase=phase, state=state,
        started=now, updated=now,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("budget", "slots"),
    [
        (Budget(at_once=4), 4),
        (Budget(at_once=4, mbit=1000, each_mbit=500), 2),
        (Budget(at_once=4, mbit=100, each_mbit=500), 1),
    ],
)
def test_a_budget_bounds_how_many_and_never_forbids_all(budget: Budget, slots: int):
    assert budget.slots == slots


def test_a_hypervisor_has_no_more_moves_than_its_budget_and_the_budget_is_used():
    slots, lock = Slots(Budget(at_once=4, per_hypervisor=1)), threading.Lock()
    busy, most, together = Counter[str](), Counter[str](), [0]
    meet = threading.Barrier(2, timeout=20)

    def each(one: Move) -> Move:
        place = f"hv{one.id % 2}"
        with slots.held([place]):
            with lock:
                busy[place] += 1
                most[place] = max(most[place], busy[place])
                together[0] = max(together[0], sum(busy.values()))
            meet.wait()  # comes back only when both hypervisors are at work
            with lock:
                busy[place] -= 1
        return one

    ended = sail([move(number) for number in range(1, 7)], each, threads=4, halt=lambda: None)
    assert [one.id for one in ended] == [1, 2, 3, 4, 5, 6]
    assert (most, together) == ({"hv0": 1, "hv1": 1}, [2])


def test_nobody_passes_before_all_are_there_and_then_all_do():
    gate = Gate([move(1), move(2)])
    assert gate.passes(1) is None
    assert gate.passes(2) is True
    assert gate.passes(1) is True


def test_one_that_cannot_come_shuts_the_gate_for_all():
    gate = Gate([move(1), move(2)])
    assert gate.passes(1) is None
    gate.shut()
    assert gate.passes(1) is False
    assert gate.passes(2) is False


def test_who_passed_before_a_crash_keeps_the_gate_open():
    gate = Gate([move(1, phase="release"), move(2, phase="verify")])
    gate.shut()
    assert gate.passes(2) is True


def test_one_at_a_time_stops_at_the_first_that_is_not_done():
    begun: list[int] = []

    def each(one: Move) -> Move:
        begun.append(one.id)
        return move(one.id, state="undone" if one.id == 2 else "done")

    assert [one.id for one in sail([move(1), move(2), move(3)], each, threads=1, halt=lambda: None)] == [1, 2]
    assert begun == [1, 2]
