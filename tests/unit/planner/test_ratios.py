"""Integers for capacities."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsentry.planner.ratios import TOLERANCE, carried, error, kinds_of, weights_of, width_of

CAPACITIES = st.lists(st.floats(10, 2000), min_size=1, max_size=3)


def named(capacities: list[float]) -> dict[str, float]:
    return {f"web@host{number}": capacity for number, capacity in enumerate(capacities)}


def test_the_source_s_load_factors() -> None:
    assert weights_of({"xeon": 500.0, "opteron": 100.0}, 256) == {"xeon": 5, "opteron": 1}
    assert weights_of({"xeon": 503.0, "opteron": 100.0}, 256) == {"xeon": 5, "opteron": 1}
    assert weights_of({"xeon": 2153.0, "opteron": 1107.0}, 256) == {"xeon": 21, "opteron": 11}


def test_who_carries_nothing_gets_nothing() -> None:
    assert weights_of({"a": 3.0, "b": 0.0}, 256) == {"a": 1, "b": 0}
    assert weights_of({"a": 0.0}, 256) == {"a": 0}


def test_a_range_too_small_still_serves_everybody() -> None:
    assert weights_of({"a": 1000.0, "b": 1.0}, 100) == {"a": 100, "b": 1}


@settings(deadline=None)
@given(CAPACITIES, st.integers(1, 9))
def test_no_other_integers_have_less_error(capacities: list[float], most: int) -> None:
    units = named(capacities)
    found = weights_of(units, most, tolerance=0.0)
    tried = itertools.product(range(1, most + 1), repeat=len(units))
    best = min(error(dict(zip(units, weights, strict=True)), units) for weights in tried)
    assert error(found, units) == pytest.approx(best, abs=1e-9)


@settings(deadline=None)
@given(CAPACITIES)
def test_smaller_integers_are_taken_within_the_tolerance(capacities: list[float]) -> None:
    units = named(capacities)
    small, exact = weights_of(units, 256), weights_of(units, 256, tolerance=0.0)
    assert max(small.values()) <= max(exact.values())
    assert error(small, units) <= max(TOLERANCE, error(exact, units)) + 1e-9
    assert all(1 <= weight <= 256 for weight in small.values())


def test_what_all_carry_is_bound_by_who_is_full_first() -> None:
    each, counts = {"xeon": 500.0, "opteron": 100.0}, {"xeon": 2, "opteron": 2}
    assert carried(each, counts, {"xeon": 5, "opteron": 1}, 0.0) == 1200
    assert carried(each, counts, {"xeon": 1, "opteron": 1}, 0.0) == 400
    assert carried(each, counts, {"xeon": 5, "opteron": 1}, 0.15) == pytest.approx(1020)
    assert carried(each, {}, {}, 0.15) == 0


def test_what_cannot_be_told_apart_has_one_weight_and_the_smallest_integers_that_agree() -> None:
    # Two kinds, of which two hosts each were measured; by their rounds the hosts of a kind are alike.
    each = {"opteron1": 421.6, "opteron2": 446.0, "xeon1": 2193.8, "xeon2": 2107.2}
    spreads = {"opteron1": 0.04, "opteron2": 0.03, "xeon1": 0.02, "xeon2": 0.03}
    assert weights_of(each, 256, spreads) == {"opteron1": 1, "opteron2": 1, "xeon1": 5, "xeon2": 5}
    assert [kind.units for kind in kinds_of(each, spreads)] == [("opteron1", "opteron2"), ("xeon2", "xeon1")]
    # Nothing to go by: their medians as they are.
    assert len(set(weights_of(each, 256).values())) == 4


def test_rounds_that_agree_by_chance_are_known_no_better_than_all_were() -> None:
    each, lucky = {"a": 100.0, "b": 104.0, "c": 500.0}, {"a": 0.0, "b": 0.0, "c": 0.09}
    assert weights_of(each, 256, lucky) == {"a": 1, "b": 1, "c": 5}


def test_a_spread_of_half_the_capacity_makes_no_slow_unit_of_a_fast_one() -> None:
    each, wild = {"a": 100.0, "b": 150.0}, {"a": 0.5, "b": 0.5}
    assert weights_of(each, 256, wild) == {"a": 2, "b": 3}


def test_no_chain_of_neighbours_joins_what_is_far_apart() -> None:
    each = {f"h{number}": 100.0 * 1.04**number for number in range(6)}
    kinds = kinds_of(each, dict.fromkeys(each, 0.025))
    assert [len(kind.units) for kind in kinds] == [2, 2, 2]
    assert all(before.high < after.low for before, after in itertools.pairwise(kinds))


MEASURED = st.lists(st.tuples(st.floats(10, 2000), st.floats(0, 0.2)), min_size=1, max_size=5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(100, 1000), st.floats(0, 0.2)), min_size=1, max_size=5))
def test_weights_are_never_farther_off_than_the_spread(measured: list[tuple[float, float]]) -> None:
    units = named([capacity for capacity, _ in measured])
    spreads = dict(zip(units, (spread for _, spread in measured), strict=True))
    found = weights_of(units, 256, spreads)
    ranges = {
        unit: (units[unit] * (1 - width_of(unit, spreads)), units[unit] * (1 + width_of(unit, spreads)))
        for unit in units
    }
    # Some number of responses/s for a point of weight agrees with all that was measured, as far as 256 points can say.
    least = max(low / found[unit] for unit, (low, _) in ranges.items())
    largest = min(high / found[unit] for unit, (_, high) in ranges.items())
    assert least <= largest * 1.02


@settings(deadline=None)
@given(MEASURED)
def test_equals_get_equal_weights_and_nobody_less_than_a_weaker_one(measured: list[tuple[float, float]]) -> None:
    doubled = [*measured, *((capacity, spread / 2) for capacity, spread in measured)]
    units = named([capacity for capacity, _ in doubled])
    spreads = dict(zip(units, (spread for _, spread in doubled), strict=True))
    found = weights_of(units, 256, spreads)
    for one, other in itertools.permutations(units, 2):
        assert found[one] <= found[other] or units[one] > units[other]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(10, 200), st.floats(0, 0.1)), min_size=1, max_size=3))
def test_no_smaller_integers_agree_with_what_was_measured(measured: list[tuple[float, float]]) -> None:
    units = named([capacity for capacity, _ in measured])
    spreads = dict(zip(units, (spread for _, spread in measured), strict=True))
    kinds = kinds_of(units, spreads)
    largest = max(weights_of(units, 256, spreads).values())
    for weights in itertools.product(range(1, min(largest, 13)), repeat=len(kinds)):
        least = max(kind.low / weight for kind, weight in zip(kinds, weights, strict=True))
        assert least > min(kind.high / weight for kind, weight in zip(kinds, weights, strict=True))
