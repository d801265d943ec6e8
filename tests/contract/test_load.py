"""One contract for every load driver, each with its real tool against a real server on this machine."""

from __future__ import annotations

import http.server
import importlib.metadata
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cloudsentry.drivers.load.base import LoadDriver
from cloudsentry.drivers.load.fake import FakeLoad
from cloudsentry.errors import DriverError, NotSupported
from cloudsentry.records.loading import LoadOrder, LoadResult, Target
from tests.contract.conftest import classes, same_signature

SIZE = 25 * 1024
REAL = ("wrk", "httperf", "locust")
# locust brings an extra of its own, and its workers join too late on a busy machine: `tox -e slow`.
TOOLS = ("wrk", "httperf", pytest.param("locust", marks=pytest.mark.slow))


class Images(http.server.BaseHTTPRequestHandler):
    """25 KB for /image, 404 for the rest, on kept connections."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"x" * SIZE if self.path == "/image" else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[Target]:
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Images)
    made.daemon_threads = True
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield Target(address="127.0.0.1", port=made.server_address[1])
    made.shutdown()


def driver(name: str) -> LoadDriver:
    (point,) = (one for one in importlib.metadata.entry_points(group="cloudsentry.load") if one.name == name)
    made: LoadDriver = point.load()("local")
    return made


def drive(name: str, target: Target, path: str = "/image") -> LoadResult:
    return driver(name).drive(LoadOrder(targets=(target, target), path=path, connections=2, seconds=2))


def test_every_load_driver_is_under_this_contract() -> None:
    assert {point.name for point in importlib.metadata.entry_points(group="cloudsentry.load")} == {*REAL, "fake"}


@pytest.mark.parametrize("kind", classes("cloudsentry.load"))
def test_signatures_are_the_base_s(kind: type[LoadDriver]) -> None:
    assert issubclass(kind, LoadDriver)
    assert same_signature(kind.drive, LoadDriver.drive)


@pytest.mark.daemons
@pytest.mark.parametrize("name", TOOLS)
def test_answers_bytes_and_times_are_told(name: str, server: Target) -> None:
    found = drive(name, server)
    assert found.connections == 2
    assert found.responses > 10
    assert found.errors == 0
    # Heads make up a little.
    assert found.mbits / (found.responses * SIZE * 8 / 1e6) == pytest.approx(1, abs=0.15)
    assert 0 < found.p50_ms <= found.p99_ms < 2000


@pytest.mark.daemons
@pytest.mark.parametrize("name", TOOLS)
def test_refusals_are_errors_and_no_answers(name: str, server: Target) -> None:
    found = drive(name, server, "/not-there")
    assert found.errors > 10
    assert found.responses == 0


@pytest.mark.daemons
@pytest.mark.parametrize("name", TOOLS)
def test_nobody_listening_is_told_and_not_taken_for_no_load(name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        told: DriverError | LoadResult
        try:
            told = drive(name, Target(address="127.0.0.1", port=taken.getsockname()[1]))
        except DriverError as error:
            told = error
        if isinstance(told, LoadResult):
            assert (told.responses, told.errors > 0) == (0, True)
        assert not isinstance(told, NotSupported)


@pytest.mark.parametrize("name", [*REAL, "fake"])
def test_a_place_that_is_none_is_refused_at_once(name: str) -> None:
    if name == "fake":
        assert isinstance(driver(name), FakeLoad)
        return
    (point,) = (one for one in importlib.metadata.entry_points(group="cloudsentry.load") if one.name == name)
    with pytest.raises(NotSupported):
        point.load()("the-moon")


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize(
    ("change", "what"),
    [({"targets": ()}, "targets"), ({"connections": 0}, "connections"), ({"path": "image"}, "slash")],
)
def test_orders_that_make_no_sense_are_refused(name: str, change: dict[str, Any], what: str) -> None:
    facts: dict[str, Any] = {
        "targets": (Target(address="127.0.0.1"),),
        "path": "/image",
        "connections": 1,
        "seconds": 1.0,
    }
    with pytest.raises(NotSupported, match=what):
        driver(name).drive(LoadOrder(**{**facts, **change}))
