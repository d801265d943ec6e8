"""The retries of a whole run, and what a process knows of sick APIs, as the next one meets them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cloudsentry.errors import Ambiguous, Busy, DriverError, Unreachable
from cloudsentry.executor import Breaker, Circuits, Clock, Pace
from cloudsentry.executor.breaker import FAILURES
from cloudsentry.executor.budget import PER_STEP, Budget
from cloudsentry.executor.tries import Tries
from cloudsentry.testing import JumpClock

KEY = ("private", "pool")


def test_a_budget_is_what_is_configured_or_what_a_large_plan_needs() -> None:
    assert Budget(10, 1, 0).most == 10
    assert Budget(10, 100, 0).most == 100 * PER_STEP
    assert Budget(0, 100, 0).most == 0


def test_what_the_journal_has_is_spent_already() -> None:
    budget = Budget(3, 0, 2)
    assert [budget.spend(Unreachable("gone")) for _ in range(3)] == [True, False, False]


def test_who_says_that_it_is_busy_costs_nothing() -> None:
    budget = Budget(1, 0, 0)
    assert all(budget.spend(Busy("at work", status=409)) for _ in range(9))
    assert budget.spend(Busy("sick", status=503))
    assert not budget.spend(Busy("sick", status=503))


def test_steps_without_budget_are_given_up_and_say_so() -> None:
    budget, calls = Budget(2, 0, 0), []

    def tried() -> None:
        def call() -> None:
            calls.append(1)
            raise Unreachable("nobody")

        clock = JumpClock()
        Tries(
            call=call,
            seen=lambda: False,
            before=lambda attempt: None,
            said=lambda attempt, error: None,
            pace=Pace(),
            clock=clock,
            deadline=600.0,
            allowed=budget.spend,
        ).make()

    with pytest.raises(DriverError, match="the retries of the whole run are used up"):
        tried()
    assert len(calls) == 3
    with pytest.raises(DriverError, match="used up"):
        tried()
    assert len(calls) == 4


class Api:
    """One process's breaker before an API that is sick or well."""

    def __init__(self, file: Path, clock: Clock | None = None) -> None:
        self.calls, self.sick = 0, True
        self.breaker = Breaker((clock or JumpClock()).now, Circuits(file))

    def ask(self) -> None:
        self.breaker.call(KEY, self._answer)

    def _answer(self) -> None:
        self.calls += 1
        if self.sick:
            raise Unreachable("nobody", cloud="private")


def fail(api: Api, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Unreachable):
            api.ask()


def test_the_next_process_asks_a_sick_api_with_one_call(tmp_path: Path) -> None:
    file = tmp_path / "state" / "circuits.json"
    fail(Api(file), FAILURES)
    after = Api(file)
    assert after.breaker.open() == ((KEY, "half-open"),)
    fail(after, 5)
    assert after.calls == 1
    assert after.breaker.circuits()[0][1].failures == FAILURES + 1


def test_an_api_that_was_mended_answers_the_next_process_at_once_and_is_well_for_the_one_after(tmp_path: Path) -> None:
    file = tmp_path / "circuits.json"
    fail(Api(file), FAILURES)
    after = Api(file)
    after.sick = False
    after.ask()
    after.ask()
    assert after.calls == 2
    assert Api(file).breaker.circuits() == ()


def test_failures_of_short_processes_add_up(tmp_path: Path) -> None:
    file = tmp_path / "circuits.json"
    for _ in range(FAILURES):
        fail(Api(file), 1)
    assert Api(file).breaker.open() == ((KEY, "half-open"),)


def test_two_circuits_are_kept_side_by_side_in_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "circuits.json"
    Circuits(file).keep(KEY, 2, 0.0)
    Circuits(file).keep(("public", "pool"), 6, 4.0)
    Circuits(file).keep(KEY, 0, 0.0)
    assert Circuits(file).recall() == {("public", "pool"): (6, 4.0)}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"cloud": "a"}]', '{"a": 1}'])
def test_a_file_that_is_none_is_no_knowledge(text: str, tmp_path: Path) -> None:
    file = tmp_path / "circuits.json"
    file.write_text(text)
    assert Circuits(file).recall() == {}
    Circuits(file).keep(KEY, 1, 0.0)
    assert Circuits(file).recall() == {KEY: (1, 0.0)}


@pytest.mark.parametrize(("took", "shows", "calls"), [(0.0, 30.0, 2), (60.0, 110.0, 1)])
def test_an_effect_may_need_as_long_as_the_call_whose_answer_was_lost(took: float, shows: float, calls: int) -> None:
    clock, made = JumpClock(), []

    def call() -> None:
        made.append(clock.now())
        clock.sleep(took)
        if len(made) == 1:
            raise Ambiguous("no answer")

    Tries(
        call=call,
        seen=lambda: clock.now() >= shows,
        before=lambda attempt: None,
        said=lambda attempt, error: None,
        pace=Pace(settle=15.0),
        clock=clock,
        deadline=600.0,
    ).make()
    assert len(made) == calls
