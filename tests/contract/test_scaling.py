"""The contracts of policies and signals, over every one of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import socket
from typing import Any

import pytest

from cloudsentry.drivers.policy.base import PolicyDriver
from cloudsentry.drivers.signal.base import SignalDriver, SignalOptions
from cloudsentry.records.scaling import Inputs, Missing, Reading

from .conftest import classes, same_signature

QUIET = Inputs(
    event="e",
    pool="p",
    now=dt.datetime(2010, 8, 7, tzinfo=dt.UTC),
    current=5,
    least=1,
    most=9,
    capacities=tuple(float(100 * n) for n in range(10)),
    step=9,
    cooldown=0,
    ahead=0,
    boot=0,
)


@pytest.mark.parametrize("policy", classes("cloudsentry.policy"))
def test_a_policy_is_one_pure_method(policy: Any) -> None:
    assert issubclass(policy, PolicyDriver)
    assert same_signature(policy.decide, PolicyDriver.decide)
    assert policy().decide(QUIET) == policy().decide(QUIET)


@pytest.mark.parametrize("policy", classes("cloudsentry.policy"))
def test_a_policy_takes_nothing_away_for_want_of_data_and_says_why(policy: Any) -> None:
    decision = policy().decide(dataclasses.replace(QUIET, signal=Missing(why="blind", source="s")))
    assert decision.wanted >= QUIET.current
    assert decision.reasons


@pytest.mark.parametrize("policy", classes("cloudsentry.policy"))
@pytest.mark.parametrize("current", [0, 1, 9, 20])
def test_a_policy_stays_within_the_bounds(policy: Any, current: int) -> None:
    heavy = Reading(value=1e9, unit="requests/s", source="s")
    decision = policy().decide(dataclasses.replace(QUIET, current=current, signal=heavy))
    assert 1 <= decision.wanted <= 9


@pytest.mark.enable_socket  # one bound on loopback, to which nobody listens
@pytest.mark.parametrize("signal", classes("cloudsentry.signal"))
def test_a_signal_whose_source_is_down_is_missing_and_raises_nothing(signal: Any) -> None:
    assert issubclass(signal, SignalDriver)
    assert same_signature(signal.read, SignalDriver.read)
    with socket.socket() as bound:  # bound, but not listening: nobody answers there
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        found = signal(SignalOptions(url=url, query="missing: down", timeout=1.0)).read()
    assert isinstance(found, Missing)
    assert found.why
    assert found.source
