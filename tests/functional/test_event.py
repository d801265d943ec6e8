"""An event through the program, and what the clouds themselves say of it afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.lab
IMAGE = 25 * 1024
KOSHIEN = Path(__file__).parents[2] / "etc" / "cloudsentry" / "events" / "koshien-2010.yaml"
PINS = {"private-xeon1": 2, "private-opteron1": 2, "public-hv1": 1, "public-hv2": 1, "public-hv3": 1, "public-hv4": 1}


class Event:
    """An event file that a test may change, and its name."""

    def __init__(self, path: Path, body: dict[str, Any]) -> None:
        self.path, self.body, self.name = path, body, body["event"]
        self.write(body)

    def write(self, body: dict[str, Any]) -> str:
        self.path.write_text(yaml.safe_dump(body, sort_keys=False))
        return str(self.path)

    def changed(self, pool: str, pin: int, **values: int) -> str:
        """The file with some numbers of one pin changed."""
        body = deepcopy(self.body)
        body["pools"][pool]["pins"][pin].update(values)
        return self.write(body)

    def original(self) -> str:
        return self.write(self.body)


@pytest.fixture(scope="module")
def koshien(lab: Lab, program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Event]:
    """The tournament of 2010 under a name of the tests' own; gone when they are over."""
    body = yaml.safe_load(KOSHIEN.read_text())
    body["event"] = "test-koshien"
    event = Event(tmp_path_factory.mktemp("events") / "koshien.yaml", body)
    yield event
    program("event", "destroy", event.original(), "--yes")


@pytest.fixture
def applied(koshien: Event, program: Program) -> Event:
    """The event as the file has it, whatever the test before has made of it."""
    assert program.json("event", "apply", koshien.original())["outcome"] == "done"
    return koshien


def places(servers: list[Any]) -> Counter[str]:
    assert {server.status for server in servers} == {"ACTIVE"}
    return Counter(server.hypervisor_hostname for server in servers)


def test_eight_servers_stand_where_they_are_pinned_with_their_weights(lab: Lab, applied: Event) -> None:
    servers = lab.servers(applied.name)
    assert places(servers) == Counter(PINS)
    by_address = {
        addresses[0]["addr"]: server.hypervisor_hostname
        for server in servers
        for network, addresses in server.addresses.items()
        if network == "front"
    }
    members = {**lab.members("private", f"{applied.name}-nara"), **lab.members("public", f"{applied.name}-osaka")}
    weights = {address: 2 if host == "private-opteron1" else 10 for address, host in by_address.items()}
    assert members == weights


def test_images_come_from_the_private_origin_over_the_stretched_network(
    lab: Lab, program: Program, applied: Event
) -> None:
    servers = lab.servers(applied.name)
    origin = next(one for one in servers if one.hypervisor_hostname == "private-xeon1").addresses["origin-link"][0]
    if os.geteuid():  # without root the lab's servers carry no traffic
        return
    answers = ["-w", "%{http_code} %{size_download}\n"]
    several = [f"http://{origin['addr']}/image?{number}" for number in range(10)]
    for server in (one for one in servers if one.hypervisor_hostname.startswith("public")):
        fetch = ["curl", "-s", "-m", "30", *answers, *(word for url in several for word in ("-o", "/dev/null", url))]
        told = program("lab", "exec", f"public/{server.name}", "--", *fetch)
        assert told.splitlines() == [f"200 {IMAGE}"] * len(several)


def test_applying_twice_writes_nothing(lab: Lab, program: Program, applied: Event) -> None:
    lab.mark()
    report = program.json("event", "apply", str(applied.path))
    assert (report["outcome"], report["writes"]) == ("done", 0)
    assert lab.writes() == []
    assert program.json("event", "plan", str(applied.path)) == []


def test_status_tells_where_each_server_is(program: Program, applied: Event, lab: Lab) -> None:
    rows = program.json("event", "status", applied.name)
    assert {row["Server"]: row["Hypervisor"] for row in rows} == {
        server.name: server.hypervisor_hostname for server in lab.servers(applied.name)
    }
    assert all(row["Placed"] and row["Status"] == "ACTIVE" for row in rows)
    assert program.json("event", "status", applied.name, "--drift") == []


def test_the_crowd_is_shared_as_the_weights_say(program: Program, applied: Event) -> None:
    shares = program.json("lab", "load", f"{applied.name}-nara", "--requests", "240")
    assert sorted(row["Requests"] for row in shares) == [20, 20, 100, 100]


def test_one_number_more_makes_one_server_more_and_touches_no_other(lab: Lab, program: Program, applied: Event) -> None:
    before = {server.id for server in lab.servers(applied.name)}
    program("event", "apply", applied.changed("front-osaka", 0, count=2))
    after = {server.id: server.hypervisor_hostname for server in lab.servers(applied.name)}
    assert before < set(after)
    assert [after[new] for new in set(after) - before] == ["public-hv1"]
    assert len(lab.members("public", f"{applied.name}-osaka")) == 5


def test_one_number_less_removes_one_server_by_its_id(lab: Lab, program: Program, applied: Event) -> None:
    before = {server.id for server in lab.servers(applied.name)}
    path = applied.changed("front-nara", 0, count=1)
    planned = [row["What"] for row in program.json("event", "plan", path) if row["Action"] == "remove"]
    lab.mark()
    program("event", "apply", path)
    deletes = [request for request in lab.writes() if request.method == "DELETE"]
    gone = before - {server.id for server in lab.servers(applied.name)}
    assert len(gone) == 1
    assert [request.path.rsplit("/", 1)[1] for request in deletes] == list(gone)
    assert any(gone.copy().pop() in what for what in planned)
    assert len(lab.members("private", f"{applied.name}-nara")) == 3


