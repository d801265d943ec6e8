"""The network-based model: a group and its router move together, and a TCP session through the tunnel lives on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.lab
PORT = 5202
LINES = """#!/bin/sh
exec python3 - <<'PROGRAM'
import socket, threading, time
def serve(one):
    number = 0
    try:
        while True:
            one.sendall(b"%d\\n" % number)
            number += 1
            time.sleep(0.05)
    except OSError:
        one.close()
door = socket.create_server(("", 5202))
while True:
    threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()
PROGRAM
"""
HELD = """
import os, socket, sys, time
until = time.monotonic() + 60
while True:
    try:
        one = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)
        break
    except OSError:
        assert time.monotonic() < until, "nobody answers"
        time.sleep(0.5)
one.settimeout(60)
print("begun", flush=True)
wanted, rest, last, gap = 0, b"", time.monotonic(), 0.0
while not os.path.exists(sys.argv[3]):
    got = one.recv(65536)
    assert got, "the session has ended"
    now = time.monotonic()
    gap, last = max(gap, now - last), now
    *lines, rest = (rest + got).split(b"\\n")
    for line in lines:
        assert int(line) == wanted, "something is missing in the stream"
        wanted += 1
print(wanted, round(gap, 2), flush=True)
"""
POOL = {"image": "tiny", "flavor": "m1.nano", "networks": ["test-group"]}
EVENT: dict[str, Any] = {
    "event": "test-router",
    "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
    "stretches": {
        "test-group": {
            "driver": "router",
            "between": ["nara", "osaka"],
            "home": "nara",
            "hypervisor": "public-hv1",
            "uplinks": {"public-hv2": "front"},
            "cidrs": {"nara": "10.9.70.0/24", "osaka": "10.9.71.0/24"},
            "image": {"nara": "tiny", "osaka": "tiny"},
            "flavor": {"nara": "m1.tiny", "osaka": "m1.tiny"},
            "zone": {"nara": "az1"},
            "allow": [f"tcp/{PORT}"],
            "origin": "osaka",
        }
    },
    "pools": {
        "client": {**POOL, "site": "nara", "pins": [{"count": 1}]},
        "group": {
            **POOL,
            "site": "osaka",
            "pins": [{"hypervisor": "public-hv1", "count": 2}],
            "user_data": LINES,
        },
    },
}


@pytest.fixture
def event(tmp_path: Path, program: Program) -> Iterator[str]:
    """The event's file; nothing of it stands afterwards."""
    path = tmp_path / "test-router.yaml"
    path.write_text(yaml.safe_dump(EVENT, sort_keys=False))
    yield str(path)
    program("event", "destroy", str(path), "--yes")


def places(lab: Lab) -> set[str]:
    """The hypervisors of the group's servers and of its router."""
    cloud = lab.clouds["public"].compute
    tags = ("cloudsentry-event=test-router", "cloudsentry-stretch=test-router")
    return {server.compute_host for tag in tags for server in cloud.servers(tags=tag)}


def test_a_group_and_its_router_move_as_one_and_a_session_lives_on(
    lab: Lab, program: Program, event: str, tmp_path: Path
) -> None:
    assert program.json("event", "apply", event)["outcome"] == "done"
    assert all(end["Joined"] for end in program.json("stretch", "list", "test-router"))
    assert program.json("event", "apply", event)["writes"] == 0
    servers = {server.name: server for server in lab.servers("test-router")}
    before = {name: server.addresses for name, server in servers.items()}
    client = next(name for name in servers if "-client-" in name)
    member = next(server for name, server in servers.items() if "-group-" in name)
    (address,) = (entry["addr"] for entry in member.addresses["test-group"])
    assert places(lab) == {"public-hv1"}
    program("migrate", "run", "test-router", "group", "--to", "osaka", "--hypervisor", "public-hv2", code=2)

    held = None
    if os.geteuid() == 0:  # without root the lab's servers carry no traffic
        words = (
            "lab",
            "exec",
            f"private/{client}",
            "--",
            "python3",
            "-c",
            HELD,
            address,
            str(PORT),
            str(tmp_path / "over"),
        )
        held = program.start(*words)
        assert held.stdout is not None
        assert held.stdout.readline() == "begun\n", held.communicate()
    program("migrate", "run", "test-router", "test-group", "--to", "osaka", "--hypervisor", "public-hv2")
    assert places(lab) == {"public-hv2"}
    assert {server.name: server.addresses for server in lab.servers("test-router")} == before
    router = next(lab.clouds["public"].compute.servers(tags="cloudsentry-stretch=test-router"))
    assert sorted(router.addresses) == ["front", "test-group"], "it leaves by the network of its new place"
    if held is not None:
        (tmp_path / "over").touch()
        told, wrong = held.communicate(timeout=90)
        assert held.returncode == 0, wrong
        assert int(told.split()[-2]) > 0
    assert program.json("event", "status", "test-router", "--drift") == []

    assert program.json("event", "destroy", "test-router", "--yes")["outcome"] == "done"
    left = [cloud.network.networks(description="cloudsentry-event=test-router") for cloud in lab.clouds.values()]
    assert [item for found in left for item in found] == []
    kept = [cloud.compute.servers(tags="cloudsentry-stretch=test-router") for cloud in lab.clouds.values()]
    assert [item for found in kept for item in found] == []
