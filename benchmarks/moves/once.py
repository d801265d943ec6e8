"""`image` with a fault in each phase, then there and back, on the lab: never alive twice, and nothing is left.

    python benchmarks/moves/once.py > docs/migration-once.json

One server on a network that is one layer 2 over both clouds. In each case its address is asked for by ARP ten times a
second from the private site: more than one answer to one question would be two owners. After a fault it is noted how
long the source was silent once the move had failed, and which ports and images of the move are left.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import yaml
from under_load import NETWORK, PROGRAM, event, narrow, program, wide

NAME = "bench-once"
SITE = ["ip", "netns", "exec", "lab-private"]
FAULTS: dict[str, list[str]] = {
    "prepare": ["private/private-xeon2", "fail", "--operation", "snapshot", "--times", "1"],
    "copy": ["public/glance", "status", "--status", "403", "--method", "PUT", "--path", "/file$", "--times", "1"],
    "switch": ["public/public-hv1", "abort", "--operation", "spawn", "--times", "1"],
}


@contextlib.contextmanager
def watched(address: str) -> Iterator[dict[str, Any]]:
    """The address is asked for while the block runs; what came of it is in the dict afterwards."""
    network = openstack.connect(cloud="private").network.find_network(NETWORK)
    watch = [sys.executable, str(Path(__file__).with_name("arp.py")), f"br{network.id}"[:13], address, "10.9.81.1"]
    process = subprocess.Popen([*SITE, *watch], stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = {}
    try:
        yield told
    finally:
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        told |= json.loads(process.communicate(timeout=30)[0])


def moved(*args: str) -> dict[str, Any]:
    """One move, however it ends."""
    done = subprocess.run([PROGRAM, "migrate", "run", NAME, *args, "-f", "json"], stdout=subprocess.PIPE, check=False)
    rows = json.loads(done.stdout or b"[]")
    return {"state": rows[0]["State"], "seconds": rows[0]["Seconds"], "error": rows[0]["Error"]} if rows else {}


def left() -> dict[str, int]:
    """Ports and images that a move had made and that nobody has now."""
    count = {"ports": 0, "images": 0}
    for cloud in ("private", "public"):
        clouds = openstack.connect(cloud=cloud)
        servers = {one.id for one in clouds.compute.servers()}
        named = [port for port in clouds.network.ports() if port.name.startswith("cloudsentry-move-")]
        count["ports"] += sum(port.device_id not in servers for port in named)
        count["images"] += sum(image.name.startswith("cloudsentry-move-") for image in clouds.image.images())
    return count


def server() -> Any:
    """The one server, wherever it is."""
    (row,) = program("event", "status", NAME)
    return row


def case(name: str, target: list[str], fault: list[str]) -> dict[str, Any]:
    """One move, watched."""
    row = server()
    if fault:
        subprocess.run([PROGRAM, "lab", "fault", "add", *fault], stdout=subprocess.DEVNULL, check=True)
    try:
        with watched(row["Address"]) as told:
            ended = moved(row["Server"], "--mover", "image", *target)
    finally:
        subprocess.run([PROGRAM, "lab", "fault", "clear"], stdout=subprocess.DEVNULL, check=False)
    now = server()
    found = {"case": name, **ended, "arp": told, "left": left(), "cloud": now["Cloud"], "status": now["Status"]}
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def main() -> None:
    """A fault in each phase, then there and back."""
    wide()
    wanted = event(1) | {"event": NAME, "balancers": {}}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(wanted, file)
        file.flush()
        program("event", "apply", file.name)
    cases = []
    try:
        there, back = ["--to", "public", "--hypervisor", "public-hv1"], ["--to", "private"]
        for phase, fault in FAULTS.items():
            cases.append(case(f"fault in {phase}", there, fault))
        cases.append(case("there", there, []))
        cases.append(case("back", [*back, "--hypervisor", "private-xeon2"], []))
    finally:
        subprocess.run([PROGRAM, "event", "destroy", NAME, "--yes"], stdout=subprocess.DEVNULL, check=False)
        at_end = left()
        with contextlib.suppress(Exception):  # another benchmark may still use it
            narrow()
    told = {"command": "python benchmarks/moves/once.py", "cases": cases, "left_at_the_end": at_end}
    print(json.dumps(told | {"machine_load": round(os.getloadavg()[0], 1)}, indent=1))


if __name__ == "__main__":
    main()
