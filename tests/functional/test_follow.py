"""Weights that follow, on the lab: a pool at the other end of the WAN, and a host that slows down under real load."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cloudsentry.lab.inside import quotas

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.slow
PLACE, PORT = "netns:lab-private", 8097
WITHIN = ("ip", "netns", "exec", "lab-private")
WAIT = 30.0
"""Seconds in which a slow member has lost weight, the issue's own."""


def pool(site: str, network: str, *hosts: str) -> dict[str, Any]:
    pins = [{"hypervisor": host, "count": 1, "weight": 20} for host in hosts]
    return {"site": site, "image": "tiny", "flavor": "m1.nano", "networks": [network], "pins": pins}


@contextmanager
def standing(program: Program, folder: Path, body: dict[str, Any]) -> Iterator[str]:
    path = folder / f"{body['event']}.yaml"
    path.write_text(yaml.safe_dump(body))
    try:
        assert program.json("event", "apply", str(path))["outcome"] == "done"
        yield body["event"]
    finally:
        program("event", "destroy", str(path), "--yes")


def weights(program: Program, event: str) -> dict[str, tuple[int, str]]:
    return {row["Server"]: (row["Weight now"], row["Why"]) for row in program.json("weights", "show", event)}


def test_a_far_pool_gets_weight_when_images_arrive_whole_and_loses_it_when_they_are_cut_off(
    lab: Lab, program: Program, tmp_path: Path
) -> None:
    members = [{"pool": "web"}, {"pool": "far", "fallback": {}}]
    body = {
        "event": "test-far",
        "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
        "pools": {"web": pool("nara", "front", "private-xeon2"), "far": pool("osaka", "ext", "public-hv1")},
        "balancers": {"front": {"site": "nara", "driver": "haproxy", "host": PLACE, "port": PORT, "members": members}},
    }
    with standing(program, tmp_path, body) as event:
        far = "test-far-far-public-hv1"
        assert weights(program, event)[far][0] == 0
        program("weights", "follow", event, "--times", "1")
        weight, why = weights(program, event)[far]
        assert weight == 20
        assert "transfers of 25600 bytes whole" in why
        # A fallback is asked only where none of the others answers.
        load = [*WITHIN, "curl", "-s", f"http://127.0.0.1:{PORT}/name"]
        names = {subprocess.run(load, capture_output=True, text=True, check=True).stdout.strip() for _ in range(10)}
        assert names == {"test-far-web-private-xeon2"}
        # The source's case: full-size packets vanish on the way and nobody is told, while small ones pass.
        (address,) = lab.servers(event)[0].addresses["ext"]
        program("lab", "wan", "set", "--mtu", "1200")
        try:
            small = ["curl", "-s", "-m", "2", f"http://{address['addr']}/name"]
            name = subprocess.run([*WITHIN, *small], capture_output=True, text=True, check=True)
            assert name.stdout.strip() == far
            program("weights", "follow", event, "--times", "1")
        finally:
            program("lab", "wan", "set", "--mtu", "0")
        weight, why = weights(program, event)[far]
        assert weight == 0
        assert "0 of 5 transfers of 25600 bytes were whole" in why
        # The path is mended, and the pool is a fallback again.
        program("weights", "follow", event, "--times", "1")
        assert weights(program, event)[far][0] == 20


def test_a_slowed_host_loses_weight_within_thirty_seconds_under_real_load(
    lab: Lab, program: Program, tmp_path: Path
) -> None:
    hosts = ("private-opteron1", "private-opteron2", "private-xeon1")
    balancer = {"site": "nara", "driver": "haproxy", "host": PLACE, "port": PORT, "reweigh": {}}
    body = {
        "event": "test-slow",
        "sites": {"nara": {"cloud": "private"}},
        "pools": {"web": pool("nara", "front", *hosts)},
        "balancers": {"front": balancer | {"members": [{"pool": "web"}]}},
    }
    with standing(program, tmp_path, body) as event:
        script = Path(quotas.__file__).with_name("shares.lua")
        line = ["wrk", "-t1", "-c48", "-d120s", "--timeout=10s", "-s", str(script), f"http://127.0.0.1:{PORT}/image"]
        crowd = subprocess.Popen([*WITHIN, *line, "--", "690"], stdout=subprocess.DEVNULL)
        follow = program.start("weights", "follow", event, "--every", "3")
        try:
            time.sleep(25)  # what is usual is learnt, and that nothing happens meanwhile is what is asserted
            assert {weight for weight, _ in weights(program, event).values()} == {20}
            (server,) = quotas.servers_of("private-opteron1")
            slowed = Path(quotas.group("private-opteron1", server)) / "cpu.cfs_quota_us"
            slowed.write_text(str(int(slowed.read_text()) // 2))
            until, name = time.monotonic() + WAIT, "test-slow-web-private-opteron1"
            while (seen := weights(program, event)[name])[0] == 20 and time.monotonic() < until:
                time.sleep(1)
            assert seen[0] <= 10
            assert "times as long as usual" in seen[1]
        finally:
            crowd.kill()
            follow.terminate()
            print(*follow.communicate(timeout=60))  # shown where the test fails
