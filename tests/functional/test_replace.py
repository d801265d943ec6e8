"""A pool moves to the other cloud, or within its own while it runs: none of those who ask its VIP notices."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_migrate import NETWORK, stand, wide

import cloudsentry.lab
from cloudsentry.clouds.namespaces import inside

if TYPE_CHECKING:
    from conftest import Lab, Program

__all__ = ["stand", "wide"]

SHARES = Path(cloudsentry.lab.__file__).parent / "inside" / "shares.lua"


@pytest.fixture
def crowd(lab: Lab) -> Iterator[Callable[[str], Callable[[], dict[str, Any]]]]:
    """Begins to ask a balancer's VIP; what it gives ends that and tells what was counted."""
    begun: list[subprocess.Popen[str]] = []

    def begin(balancer: str) -> Callable[[], dict[str, Any]]:
        (found,) = lab.clouds["private"].load_balancer.load_balancers(name=balancer)
        load = ["-t1", "-c4", "-d600s", "--timeout=10s", "-s", str(SHARES), f"http://{found.vip_address}/name"]
        inside = ["ip", "netns", "exec", "lab-private", "wrk", *load, "--", "40"]
        begun.append(subprocess.Popen(inside, stdout=subprocess.PIPE, text=True))

        def end() -> dict[str, Any]:
            assert begun[-1].poll() is None, "the load was over before the move"
            begun[-1].send_signal(signal.SIGINT)
            told: dict[str, Any] = json.loads(begun[-1].communicate(timeout=60)[0].rpartition("RESULT ")[2])
            return told

        return end

    yield begin
    for one in begun:
        if one.poll() is None:
            one.kill()
            one.communicate()


@pytest.mark.lab
def test_no_request_is_lost_while_a_pool_moves(
    lab: Lab,
    program: Program,
    stand: Callable[[str, int], str],
    crowd: Callable[[str], Callable[[], dict[str, Any]]],
) -> None:
    name = stand("test-quick", 1)
    ended = crowd(f"{name}-web")
    (moved,) = program.json("migrate", "run", name, "front-nara", "--to", "public", "--hypervisor", "public-hv1")
    told = ended()
    assert (moved["State"], told["errors"]) == ("done", 0)
    (server,) = lab.servers(name)
    assert server.name in told["answers"], "nobody asked the new server"


class Session:
    """One TCP connection to a server, from its site; it has answered once."""

    def __init__(self, address: str, name: str) -> None:
        self._name = name
        with inside("lab-private"):
            self._door = socket.create_connection((address, 80), timeout=10)
        assert self.answers()

    def answers(self) -> bool:
        """Whether the same connection still does."""
        self._door.sendall(b"GET /name HTTP/1.1\r\nHost: lab\r\n\r\n")
        got = b""
        while self._name.encode() not in got and (part := self._door.recv(4096)):
            got += part
        return self._name.encode() in got


@pytest.mark.lab
def test_servers_of_a_pool_move_within_their_cloud_and_nothing_drifts(
    lab: Lab, program: Program, stand: Callable[[str, int], str]
) -> None:
    name = stand("test-live", 2)
    before = {server.id for server in lab.servers(name)}
    sessions = [Session(row["Address"], row["Server"]) for row in program.json("event", "status", name)]
    moved = program.json(
        "migrate", "run", name, "front-nara", "--to", "private", "--hypervisor", "private-xeon1", "--at-once", "2"
    )
    assert [(row["Mover"], row["State"]) for row in moved] == [("live", "done")] * 2
    assert all(session.answers() for session in sessions), "a TCP session did not outlive the move"
    after = lab.servers(name)
    assert {server.id for server in after} == before
    assert {server.hypervisor_hostname for server in after} == {"private-xeon1"}
    assert program.json("event", "status", name, "--drift") == []
    pins = program.json("event", "show", name)["body"]["pools"]["front-nara"]["pins"]
    assert [(pin["hypervisor"], pin["count"], pin["weight"]) for pin in pins] == [("private-xeon1", 2, 10)]
    assert NETWORK in program.json("event", "show", name)["body"]["pools"]["front-nara"]["networks"]


@pytest.mark.slow
def test_a_live_move_that_is_given_up_leaves_the_server_where_it_was_and_one_may_be_forced(
    lab: Lab, program: Program, stand: Callable[[str, int], str]
) -> None:
    name = stand("test-given-up", 1)
    (server,) = lab.servers(name)
    slow = ("lab", "fault", "add", "private/private-xeon2", "hang", "--operation", "live_migration", "--delay", "120")
    try:
        for verb, state, where in (("abort", "undone", "private-xeon2"), ("force", "done", "private-xeon1")):
            program(*slow, "--times", "1")
            moving = program.start(
                "migrate", "run", name, server.name, "--to", "private", "--hypervisor", "private-xeon1", "-f", "json"
            )
            number = running(lab, program, name, server.id, moving)
            program("migrate", verb, str(number))
            out, told = moving.communicate(timeout=100)
            assert json.loads(out)[0]["State"] == state, told
            (still,) = lab.servers(name)
            assert (still.status, still.hypervisor_hostname) == ("ACTIVE", where)
            assert program.json("event", "status", name, "--drift") == []
    finally:
        program("lab", "fault", "clear")


def running(lab: Lab, program: Program, name: str, server: str, moving: subprocess.Popen[str]) -> int:
    """The number of the move whose live migration Nova has under way."""
    import time

    end = time.monotonic() + 90
    while time.monotonic() < end:
        assert moving.poll() is None, moving.communicate()
        listed = list(lab.clouds["private"].compute.server_migrations(server))
        if any(one.status == "running" for one in listed):
            return int(program.json("migrate", "list", "--event", name)[0]["Move"])
        time.sleep(0.5)  # a poll of Nova, bounded above
    raise AssertionError("the live migration never ran")
