"""Weights and counts from capacities, with a part lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsentry.planner.sizing import Measured, Survive, rated, size, weigh

XEON = Measured(
    unit="web@xeon1", site="nara", domain="hypervisor xeon1", group="front", each=(2200.0, 2000.0, 1500.0, 1200.0)
)
OPTERON = Measured(
    unit="web@opteron1", site="nara", domain="hypervisor opteron1", group="front", each=(440.0, 400.0, 300.0, 240.0)
)
OSAKA = replace(XEON, unit="far@xeon9", site="osaka", domain="hypervisor xeon9", group="osaka")


def test_weights_are_of_the_packing_that_will_stand() -> None:
    assert weigh((XEON, OPTERON), {"web@xeon1": 1, "web@opteron1": 1}) == {"web@xeon1": 5, "web@opteron1": 1}
    # Two Xeon guests carry 2000 each, one Opteron guest 440: 50 to 11.
    mixed = weigh((XEON, OPTERON), {"web@xeon1": 2, "web@opteron1": 1})
    assert mixed["web@xeon1"] / mixed["web@opteron1"] == pytest.approx(2000 / 440, rel=0.02)


def test_the_loss_of_the_largest_hypervisor_is_survived() -> None:
    twins = (XEON, replace(XEON, unit="web@xeon2", domain="hypervisor xeon2"), OPTERON)
    plain = size(twins, 1600, 0.15, "nothing")
    safe = size(twins, 1600, 0.15, "hypervisor")
    assert sum(plain.counts.values()) < sum(safe.counts.values())
    assert safe.carried >= 1600
    assert "xeon" in safe.worst


def test_the_loss_of_a_site_is_survived_by_the_other_one() -> None:
    found = size((XEON, OPTERON, OSAKA), 1500, 0.15, "site")
    assert found.carried >= 1500
    assert found.counts["far@xeon9"] >= 1
    assert found.counts["web@xeon1"] >= 1


def test_no_packing_is_planned_that_was_not_measured() -> None:
    found = size((XEON, OPTERON), 1e6, 0.15, "nothing")
    assert dict(found.counts) == {"web@xeon1": 4, "web@opteron1": 4} or found.carried < 1e6
    assert max(found.counts.values()) <= 4
    assert found.carried < 1e6


def test_the_pins_own_bounds_hold() -> None:
    bounded = (replace(XEON, least=2, most=3), OPTERON)
    found = size(bounded, 10, 0.15, "nothing")
    assert found.counts["web@xeon1"] == 2
    assert size(bounded, 1e6, 0.15, "nothing").counts["web@xeon1"] <= 3


PINS = st.lists(
    st.builds(
        lambda number, first, fall, measured, hosts: Measured(
            unit=f"web@h{number}",
            site="nara" if number % 2 else "osaka",
            domain=f"hypervisor h{number}",
            group="front" if number % 2 else "far",
            each=tuple(first * fall**k for k in range(measured)),
            hosts=hosts,
            weight_most=12,
        ),
        st.integers(0, 9),
        st.floats(100, 3000),
        st.floats(0.6, 1.0),
        st.integers(1, 5),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda pin: pin.unit,
)


@settings(deadline=None, max_examples=30)
@given(pins=PINS, need=st.floats(10, 8000), survive=st.sampled_from(["nothing", "hypervisor", "site"]))
def test_what_is_told_is_true_and_within_bounds(pins: list[Measured], need: float, survive: Survive) -> None:
    found = size(pins, need, 0.15, survive)
    assert all(pin.least <= found.counts[pin.unit] <= pin.room for pin in pins)
    assert found.carried == rated(pins, found.counts, 0.15, survive).carried
    if found.carried >= need:
        # Half of them would not have done.
        half = {unit: count // 2 for unit, count in found.counts.items()}
        assert rated(pins, half, 0.15, survive).carried <= found.carried * 1.001


@settings(deadline=None, max_examples=30)
@given(pins=PINS, survive=st.sampled_from(["hypervisor", "site"]))
def test_losing_something_never_carries_more_than_losing_nothing(pins: list[Measured], survive: Survive) -> None:
    counts = {pin.unit: 2 for pin in pins}
    whole = rated(pins, counts, 0.0, "nothing").carried
    plain = sum(pin.one(1) * 2 for pin in pins)
    assert whole <= plain * 1.001
