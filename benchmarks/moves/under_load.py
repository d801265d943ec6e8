"""`replace` of a whole pool under wrk, there and back, on the lab: what the clients lost.

    python benchmarks/moves/under_load.py --runs 10 > docs/migration/under-load.json

A pool of two servers behind a VIP moves private → public and back, over one layer 2, while wrk asks the VIP. A run is
one move; the load begins before it and ends after it. Lost are connections that broke, requests that took longer than
10 s, and answers other than 200.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import openstack
import yaml

PROGRAM = str(Path(sys.executable).with_name("cloudsentry"))
SHARES = Path(__file__).parents[2] / "cloudsentry" / "lab" / "inside" / "shares.lua"
NETWORK, VLAN, CIDR = "bench-moving", 381, "10.9.81.0/24"
RANGES = {"private": ("10.9.81.10", "10.9.81.99"), "public": ("10.9.81.100", "10.9.81.199")}
WAYS = [("front-nara", "public", "public-hv1"), ("front-osaka", "private", "private-xeon2")]


def program(*args: str) -> Any:
    """What a command answers as JSON; its failure ends the benchmark."""
    done = subprocess.run([PROGRAM, *args, "-f", "json"], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def wide() -> None:
    """One layer 2 over both sites."""
    for cloud, (start, end) in RANGES.items():
        neutron = openstack.connect(cloud=cloud).network
        if neutron.find_network(NETWORK):
            continue
        made = neutron.create_network(
            name=NETWORK,
            provider_network_type="vlan",
            provider_physical_network="physnet1",
            provider_segmentation_id=VLAN,
        )
        neutron.create_subnet(
            network_id=made.id,
            name=NETWORK,
            ip_version=4,
            cidr=CIDR,
            gateway_ip="10.9.81.1" if cloud == "private" else None,
            allocation_pools=[{"start": start, "end": end}],
        )


def narrow() -> None:
    """The network is gone, unless another benchmark still uses it."""
    for cloud in RANGES:
        neutron = openstack.connect(cloud=cloud).network
        with contextlib.suppress(openstack.exceptions.SDKException):
            neutron.delete_network(neutron.find_network(NETWORK))


def event(count: int) -> dict[str, Any]:
    """The pool and its VIP."""
    return {
        "event": "bench-replace",
        "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
        "pools": {
            "front-nara": {
                "site": "nara",
                "image": "tiny",
                "flavor": "m1.nano",
                "networks": [NETWORK],
                "pins": [{"hypervisor": "private-xeon2", "count": count, "weight": 10}],
            }
        },
        "balancers": {
            "web": {
                "site": "nara",
                "network": NETWORK,
                "monitor": {"type": "HTTP", "path": "/name", "delay": 2, "timeout": 1},
                "drain": 2,
                "members": [{"pool": "front-nara"}],
            }
        },
    }


class Crowd:
    """wrk at the VIP, from the site of the balancer, until it is told to end."""

    def __init__(self, vip: str, rate: int, connections: int) -> None:
        self.began = time.time()
        load = ["-t1", f"-c{connections}", "-d3600s", "--timeout=10s", "-s", str(SHARES), f"http://{vip}/name"]
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", "lab-private", "wrk", *load, "--", str(rate)], stdout=subprocess.PIPE, text=True
        )

    def ended(self) -> dict[str, Any]:
        """Ends it; what it counted."""
        self._process.send_signal(signal.SIGINT)
        out, _ = self._process.communicate(timeout=60)
        told: dict[str, Any] = json.loads(out.rpartition("RESULT ")[2])
        return told


def one(number: int, rate: int, connections: int) -> dict[str, Any]:
    """One move under load."""
    pool, to, hypervisor = WAYS[number % 2]
    (balancer,) = openstack.connect(cloud="private").load_balancer.load_balancers(name="bench-replace-web")
    crowd = Crowd(balancer.vip_address, rate, connections)
    time.sleep(5)  # the load is there before the move
    began = time.time()
    (moved,) = program("migrate", "run", "bench-replace", pool, "--to", to, "--hypervisor", hypervisor)
    took = time.time() - began
    time.sleep(5)  # and after it
    told = crowd.ended()
    return {
        "run": number + 1,
        "to": to,
        "state": moved["State"],
        "move_seconds": round(took, 1),
        "requests": sum(told["answers"].values()),
        "lost": told["errors"],
        "p50_ms": round(told["p50_ms"], 2),
        "p99_ms": round(told["p99_ms"], 2),
        "servers": len(told["answers"]),
        "machine_load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """The runs, then their sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--count", type=int, default=2)
    parser.add_argument("--rate", type=int, default=40)
    parser.add_argument("--connections", type=int, default=4)
    args = parser.parse_args()
    wide()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(event(args.count), file)
        file.flush()
        program("event", "apply", file.name)
    runs = []
    try:
        for number in range(args.runs):
            runs.append(one(number, args.rate, args.connections))
            print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        pass  # what was measured until then counts
    finally:
        subprocess.run([PROGRAM, "event", "destroy", "bench-replace", "--yes"], stdout=subprocess.DEVNULL, check=False)
        narrow()
    command = f"python benchmarks/moves/under_load.py --runs {len(runs)}"
    total = {"requests": sum(run["requests"] for run in runs), "lost": sum(run["lost"] for run in runs)}
    print(json.dumps({"command": command, "rate": args.rate, "connections": args.connections, "runs": runs} | total))


if __name__ == "__main__":
    main()
