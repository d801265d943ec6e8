"""A conversion host by ssh: a real sshd, and a Glance beside it that takes a PUT, refuses it, or hangs up."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cloudsentry.clouds.hosts import host_of
from cloudsentry.drivers.mover.conversion import BLOCK, Depot
from cloudsentry.errors import Ambiguous, Conflict, Denied, Unreachable

from .test_ssh_host import Server, server

__all__ = ["server"]

pytestmark = [pytest.mark.daemons, pytest.mark.enable_socket]
DISK = random.Random(1).randbytes(30 * BLOCK + 5)
TOKEN = "gAAAA-secret"


class Glance(ThreadingHTTPServer):
    """Keeps the last image that came whole; ``refuses`` with a status, after ``after`` bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.images: dict[str, bytes] = {}
        self.tokens: list[str | None] = []
        self.refuses, self.after = 0, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Glance

    def do_PUT(self) -> None:
        self.server.tokens.append(self.headers["X-Auth-Token"])
        wanted = int(self.headers["Content-Length"])
        refused = self.server.refuses
        data = self.rfile.read(min(self.server.after, wanted) if refused else wanted)
        if len(data) == wanted:
            self.server.images[self.path] = data
        self.send_response(refused or 204)
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


class Cloud:
    name = "public"

    def __init__(self, port: int) -> None:
        self.port = port

    def lent(self, service: str, path: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/v2{path}"
        return {"url": url, "token": TOKEN, "ca": "", "insecure": False, "agent": "cloudsentry/test"}


@pytest.fixture
def glance() -> Iterator[Glance]:
    made = Glance()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(params=["local", "ssh"])
def depot(request: pytest.FixtureRequest, glance: Glance) -> Depot:
    place = "local" if request.param == "local" else request.getfixturevalue("server").place
    return Depot(host_of(place), Cloud(glance.server_port))  # type: ignore[arg-type]


@pytest.fixture
def name(depot: Depot) -> Iterator[str]:
    made = f"test-{uuid.uuid4().hex}"
    yield made
    depot.drop(made)
    folder = Path(f"/var/tmp/cloudsentry-{os.geteuid()}")
    assert [path for path in folder.glob(f"{made}.*") if path.suffix != ".lock"] == []


def whole(start: int) -> Iterator[bytes]:
    yield DISK[start:]


def test_glance_gets_the_image_while_it_comes_and_its_token_from_nowhere_else(depot: Depot, name: str, glance: Glance):
    sent = depot.bring(name, "one", len(DISK), whole, "1")
    assert glance.images == {"/v2/images/1/file": DISK}
    assert glance.tokens == [TOKEN]
    assert sent.bytes == len(DISK)


def test_an_upload_that_is_cut_goes_on_and_glance_has_all_of_it(depot: Depot, name: str, glance: Glance):
    def cut(start: int) -> Iterator[bytes]:
        yield DISK[start : len(DISK) // 2]
        raise Unreachable("cut")

    with pytest.raises(Unreachable):
        depot.bring(name, "one", len(DISK), cut, "1")
    assert glance.images == {}
    sent = depot.bring(name, "one", len(DISK), whole, "1")
    assert hashlib.sha256(glance.images["/v2/images/1/file"]).digest() == hashlib.sha256(DISK).digest()
    assert sent.bytes <= len(DISK) * 0.55


def test_a_delta_that_is_cut_goes_on_and_glance_has_the_later_state(depot: Depot, name: str, glance: Glance):
    later = random.Random(2).randbytes(BLOCK) + DISK[: 20 * BLOCK] + bytes(3 * BLOCK) + DISK[20 * BLOCK :]
    depot.bring(name, "one", len(DISK), whole)

    def cut(start: int) -> Iterator[bytes]:
        yield later[start : len(later) * 3 // 4]
        raise Unreachable("cut")

    with pytest.raises(Unreachable):
        depot.bring(name, "two", len(later), cut, "1")
    sent = depot.bring(name, "two", len(later), lambda start: [later[start:]], "1")
    assert glance.images == {"/v2/images/1/file": later}
    assert sent.bytes == 0, "the one block that is new had come before the cut"
    assert depot.bring(name, "two", len(later), lambda start: [later[start:]], "2").kept == sent.blocks
    assert glance.images["/v2/images/2/file"] == later


@pytest.mark.parametrize(
    ("status", "error", "after"),
    [
        (401, Denied, 0),
        (403, Denied, 10**9),
        (409, Conflict, 0),
        (500, Ambiguous, 10**9),
        (503, Ambiguous, 0),
    ],
)
def test_what_glance_refuses_is_told_by_its_status(
    depot: Depot, name: str, glance: Glance, status: int, error: type[Exception], after: int
):
    glance.refuses, glance.after = status, after
    with pytest.raises(error) as told:
        depot.bring(name, "one", len(DISK), whole, "1")
    assert TOKEN not in str(told.value)
    glance.refuses = 0
    assert depot.bring(name, "one", len(DISK), whole, "1").bytes == 0, "what has come is not sent again"
    assert glance.images["/v2/images/1/file"] == DISK


def test_a_glance_that_is_not_there_is_unreachable(depot: Depot, name: str, glance: Glance):
    glance.shutdown()
    glance.server_close()
    with pytest.raises(Unreachable):
        depot.bring(name, "one", len(DISK), whole, "1")


def test_a_host_whose_key_is_another_is_denied(server: Server, glance: Glance):
    server.trust("other_key")
    with pytest.raises(Denied):
        Depot(host_of(server.place), Cloud(glance.server_port)).free()  # type: ignore[arg-type]
