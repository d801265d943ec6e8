"""The contracts of policies and signals, over every one of them, by the kit that other drivers are tested with."""

from __future__ import annotations

from typing import Any

import pytest

from cloudsentry.testing import conformance

from .conftest import classes


@pytest.mark.parametrize("policy", classes("cloudsentry.policy"))
def test_a_policy_is_pure_stays_within_bounds_and_takes_nothing_away_for_want_of_data(policy: Any) -> None:
    conformance.policy(policy)


@pytest.mark.enable_socket  # one bound on loopback, to which nobody listens
@pytest.mark.parametrize("signal", classes("cloudsentry.signal"))
def test_a_signal_whose_source_is_down_is_missing_and_raises_nothing(signal: Any) -> None:
    conformance.signal(signal)
