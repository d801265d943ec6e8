"""What the policy forecast makes of earlier matches."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

from cloudsentry.drivers.policy.forecast import ForecastPolicy
from cloudsentry.drivers.policy.target import TargetPolicy
from cloudsentry.drivers.policy.templates import foretold
from cloudsentry.journal.courses import Courses
from cloudsentry.records.scaling import Course, Demand, Inputs, Missing, Sample
from elasticity.test_trend import NOON, inputs

LENGTH, RAMP = 3600.0, 600.0


def course(number: int, burst: float = 1.0, kind: str = "cup") -> Course:
    """Half the announced crowd, and a burst in the last 20 of 60 minutes."""
    minutes = [0.0] * 10 + [0.5] * 40 + [burst] * 20 + [0.0] * 10
    start = NOON - dt.timedelta(days=9 - number)
    return Course(match=f"m{number}", kind=kind, start=start, length=LENGTH, ramp=RAMP, shares=tuple(minutes))


def match(minutes: float, kind: str = "cup") -> Demand:
    """One that started so many minutes ago."""
    start = NOON - dt.timedelta(minutes=minutes)
    return Demand(name="now", start=start, length=LENGTH, ramp=RAMP, peak=2000, kind=kind)


def on(minutes: float, load: float, courses: int = 4, **changes: object) -> Inputs:
    """Twenty readings of a load in a match that is on, with earlier ones of its kind."""
    known = {"demands": (match(minutes),), "courses": tuple(map(course, range(courses))), "ahead": 0, "most": 60}
    return inputs([load] * 21, **(known | {"capacities": tuple(100.0 * n for n in range(61))} | changes))


def test_a_burst_that_earlier_matches_had_is_made_ready_for_before_it_comes() -> None:
    early, late = ForecastPolicy().decide(on(20, 1000)), ForecastPolicy().decide(on(38.5, 1000))
    assert early.wanted <= 12, "half an hour before it, the load of now"
    assert (late.wanted, late.rule) == (20, "forecast")
    assert "earlier matches let expect 2000" in late.reasons[0]


def test_a_crowd_that_is_half_as_large_as_announced_is_expected_to_stay_so() -> None:
    assert 9 <= ForecastPolicy().decide(on(38.5, 500)).wanted <= 13


def test_after_a_burst_servers_go_inside_of_the_match_when_nobody_came_back_ever_before() -> None:
    over = on(62, 100, current=20, least=2, changed=NOON - dt.timedelta(hours=1), step=30)
    decision = ForecastPolicy().decide(over)
    assert decision.wanted < 8
    assert TargetPolicy().decide(over).wanted >= decision.wanted


def test_a_match_that_goes_on_after_its_announced_end_is_taken_for_a_late_one() -> None:
    still, gone = foretold(on(62, 2000), 240), foretold(on(62, 100), 240)
    assert still is not None
    assert still >= 1900, "the burst that is on looks like earlier ones before their end"
    assert gone is not None
    assert gone <= 300


def test_of_few_earlier_matches_none_had_the_earliest_burst() -> None:
    few, many = foretold(on(35.5, 1000, courses=3), 60), foretold(on(35.5, 1000, courses=24), 60)
    assert (few, many) == (2000, 1000), "three tell of bursts from the 40th minute on, an earlier one is no surprise"


def test_with_too_few_earlier_matches_or_another_kind_it_is_the_policy_target() -> None:
    for seen in (on(38.5, 1000, courses=2), on(38.5, 1000, demands=(match(38.5, kind="league"),))):
        assert ForecastPolicy().decide(seen) == TargetPolicy().decide(seen)


def test_nothing_of_the_match_itself_is_foretold_from_itself() -> None:
    own = dataclasses.replace(course(1), match="now")
    assert foretold(on(20, 1000, courses=2, demands=(match(20),)), 120) is None
    seen = on(20, 1000, courses=0)
    assert foretold(dataclasses.replace(seen, courses=(own, own, own)), 120) is None


def test_a_missing_signal_holds_what_there_is_and_lost_servers_are_ordered_elsewhere() -> None:
    blind = on(20, 1000, current=21, signal=Missing(why="blind", source="s"))
    assert ForecastPolicy().decide(blind).wanted >= 21
    lost = dataclasses.replace(blind, signal=Missing(why="blind", source="s", lost=3))
    assert ForecastPolicy().decide(lost).wanted == 23, "2000 announced, and three that do not answer"


def test_the_journal_gives_back_what_is_over_and_nothing_that_is_on(tmp_path: Path) -> None:
    kept = Courses(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    demand = match(0)
    for minute in range(80):
        now = demand.begins + dt.timedelta(minutes=minute, seconds=5)
        kept.note("e", "front", now, [(demand, 0.25)])
        kept.note("e", "front", now, [(demand, 0.2)])
    assert kept.past("e", "front", demand.ends) == ()
    later = demand.ends + dt.timedelta(seconds=1)
    (found,) = kept.past("e", "front", later)
    assert (found.match, found.shares) == ("now", (0.25,) * 80), "the larger of a minute's readings"
    assert kept.past("next-year", "front", later) == (found,), "its kind is named"
    kept.note("e", "front", NOON, [(dataclasses.replace(demand, name="blind"), 0.3)])
    assert len(kept.past("e", "front", later)) == 1, "one minute of eighty tells no course"
    kept.close()


def test_samples_of_overlapping_matches_are_shared_as_announced() -> None:
    two = (match(20), dataclasses.replace(match(20), name="other", peak=1000.0))
    seen = on(20, 1500, demands=two)
    assert isinstance(seen.recent[0], Sample)
    both = foretold(seen, 60)
    assert both is not None
    assert 1300 <= both <= 1700, "half of 2000, and half of 1000"
