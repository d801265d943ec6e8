"""Where a ramp bends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloudsentry.planner.knee import GROWTH, further, knee
from cloudsentry.records.loading import LoadResult

SECONDS = 2.0
RAMP = (1, 2, 4, 8, 16, 32, 64)


def step(connections: int, responses: float, p99: float = 20.0, errors: int = 0) -> LoadResult:
    return LoadResult(
        connections=connections, responses=responses, mbits=responses / 5, errors=errors, p50_ms=p99 / 2, p99_ms=p99
    )


def driven(capacity: float, service_ms: float, noise: list[float] | None = None) -> list[LoadResult]:
    """The ramp of a server of that capacity, as far as it is driven."""
    ramp: list[LoadResult] = []
    for number, connections in enumerate(RAMP):
        if not further(ramp, SECONDS):
            break
        rate = min(capacity, connections / service_ms * 1000) * (noise[number] if noise else 1)
        ramp.append(step(connections, rate, p99=max(service_ms, connections / rate * 1000)))
    return ramp


def test_the_knee_is_the_first_step_that_gives_all() -> None:
    bend = knee([step(1, 100), step(2, 200), step(4, 390), step(8, 400), step(16, 398)], SECONDS)
    assert bend is not None
    assert (bend.at.connections, bend.responses) == (4, 400)
    assert bend.why == "16 connections each: no more"


def test_a_ramp_that_still_grows_says_that_there_may_be_more() -> None:
    bend = knee([step(1, 100), step(2, 200)], SECONDS)
    assert bend is not None
    assert bend.at.connections == 2
    assert "may carry more" in bend.why


def test_one_bad_step_is_not_the_end_two_are() -> None:
    assert further([step(1, 100), step(2, 60)], SECONDS)
    assert further([step(1, 100), step(2, 60), step(4, 200)], SECONDS)
    assert not further([step(1, 100), step(2, 102), step(4, 103)], SECONDS)


def test_latency_out_of_bounds_ends_a_ramp_and_its_step_does_not_count() -> None:
    ramp = [step(1, 100, p99=2), step(2, 200, p99=3), step(4, 300, p99=900)]
    assert not further(ramp, SECONDS)
    bend = knee(ramp, SECONDS)
    assert bend is not None
    assert (bend.at.connections, bend.responses) == (2, 200)
    assert "p99 900 ms" in bend.why


def test_errors_end_a_ramp_and_their_step_does_not_count() -> None:
    ramp = [step(1, 100), step(2, 200, errors=5)]
    assert not further(ramp, SECONDS)
    bend = knee(ramp, SECONDS)
    assert bend is not None
    assert bend.responses == 100


def test_who_does_not_answer_has_no_knee() -> None:
    assert knee([step(1, 0, p99=0, errors=3)], SECONDS) is None
    assert not further([step(1, 0, p99=0, errors=3)], SECONDS)


@given(capacity=st.floats(50, 50_000), service_ms=st.floats(0.1, 20))
def test_a_full_server_s_capacity_is_found(capacity: float, service_ms: float) -> None:
    bend = knee(driven(capacity, service_ms), SECONDS)
    assert bend is not None
    reachable = min(capacity, RAMP[-1] / service_ms * 1000)
    assert reachable / (1 + GROWTH) <= bend.responses <= reachable * 1.001


@given(capacity=st.floats(50, 5000), noise=st.lists(st.floats(0.97, 1.0), min_size=7, max_size=7))
def test_a_little_noise_moves_it_little(capacity: float, noise: list[float]) -> None:
    bend = knee(driven(capacity, 1.0, noise), SECONDS)
    assert bend is not None
    assert 0.9 * capacity <= bend.responses <= capacity
