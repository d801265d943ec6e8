"""Integers for capacities."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsentry.planner.ratios import TOLERANCE, carried, error, weights_of

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
    assert error(small, units) <= max(TOLERANCE, error(exact, units))
    assert all(1 <= weight <= 256 for weight in small.values())


def test_what_all_carry_is_bound_by_who_is_full_first() -> None:
    each, counts = {"xeon": 500.0, "opteron": 100.0}, {"xeon": 2, "opteron": 2}
    assert carried(each, counts, {"xeon": 5, "opteron": 1}, 0.0) == 1200
    assert carried(each, counts, {"xeon": 1, "opteron": 1}, 0.0) == 400
    assert carried(each, counts, {"xeon": 5, "opteron": 1}, 0.15) == pytest.approx(1020)
    assert carried(each, {}, {}, 0.15) == 0
