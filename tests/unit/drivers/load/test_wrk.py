"""What wrk is told, and what is understood of its answer."""

from __future__ import annotations

import pytest

from cloudsentry.clouds.hosts import Done
from cloudsentry.drivers.load.wrk import WrkLoad
from cloudsentry.drivers.load.wrk.driver import arguments, result, script_of
from cloudsentry.errors import DriverError, NotSupported
from cloudsentry.records.loading import LoadOrder, Target

ORDER = LoadOrder(
    targets=(Target(address="10.1.0.5"), Target(address="fd00::7", port=8080)),
    path="/image",
    connections=4,
    seconds=5.0,
)
REPORT = b"""Running 5s test @ http://10.1.0.5:80/image
  2 threads and 8 connections
RESULT {"requests": 1010, "bytes": 25600000, "seconds": 5.0, "refused": 10, "broken": 3, "p50_ms": 1.5, "p99_ms": 20.25}
"""


def test_one_thread_per_target_and_connections_to_each() -> None:
    line = arguments(ORDER)
    assert line[:3] == ["-t2", "-c8", "-d5s"]
    assert line[-1] == "http://10.1.0.5:80/image"
    assert script_of(ORDER.targets).startswith('targets = {{"10.1.0.5", "80"}, {"fd00::7", "8080"}}\n')


def test_errors_are_no_answers() -> None:
    found = result(ORDER, Done(code=0, out=REPORT), "local")
    assert (found.responses, found.errors, found.connections) == (200, 13, 4)
    assert found.mbits == pytest.approx(40.96)
    assert (found.p50_ms, found.p99_ms) == (1.5, 20.25)


@pytest.mark.parametrize(
    ("order", "what"),
    [
        (LoadOrder(targets=(), path="/", connections=1, seconds=1), "targets"),
        (LoadOrder(targets=ORDER.targets, path="/", connections=0, seconds=1), "connections"),
        (LoadOrder(targets=ORDER.targets, path="/", connections=1, seconds=60), "seconds"),
        (LoadOrder(targets=ORDER.targets, path="image", connections=1, seconds=1), "slash"),
    ],
)
def test_orders_that_make_no_sense_are_refused(order: LoadOrder, what: str) -> None:
    with pytest.raises(NotSupported, match=what):
        arguments(order)


def test_nothing_but_addresses_gets_into_the_script() -> None:
    with pytest.raises(NotSupported):
        script_of((Target(address='"}} os.execute("true") --'),))


def test_a_place_without_wrk_is_told() -> None:
    with pytest.raises(NotSupported, match="not installed"):
        result(ORDER, Done(code=127), "local")
    with pytest.raises(DriverError, match="unable to connect"):
        result(ORDER, Done(code=1, out=b"unable to connect to 10.1.0.5:80 Connection refused"), "local")


def test_a_place_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(NotSupported):
        WrkLoad("the-moon")
