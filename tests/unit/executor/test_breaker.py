"""A sick API is left alone, asked with one call, and taken back when it answers."""

from __future__ import annotations

import pytest

from cloudsentry.errors import Busy, Denied, DriverError, NoCapacity, Unreachable
from cloudsentry.executor import Pace, reading
from cloudsentry.executor.breaker import FAILURES, REST_LEAST, REST_MOST, Breaker
from cloudsentry.testing import JumpClock

KEY = ("private", "pool")


class Api:
    """Counts its calls and answers as told."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: DriverError | None = Busy("sick", status=503)
        self.clock = JumpClock()
        self.breaker = Breaker(self.clock.now)

    def __call__(self) -> str:
        self.calls += 1
        if self.error:
            raise self.error
        return "well"

    def fail(self, times: int = FAILURES) -> None:
        for _ in range(times):
            with pytest.raises(DriverError):
                self.breaker.call(KEY, self)


def test_it_opens_after_failures_in_a_row_and_says_how_long_to_wait() -> None:
    api = Api()
    api.fail()
    assert api.breaker.open() == ((KEY, "open"),)
    with pytest.raises(Busy) as busy:
        api.breaker.call(KEY, api)
    assert (api.calls, busy.value.after) == (FAILURES, REST_LEAST)


def test_another_cloud_is_asked_all_the_same() -> None:
    api = Api()
    api.fail()
    api.error = None
    assert api.breaker.call(("public", "pool"), api) == "well"


def test_one_probe_closes_it() -> None:
    api = Api()
    api.fail()
    api.clock.sleep(REST_LEAST)
    assert api.breaker.open() == ((KEY, "half-open"),)
    api.error = None
    assert api.breaker.call(KEY, api) == "well"
    assert api.breaker.open() == ()


def test_only_one_call_probes() -> None:
    api = Api()
    api.fail()
    api.clock.sleep(REST_LEAST)

    def probe() -> str:
        with pytest.raises(Busy):
            api.breaker.call(KEY, api)
        return "probed"

    assert api.breaker.call(KEY, probe) == "probed"
    assert api.calls == FAILURES


def test_a_probe_that_fails_doubles_the_rest_up_to_the_most() -> None:
    api = Api()
    api.fail()
    rest = REST_LEAST
    for _ in range(8):
        api.clock.sleep(rest)
        api.fail(1)
        rest = min(REST_MOST, rest * 2)
        with pytest.raises(Busy) as busy:
            api.breaker.call(KEY, api)
        assert busy.value.after == pytest.approx(rest)


@pytest.mark.parametrize(
    "answer",
    [Denied("no", status=403), NoCapacity("full", status=403), Busy("immutable", status=409), Busy("slow", status=429)],
)
def test_an_answer_is_no_sickness(answer: DriverError) -> None:
    api = Api()
    api.fail(FAILURES - 1)
    api.error = answer
    api.fail(FAILURES * 2)
    assert api.breaker.open() == ()


def test_failures_that_are_not_in_a_row_open_nothing() -> None:
    api = Api()
    for _ in range(4):
        api.error = Busy("sick", status=503)
        api.fail(FAILURES - 1)
        api.error = None
        api.breaker.call(KEY, api)
    assert api.breaker.open() == ()


def test_a_dead_cloud_is_given_up_as_soon_as_without_it() -> None:
    api = Api()
    api.error = Unreachable("nobody")
    with pytest.raises(Unreachable):
        reading(lambda: api.breaker.call(KEY, api), Pace(), api.clock)
    assert api.calls <= Pace().attempts
    assert api.clock.now() < 60


def test_an_outage_is_waited_out_with_a_call_now_and_then() -> None:
    api = Api()
    asked: list[float] = []

    def call() -> str:
        asked.append(api.clock.now())
        if api.clock.now() > 20:
            api.error = None
        return api()

    assert reading(lambda: api.breaker.call(KEY, call), Pace(), api.clock) == "well"
    assert len(asked) < 12