def test_a_change_of_weights_is_one_write(lab: Lab, program: Program, applied: Event) -> None:
    lab.mark()
    program("event", "apply", applied.changed("front-nara", 1, weight=3))
    writes = lab.writes()
    assert [(request.service, request.method) for request in writes] == [("octavia-api", "PUT")]
    assert sorted(lab.members("private", f"{applied.name}-nara").values()) == [3, 3, 10, 10]


def test_a_server_deleted_by_hand_is_seen_and_made_again(lab: Lab, program: Program, applied: Event) -> None:
    victim = next(one for one in lab.servers(applied.name) if one.hypervisor_hostname == "private-xeon1")
    compute = lab.clouds["private"].compute
    compute.delete_server(victim)
    compute.wait_for_delete(victim, interval=1, wait=60)
    drift = program.json("event", "status", applied.name, "--drift")
    assert "front-nara@private-xeon1" in {row["Unit"] for row in drift}
    program("event", "apply", str(applied.path))
    assert places(lab.servers(applied.name)) == Counter(PINS)
    assert program.json("event", "status", applied.name, "--drift") == []


def test_a_strangers_server_of_the_same_name_is_left_alone(lab: Lab, program: Program, applied: Event) -> None:
    compute = lab.clouds["private"].compute
    ours = next(one for one in lab.servers(applied.name) if one.hypervisor_hostname == "private-xeon1")
    image, flavor = lab.clouds["private"].image.find_image("tiny"), compute.find_flavor("m1.nano")
    stranger = compute.create_server(name=ours.name, image_id=image.id, flavor_id=flavor.id, networks="none")
    try:
        compute.wait_for_server(stranger, interval=1, wait=60)
        assert program.json("event", "apply", str(applied.path))["writes"] == 0
        assert stranger.id not in str(program.json("event", "plan", str(applied.path), "--destroy"))
        program("event", "apply", applied.changed("front-nara", 0, count=1))
        assert compute.get_server(stranger.id).status == "ACTIVE"
    finally:
        compute.delete_server(stranger)
        compute.wait_for_delete(stranger, interval=1, wait=60)


def test_a_reviewed_plan_is_carried_out_once_and_then_refused(
    lab: Lab, program: Program, applied: Event, tmp_path: Path
) -> None:
    saved = str(tmp_path / "plan.json")
    program("event", "plan", applied.changed("front-nara", 1, weight=4), "--out", saved)
    assert program.json("event", "apply", saved)["outcome"] == "done"
    assert sorted(lab.members("private", f"{applied.name}-nara").values()) == [4, 4, 10, 10]
    lab.mark()
    assert "Make a new plan" in program("event", "apply", saved, code=3)
    assert lab.writes() == []


def test_destroy_leaves_nothing_and_does_nothing_twice(lab: Lab, program: Program, tmp_path: Path) -> None:
    event = Event(tmp_path / "short.yaml", small("test-short"))
    program("event", "apply", str(event.path))
    assert len(lab.servers(event.name)) == 3
    ports = lab.ports(event.name)
    assert len(ports) == 4
    assert program.json("event", "destroy", event.name, "--yes")["left"] == []
    assert lab.servers(event.name) == []
    assert [name for name in lab.balancers() if name.startswith(event.name)] == []
    assert lab.left(ports) == set()
    lab.mark()
    assert program.json("event", "destroy", event.name, "--yes")["writes"] == 0
    assert lab.writes() == []


def small(name: str) -> dict[str, Any]:
    """Three servers on three hypervisors of two clouds and one balancer: three creates, a balancer, its members."""
    body = yaml.safe_load(KOSHIEN.read_text())
    pools = body["pools"]
    for pin in pools["front-nara"]["pins"]:
        pin["count"] = 1
    pools["front-osaka"]["pins"] = pools["front-osaka"]["pins"][:1]
    # Without the private link: its VLAN belongs to the event of the other tests, which stands meanwhile.
    for pool in pools.values():
        pool["networks"] = ["front"]
    del body["stretches"]
    return {**body, "event": name, "balancers": {"nara": body["balancers"]["nara"]}}


@pytest.mark.parametrize("after", [0, 1, 2, 4, 5])
def test_a_process_killed_at_any_write_leaves_what_the_next_apply_completes(
    lab: Lab, program: Program, tmp_path: Path, after: int
) -> None:
    event = Event(tmp_path / "killed.yaml", small(f"test-killed-{after}"))
    try:
        lab.mark()
        process = program.start("event", "apply", str(event.path))
        killed_after_writes(process, lab, after)
        report = program.json("event", "apply", str(event.path))
        assert report["outcome"] == "done"
        pins = {"private-xeon1": 1, "private-opteron1": 1, "public-hv1": 1}
        assert places(lab.servers(event.name)) == Counter(pins)
        assert sorted(lab.members("private", f"{event.name}-nara").values()) == [2, 10]
        assert program.json("event", "apply", str(event.path))["writes"] == 0
    finally:
        program("event", "destroy", str(event.path), "--yes")
    assert lab.servers(event.name) == []


def killed_after_writes(process: subprocess.Popen[str], lab: Lab, number: int) -> None:
    """SIGKILL as soon as so many writes have reached the APIs; ``0``: before the first."""
    end = time.monotonic() + 60
    while number and len(lab.writes()) < number and process.poll() is None:
        assert time.monotonic() < end, "the writes never came"
        time.sleep(0.01)  # a poll of a file, bounded above
    process.send_signal(signal.SIGKILL)
    process.communicate()
