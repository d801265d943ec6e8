"""What the policy target makes of the last minutes."""

from __future__ import annotations

import datetime as dt

from cloudsentry.drivers.policy.target import TargetPolicy
from cloudsentry.records.scaling import Demand, Inputs, Reading, Sample

NOON = dt.datetime(2026, 8, 1, 12, 0, tzinfo=dt.UTC)


def inputs(past: list[float], **changes: object) -> Inputs:
    """Readings at every 30 s, the last one now; servers of 100 requests/s that boot for 120 s."""
    *before, now = past
    ages = range(30 * len(before), 0, -30)
    known: dict[str, object] = {
        "event": "e",
        "pool": "front",
        "now": NOON,
        "current": 4,
        "least": 2,
        "most": 50,
        "capacities": tuple(100.0 * n for n in range(51)),
        "step": 2,
        "cooldown": 300,
        "ahead": 300,
        "boot": 120,
        "signal": Reading(value=now, unit="requests/s", source="s"),
        "recent": tuple(
            Sample(at=NOON - dt.timedelta(seconds=age), value=value) for age, value in zip(ages, before, strict=True)
        ),
    }
    return Inputs(**(known | changes))  # type: ignore[arg-type]


def test_a_rise_is_carried_on_over_a_boot() -> None:
    decision = TargetPolicy().decide(inputs([200, 250, 300, 350, 400]))
    assert (decision.wanted, decision.rule) == (6, "load")
    assert "rising to 600 within a boot" in decision.reasons[0]


def test_a_crowd_that_doubles_every_minute_is_met_with_its_factor_and_no_step() -> None:
    decision = TargetPolicy().decide(inputs([100, 141, 200, 283, 400]))
    assert decision.wanted == 16, "its factor over a boot: four times as much"


def test_noise_is_no_rise() -> None:
    assert TargetPolicy().decide(inputs([395, 400, 390, 400, 398])).wanted == 4


def test_what_came_within_seconds_grows_the_pool_only_by_steps() -> None:
    decision = TargetPolicy().decide(inputs([300, 300, 300, 4000, 4000]))
    assert (decision.wanted, decision.rule) == (6, "doubt")
    assert "the load may be no crowd: it became 13 times as much within a minute" in " ".join(decision.reasons)


def test_what_no_witness_bears_out_brings_nothing() -> None:
    witness = Reading(value=150, unit="requests/s", source="w")
    decision = TargetPolicy().decide(inputs([300] * 20 + [3000], witness=witness))
    assert decision.wanted == 4
    assert "of which 300 are borne out by the witness" in decision.reasons[0]


def test_a_crowd_that_stays_away_gives_its_servers_back_though_it_was_announced() -> None:
    match = Demand(name="m", start=NOON - dt.timedelta(minutes=10), length=7200, ramp=1800, peak=2000)
    decision = TargetPolicy().decide(inputs([100] * 22, current=20, demands=(match,)))
    assert decision.wanted == 18, "by the step"
    assert "2000 requests/s were announced, but the crowd is there and is smaller" in decision.reasons


def test_before_its_start_a_match_keeps_what_was_announced() -> None:
    match = Demand(name="m", start=NOON + dt.timedelta(minutes=2), length=7200, ramp=1800, peak=2000)
    assert TargetPolicy().decide(inputs([100] * 22, current=20, demands=(match,))).wanted == 20


def test_a_finale_keeps_a_reserve() -> None:
    match = Demand(name="m", start=NOON - dt.timedelta(hours=1), length=4000, ramp=600, peak=2000, finale=900)
    decision = TargetPolicy().decide(inputs([500] * 22, current=4, demands=(match,)))
    assert decision.wanted == 10
