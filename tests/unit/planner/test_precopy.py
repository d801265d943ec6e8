"""The model of pre-copy: what must hold for every server and every path, and the cases that the choices are about."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsentry.records.precopy import (
    CHANNELS_MOST,
    DEFAULTS,
    MIB,
    Guest,
    Parameters,
    Policy,
    Route,
    choose,
    predict,
    told,
)

NEAR = Route(bandwidth=125e6, rtt=0.0004)
FAR = Route(bandwidth=125e6, rtt=0.04)
memories = st.floats(min_value=MIB, max_value=64 * 1024 * MIB)
rates = st.one_of(st.floats(min_value=0, max_value=10e9), st.just(math.inf))
routes = st.builds(
    Route, bandwidth=st.floats(min_value=1e6, max_value=12.5e9), rtt=st.floats(min_value=1e-5, max_value=0.5)
)
guests = st.builds(Guest, memory=memories, dirty=rates, hot=memories)
parameters = st.builds(
    Parameters,
    downtime=st.integers(min_value=50, max_value=2000),
    channels=st.integers(min_value=1, max_value=8),
    throttle=st.sampled_from((0, 20, 50, 90)),
)


@given(guests, routes, parameters)
def test_everything_is_sent_at_least_once_and_takes_at_least_its_time(
    guest: Guest, route: Route, asked: Parameters
) -> None:
    found = predict(guest, route, asked)
    if found.converges:
        assert found.sent >= guest.memory * 0.999
        assert found.total >= guest.memory / route.bandwidth
        assert found.downtime <= found.total
        assert found.rounds >= 2


@given(guests, routes, parameters)
def test_a_server_that_writes_less_moves_no_later(guest: Guest, route: Route, asked: Parameters) -> None:
    asked = dataclasses.replace(asked, throttle=0)
    calm = predict(dataclasses.replace(guest, dirty=0.0), route, asked)
    assert calm.converges
    assert calm.total <= predict(guest, route, asked).total * 1.001


@given(guests, routes)
def test_pre_copy_ends_wherever_the_server_writes_clearly_less_than_the_path_carries(
    guest: Guest, route: Route
) -> None:
    slow = dataclasses.replace(guest, dirty=min(guest.dirty, 0.4 * route.through(1)))
    if 0.3 * 0.4 * route.through(1) > 0.4 * route.through(1) * route.rtt * 3:
        assert predict(slow, route).converges


@given(guests, routes, st.builds(Policy, gap=st.floats(min_value=0.2, max_value=5), throttle=st.booleans()))
def test_what_is_chosen_ends_by_the_model_wherever_post_copy_is_allowed(
    guest: Guest, route: Route, policy: Policy
) -> None:
    choice = choose(guest, route, policy)
    assert choice.prediction.converges
    assert 1 <= choice.parameters.channels <= CHANNELS_MOST
    assert not (choice.parameters.postcopy and choice.parameters.channels > 1), "QEMU 10.0 cannot do both"
    assert choice.parameters.throttle == 0 or policy.throttle
    assert not choice.promised or choice.prediction.downtime <= policy.gap
    assert told(choice)


@given(guests, routes)
def test_a_policy_that_allows_nothing_is_kept(guest: Guest, route: Route) -> None:
    choice = choose(guest, route, Policy(throttle=False, postcopy=False))
    assert (choice.parameters.throttle, choice.parameters.postcopy) == (0, False)
    assert choice.promised <= choice.prediction.converges


@pytest.mark.parametrize("rate", [0.0, 42e6])
def test_a_long_path_takes_several_streams_and_then_half_the_time(rate: float) -> None:
    guest = Guest(memory=512 * MIB, dirty=rate, hot=256 * MIB)
    choice = choose(guest, FAR)
    assert choice.parameters.channels >= 3
    assert choice.promised
    assert choice.prediction.total <= 0.8 * predict(guest, FAR, DEFAULTS).total
    assert choose(guest, NEAR).parameters.channels == 1


def test_a_server_that_outruns_the_path_is_slowed_and_one_that_cannot_be_told_goes_by_post_copy() -> None:
    fast = Guest(memory=256 * MIB, dirty=400e6, hot=128 * MIB)
    assert not predict(fast, FAR).converges
    slowed = choose(fast, FAR)
    assert 50 <= slowed.parameters.throttle <= 90
    assert slowed.prediction.converges
    flood = choose(Guest(memory=256 * MIB, dirty=math.inf, hot=128 * MIB), FAR)
    assert flood.parameters.postcopy
    assert flood.promised
    assert 0 < flood.parameters.late * MIB < 0.6 * FAR.bandwidth, "pages that are waited for find the link free"
    assert "post-copy" in told(flood)


def test_post_copy_promises_nothing_where_its_page_faults_take_longer_than_clients_may_wait() -> None:
    flood = Guest(memory=256 * MIB, dirty=math.inf, hot=128 * MIB)
    assert not choose(flood, Route(bandwidth=125e6, rtt=0.1)).promised
    assert not choose(flood, FAR, Policy(gap=0.5)).promised


def test_windows_are_advised_only_where_the_streams_do_not_fill_the_path_by_themselves() -> None:
    calm = Guest(memory=512 * MIB)
    assert choose(calm, FAR).parameters.window == 0
    assert choose(calm, Route(bandwidth=1.25e9, rtt=0.1)).parameters.window > 20 * MIB
    late = choose(Guest(memory=256 * MIB, dirty=math.inf, hot=128 * MIB), FAR).parameters
    assert (late.postcopy, late.window) == (True, 0), "pages that are waited for would stand behind what windows hold"


def test_a_server_that_rewrites_a_little_all_the_time_just_moves() -> None:
    found = choose(Guest(memory=256 * MIB, dirty=math.inf, hot=8 * MIB), FAR)
    assert found.parameters.postcopy is False
    assert found.promised


def test_why_tells_the_numbers_that_decided() -> None:
    line = told(choose(Guest(memory=256 * MIB, dirty=42e6, hot=128 * MIB), FAR))
    assert "1000 Mbit/s × 40.0 ms" in line
    assert "42 MB/s" in line
    assert "clients wait" in line
