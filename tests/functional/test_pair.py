"""A balancer on servers that the event itself boots: two of them, one address, and either may go."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.slow
NAME = "test-pair"
WITHIN = ("ip", "netns", "exec", "lab-private")
DISKS = Path("/var/lib/cloudsentry/balancers")
"""Where the lab's servers keep what a balancer needs: a folder each, as they are namespaces and share this disk."""
FAILOVER = 15.0
"""Seconds in which the other server has the address; keepalived takes one to two, a busy machine more."""


def servers(*pins: tuple[str, int]) -> dict[str, Any]:
    made = [{"hypervisor": host, "count": 1, "weight": weight} for host, weight in pins]
    return {"site": "nara", "image": "tiny", "flavor": "m1.nano", "networks": ["front"], "pins": made}


@pytest.fixture(params=["haproxy-pair", "apache-pair"])
def event(request: pytest.FixtureRequest, lab: Lab, program: Program, tmp_path: Path) -> Iterator[Path]:
    balancer = {
        "site": "nara",
        "driver": request.param,
        "carried_by": "lb",
        "reach": "netns:s-{id:.13}",  # the lab's servers are namespaces
        "network": "front",
        "monitor": {"path": "/name", "delay": "1s", "timeout": "1s", "retries": 1},
        "members": [{"pool": "web"}],
    }
    body = {
        "event": NAME,
        "sites": {"nara": {"cloud": "private"}},
        "pools": {
            "lb": servers(("private-xeon1", 1), ("private-xeon2", 1)),
            "web": servers(("private-xeon2", 3), ("private-opteron1", 1)),
        },
        "balancers": {"front": balancer},
    }
    path = tmp_path / "pair.yaml"
    path.write_text(yaml.safe_dump(body))
    yield path
    program("event", "destroy", str(path), "--yes")
    assert not lab.servers(NAME)
    left = [port for port in lab.clouds["private"].network.ports() if port.device_owner == "cloudsentry:balancer"]
    assert not left
    assert not list(DISKS.glob(f"*/{NAME}"))


def address(lab: Lab) -> str:
    """What the balancer's port keeps."""
    ports = lab.clouds["private"].network.ports(
        device_owner="cloudsentry:balancer", description=f"cloudsentry-event={NAME}"
    )
    (port,) = ports
    return str(port.fixed_ips[0]["ip_address"])


def asked(vip: str) -> str:
    """The server that answers; empty where nobody does."""
    line = [*WITHIN, "curl", "-s", "-m", "2", f"http://{vip}/name"]
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip()


def holder(lab: Lab, vip: str) -> Any:
    """The server that has the address now."""
    for server in lab.servers(NAME):
        line = ["ip", "-n", f"s-{server.id[:13]}", "-o", "addr", "show", "to", f"{vip}/32"]
        if "-lb-" in server.name and subprocess.run(line, capture_output=True, text=True, check=False).stdout:
            return server
    return None


def until_served(vip: str) -> None:
    until = time.monotonic() + FAILOVER
    while not asked(vip):
        assert time.monotonic() < until, f"nobody answers at {vip} for {FAILOVER:.0f} s"
        time.sleep(0.2)


def loses(lab: Lab, server: Any) -> None:
    """The server is gone from one moment to the next, and its disk with it."""
    compute = lab.clouds["private"].compute
    compute.delete_server(server)
    compute.wait_for_delete(server, interval=0.2, wait=60)
    shutil.rmtree(DISKS / str(server.id))


def test_a_pair_that_the_event_boots_serves_by_weight_and_outlives_either_server(
    event: Path, lab: Lab, program: Program
) -> None:
    assert program.json("event", "apply", str(event))["outcome"] == "done"
    vip = address(lab)
    until_served(vip)
    served = Counter(asked(vip) for _ in range(24))
    assert served == {f"{NAME}-web-private-xeon2": 18, f"{NAME}-web-private-opteron1": 6}

    lab.mark()
    again = program.json("event", "apply", str(event))
    assert (again["outcome"], lab.writes()) == ("done", [])

    active = holder(lab, vip)
    loses(lab, active)
    until_served(vip)
    assert holder(lab, vip).id != active.id

    # What is left of the pair is made whole: a server in the place of the one that went, which knows as much.
    assert program.json("event", "apply", str(event))["outcome"] == "done"
    assert len([server for server in lab.servers(NAME) if "-lb-" in server.name]) == 2
    program("weights", "set", NAME, "front", "web@private-opteron1=3")
    loses(lab, holder(lab, vip))
    until_served(vip)
    served = Counter(asked(vip) for _ in range(24))
    assert served == {f"{NAME}-web-private-xeon2": 12, f"{NAME}-web-private-opteron1": 12}
    program("event", "destroy", str(event), "--yes")
