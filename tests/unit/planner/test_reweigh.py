"""Weights that follow how fast members answer: what changes them, and what never does."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsentry.planner.reweigh import LOOKS, Rules, Seen, State, follow, ramped

RULES = Rules()
FULL = {"xeon": 100, "opteron": 20, "other": 80}
USUAL = {"xeon": 10.0, "opteron": 40.0, "other": 15.0}


def start(weights: dict[str, int] | None = None) -> dict[str, State]:
    return {unit: State(full=full, weight=(weights or FULL)[unit]) for unit, full in FULL.items()}


def looks(states: dict[str, State], times: dict[str, float | None], count: int, now: float = 0.0) -> dict[str, State]:
    for number in range(count):
        seen = [Seen(unit=unit, time=time) for unit, time in times.items()]
        states = follow(states, seen, RULES, now + 5.0 * number)
    return states


def learnt() -> dict[str, State]:
    return looks(start(), dict(USUAL), 6)


def test_a_host_at_half_its_speed_loses_weight_within_thirty_seconds() -> None:
    slow = looks(learnt(), {**USUAL, "xeon": 20.0}, 6, now=100)
    assert slow["xeon"].weight <= 60
    assert "times as long as usual" in slow["xeon"].why
    assert (slow["opteron"].weight, slow["other"].weight) == (20, 80)


def test_one_slow_look_is_not_enough() -> None:
    assert looks(learnt(), {**USUAL, "xeon": 90.0}, LOOKS - 1, now=100)["xeon"].weight == 100


def test_a_crowd_that_slows_down_everybody_changes_nothing() -> None:
    slow = looks(learnt(), {unit: time * 6 for unit, time in USUAL.items()}, 20, now=100)
    assert {unit: state.weight for unit, state in slow.items()} == FULL


def test_who_answers_well_again_gets_it_back_by_and_by() -> None:
    slow = looks(learnt(), {**USUAL, "xeon": 25.0}, 3, now=100)
    assert slow["xeon"].weight < 100
    soon = looks(slow, dict(USUAL), 6, now=120)
    assert soon["xeon"].weight == slow["xeon"].weight
    late = looks(slow, dict(USUAL), 200, now=120)
    assert late["xeon"].weight == 100


def test_a_relapse_doubles_the_time_to_the_next_try() -> None:
    state = looks(learnt(), {**USUAL, "xeon": 25.0}, 2, now=100)
    first = _time_to_a_try(state)
    tried = looks(state, dict(USUAL), 14, now=110)
    assert tried["xeon"].trial
    relapsed = looks(tried, {**USUAL, "xeon": 25.0}, 2, now=200)
    assert relapsed["xeon"].relapses == 1
    assert _time_to_a_try(relapsed) >= 2 * first - 5


def _time_to_a_try(state: dict[str, State]) -> float:
    since, weight = state["xeon"].since, state["xeon"].weight
    for number in range(200):
        state = looks(state, dict(USUAL), 1, now=since + 5 * number)
        if state["xeon"].weight > weight:
            return 5.0 * number
    raise AssertionError("never tried")


def test_who_takes_over_what_others_lost_keeps_its_weight() -> None:
    slow = looks(learnt(), {**USUAL, "xeon": 25.0}, 3, now=100)
    busy = looks(slow, {**USUAL, "other": 90.0}, 10, now=130)
    assert slow["xeon"].weight < 100
    assert busy["other"].weight == 80


def test_a_restart_goes_on_from_what_was_kept() -> None:
    slow = looks(learnt(), {**USUAL, "xeon": 25.0}, 3, now=100)["xeon"]
    kept = State(full=100, weight=slow.weight, since=slow.since, normal=slow.normal, relapses=slow.relapses)
    again = {**start(), "xeon": kept}
    assert looks(again, {**USUAL, "xeon": 25.0}, 8, now=130)["xeon"].weight < slow.weight


TIMES = st.floats(0, 5000)
LOOKED = st.lists(st.fixed_dictionaries({unit: st.one_of(st.none(), TIMES) for unit in FULL}), min_size=1, max_size=40)


@settings(deadline=None, max_examples=60)
@given(looked=LOOKED, gap=st.floats(1, 300))
def test_weights_stay_within_floor_and_full_and_no_step_is_too_large(
    looked: list[dict[str, float | None]], gap: float
) -> None:
    states = start()
    for number, times in enumerate(looked):
        before = states
        states = follow(states, [Seen(unit=unit, time=time) for unit, time in times.items()], RULES, gap * number)
        for unit, state in states.items():
            assert round(FULL[unit] * RULES.floor) <= state.weight <= FULL[unit]
            assert state.weight >= before[unit].weight * (1 - RULES.step) - 1
        eased = sum(FULL[unit] for unit, state in states.items() if state.weight < state.full)
        assert eased <= sum(FULL.values()) / 2
        for unit, state in states.items():
            if times[unit] is None:
                assert state.weight == before[unit].weight


@settings(deadline=None, max_examples=60)
@given(
    noise=st.lists(st.fixed_dictionaries({unit: st.floats(0.95, 1.05) for unit in FULL}), min_size=10, max_size=60),
    crowd=st.lists(st.floats(0.5, 8), min_size=60, max_size=60),
)
def test_five_percent_of_noise_on_any_crowd_changes_nothing(noise: list[dict[str, float]], crowd: list[float]) -> None:
    states = learnt()
    for number, factors in enumerate(noise):
        times = [Seen(unit=unit, time=USUAL[unit] * factors[unit] * crowd[number]) for unit in FULL]
        states = follow(states, times, RULES, 100 + 5.0 * number)
    assert {unit: state.weight for unit, state in states.items()} == FULL


@given(known=st.sampled_from(sorted(FULL)), time=TIMES, count=st.integers(1, 20))
def test_missing_data_never_changes_a_weight(known: str, time: float, count: int) -> None:
    states = learnt()
    after = looks(states, {unit: time if unit == known else None for unit in FULL}, count, now=500)
    assert {unit: state.weight for unit, state in after.items()} == FULL
    assert looks(states, dict.fromkeys(FULL), count, now=500) == states


def test_answers_within_milliseconds_are_all_alike() -> None:
    quick = looks(start(), dict.fromkeys(FULL, 1.0), 6)
    assert looks(quick, {"xeon": 4.0, "opteron": 1.0, "other": 0.0}, 20, now=100)["xeon"].weight == 100


def test_one_unit_alone_has_nobody_to_be_compared_with() -> None:
    alone = {"xeon": State(full=100, weight=100, normal=10.0)}
    assert follow(alone, [Seen(unit="xeon", time=900.0)], RULES, 10) == alone


@given(full=st.integers(0, 256), seconds=st.floats(1, 600), moments=st.lists(st.floats(0, 900), max_size=20))
def test_a_site_that_comes_only_grows_and_ends_at_its_weight(full: int, seconds: float, moments: list[float]) -> None:
    weights = [ramped(full, moment, seconds, 0.1) for moment in sorted(moments)]
    assert weights == sorted(weights)
    assert all(0 <= weight <= full for weight in weights)
    assert ramped(full, seconds, seconds, 0.1) == full
    assert replace(State(full=full, weight=full)).weight == full
