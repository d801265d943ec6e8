"""What an operator sees a policy decide."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsentry.drivers.policy.asked import AskedPolicy
from cloudsentry.drivers.policy.calendar import CalendarPolicy
from cloudsentry.drivers.policy.target import TargetPolicy
from cloudsentry.drivers.policy.timetable import peak
from cloudsentry.records.scaling import Ask, Decision, Demand, Inputs, Missing, Reading

FINAL = dt.datetime(2010, 8, 21, 4, 0, tzinfo=dt.UTC)
DEMAND = Demand(name="final", start=FINAL, length=3 * 3600, ramp=1800, peak=4000)
BLIND = Missing(why="no answer in 5 s", source="prometheus")


def inputs(minutes: float, **changes: object) -> Inputs:
    """A pool of 2 to 10 servers of 500 requests/s, so many minutes from the final's start."""
    base = Inputs(
        event="e",
        pool="front",
        now=FINAL + dt.timedelta(minutes=minutes),
        current=2,
        least=2,
        most=10,
        capacities=tuple(500.0 * n for n in range(11)),
        step=2,
        cooldown=300,
        ahead=900,
        boot=240,
        utilisation=0.5,
        demands=(DEMAND,),
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def load(value: float) -> Reading:
    return Reading(value=value, unit="requests/s", source="prometheus")


def ready_by(lead_minutes: float) -> Decision:
    return CalendarPolicy().decide(inputs(-lead_minutes))


def test_servers_for_the_whole_crowd_are_ordered_so_that_they_boot_and_are_ready_15_minutes_before() -> None:
    assert ready_by(15 + 4).wanted == 8
    assert ready_by(15 + 4 + 10).wanted < 8


def test_the_first_servers_come_with_the_first_of_the_crowd() -> None:
    quiet = ready_by(200)
    assert (quiet.wanted, quiet.rule, quiet.demand) == (2, "steady", 0.0)
    assert quiet.reasons[0] == "no match is near"
    ladder = [ready_by(minutes).wanted for minutes in range(60, 18, -1)]
    assert ladder == sorted(ladder)
    assert len(set(ladder)) > 3


def test_no_server_goes_while_the_crowd_is_there_and_all_go_behind_it() -> None:
    policy = CalendarPolicy()
    assert policy.decide(inputs(90, current=8)).wanted == 8
    assert policy.decide(inputs(180 + 60, current=8)).wanted == 6, "no faster than the step"
    assert policy.decide(inputs(180 + 60, current=3)).wanted == 2


def test_growing_in_a_window_waits_for_no_cooldown_and_no_step() -> None:
    just_changed = inputs(-19, changed=FINAL - dt.timedelta(minutes=20))
    assert CalendarPolicy().decide(just_changed).wanted == 8


def test_growing_outside_windows_waits_for_both() -> None:
    quiet = inputs(-600, signal=load(2000))
    assert TargetPolicy().decide(quiet).wanted == 4
    held = TargetPolicy().decide(dataclasses.replace(quiet, changed=quiet.now - dt.timedelta(seconds=100)))
    assert (held.wanted, held.rule) == (2, "cooldown")
    assert "200 s of the cool-down are left" in held.reasons[-1]


def test_the_load_takes_no_server_away_in_a_window() -> None:
    decision = TargetPolicy().decide(inputs(200, current=10, signal=load(10)))
    assert (decision.wanted, decision.rule) == (10, "window")
    assert "final" in decision.reasons[-1]


def test_a_missing_signal_holds_the_capacity_and_is_no_zero_load() -> None:
    for policy in (CalendarPolicy(), TargetPolicy()):
        decision = policy.decide(inputs(600, current=8, signal=BLIND))
        assert (decision.wanted, decision.rule) == (8, "missing")
        assert "no answer in 5 s" in " ".join(decision.reasons)


def test_a_missing_signal_does_not_stop_the_timetable() -> None:
    assert TargetPolicy().decide(inputs(-19, signal=BLIND)).wanted == 8


def test_what_is_left_carries_the_load_with_one_server_less() -> None:
    decision = TargetPolicy().decide(inputs(600, current=6, signal=load(1900), utilisation=1.0))
    assert decision.wanted == 5, "1900 need 4 servers; one may fail"
    assert "one server less" in decision.reasons[-1]


def test_a_match_that_goes_on_longer_keeps_its_servers() -> None:
    decision = CalendarPolicy().decide(inputs(180 + 60, current=8, signal=load(3300)))
    assert (decision.wanted, decision.rule) == (8, "spare")


def test_a_crowd_beyond_the_bounds_is_told() -> None:
    small = inputs(-19, most=4, capacities=tuple(500.0 * n for n in range(5)))
    decision = CalendarPolicy().decide(small)
    assert decision.wanted == 4
    assert "even 4 servers answer 2000 only" in decision.reasons


def test_a_call_is_bounded_and_says_so() -> None:
    decision = AskedPolicy().decide(inputs(0, current=8, ask=Ask(by=9, source="alert Slow")))
    assert (decision.wanted, decision.rule) == (10, "bounds")
    assert decision.reasons[0] == "alert Slow asks for +9, 17 servers"
    assert "17 would be more than at most 10" in decision.reasons


def test_a_call_takes_nothing_below_the_timetable() -> None:
    assert AskedPolicy().decide(inputs(0, current=9, ask=Ask(to=2))).wanted >= 8


@pytest.mark.parametrize("policy", [CalendarPolicy(), TargetPolicy(), AskedPolicy()])
@given(
    minutes=st.integers(-400, 700),
    current=st.integers(0, 15),
    signal=st.one_of(st.none(), st.just(BLIND), st.floats(0, 1e5).map(load)),
    by=st.integers(-20, 20),
    ago=st.one_of(st.none(), st.integers(0, 600)),
)
def test_always_within_the_bounds_never_below_the_timetable_and_never_fewer_for_want_of_data(
    policy: CalendarPolicy, minutes: int, current: int, signal: Reading | Missing | None, by: int, ago: int | None
) -> None:
    given_ = inputs(minutes, current=current, signal=signal, ask=Ask(by=by))
    if ago is not None:
        given_ = dataclasses.replace(given_, changed=given_.now - dt.timedelta(seconds=ago))
    decision = policy.decide(given_)
    assert decision == policy.decide(given_)
    assert decision.reasons
    assert decision.wanted <= max(10, current)
    assert decision.wanted >= min(2, current)
    if signal is BLIND:
        assert decision.wanted >= min(current, 10)
    now_needed = -(-DEMAND.at(given_.now) // 500)
    assert decision.wanted >= min(10, now_needed)


def test_crowds_that_overlap_add_up() -> None:
    later = dataclasses.replace(DEMAND, name="second", start=FINAL + dt.timedelta(hours=3, minutes=30))
    assert peak((DEMAND, later), FINAL, FINAL + dt.timedelta(hours=6)) == pytest.approx(4000)
    sooner = dataclasses.replace(later, start=FINAL + dt.timedelta(hours=2))
    assert peak((DEMAND, sooner), FINAL, FINAL + dt.timedelta(hours=6)) == pytest.approx(8000)
