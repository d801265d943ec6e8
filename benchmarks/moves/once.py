"""`image` with a fault in each phase, then there and back, on the lab: never alive twice, and nothing is left.

    python benchmarks/moves/once.py > docs/migration/once.json

One server on a network that is one layer 2 over both clouds, beside another that stays; both are members of a balancer.
In each case its address is asked for by ARP ten times a second from the private site, over the WAN too: more than one
answer to one question would be two owners. Each fault is meant to last, so that the move fails, except where it says
that it mends. After a failed move it is noted how long after its turning back the source answered again; and always
which ports, images and servers of the move are left. A move that went is brought back before the next case.
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
from gap import asking
from under_load import NETWORK, PROGRAM, event, narrow, program, wide

from cloudsentry import conf
from cloudsentry.migrate import Asked, Migration
from cloudsentry.records.reports import Note
from cloudsentry.sentry import Sentry

NAME = "bench-once"
SITE = ["ip", "netns", "exec", "lab-private"]
PUT = ["--method", "PUT", "--path", "/file$"]
FAULTS: dict[str, list[str]] = {
    "prepare: the snapshot fails": ["private/private-xeon2", "fail", "--operation", "snapshot"],
    "copy: the target refuses the bytes": ["public/glance", "status", "--status", "403", *PUT],
    "copy: the upload is cut once": ["public/glance", "reset", *PUT, "--times", "1"],
    "switch: the server does not come up": ["public/public-hv1", "abort", "--operation", "spawn"],
    "switch: the port is refused": [
        "public/neutron", "status", "--status", "403", "--method", "POST", "--path", "/ports",
    ],
    "switch: the answer of the boot is lost": [
        "public/nova-api", "drop", "--after", "--method", "POST", "--path", "/servers$", "--times", "1",
    ],
    "check: Neutron answers 503 eight times": ["public/neutron", "status", "--status", "503", "--times", "8"],
    "verify: the balancer refuses the weight": [
        "private/octavia-api", "status", "--status", "403", "--method", "PUT", "--times", "1",
    ],
    "release: the delete is refused once": [
        "private/nova-api", "status", "--status", "503", "--method", "DELETE", "--times", "1",
    ],
}  # fmt: skip


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


def arm(fault: list[str]) -> None:
    """From now on."""
    if fault:
        subprocess.run([PROGRAM, "lab", "fault", "add", *fault], stdout=subprocess.DEVNULL, check=True)


def moved(server: str, to: str, hypervisor: str, late: list[str]) -> dict[str, Any]:
    """One move, however it ends; when it turned back, if it did. ``late``: a fault that is armed as `verify` begins."""
    turned: list[float] = []

    def listen(note: Note) -> None:
        if note.verb == "verify" and note.kind == "started":
            arm(late)
        if note.verb == "undo" and note.kind == "started":
            turned.append(time.monotonic())

    sentry = Sentry(conf.settings([]))
    migration = Migration(sentry)
    asked = Asked(event=NAME, what=server, to=to, mover="image", hypervisors=(hypervisor,))
    try:
        (move,) = migration.run(asked, listen)
    finally:
        migration.close()
        sentry.close()
    seconds = ((move.ended or move.updated) - move.started).total_seconds()
    found = {"state": move.state, "seconds": round(seconds, 1), "error": move.error}
    return found | ({"turned": turned[0]} if turned else {})


def left() -> dict[str, int]:
    """Ports and images that a move had made and that nobody has now, and servers that are in nobody's event."""
    count = {"ports": 0, "images": 0}
    for cloud in ("private", "public"):
        clouds = openstack.connect(cloud=cloud)
        servers = {one.id for one in clouds.compute.servers()}
        named = [port for port in clouds.network.ports() if port.name.startswith("cloudsentry-move-")]
        count["ports"] += sum(port.device_id not in servers for port in named)
        count["images"] += sum(image.name.startswith("cloudsentry-move-") for image in clouds.image.images())
    return count


def server() -> Any:
    """The one that moves, wherever it is."""
    return next(row for row in program("event", "status", NAME) if row["Server"].endswith("-1"))


def case(name: str, to: str, hypervisor: str, fault: list[str]) -> dict[str, Any]:
    """One move, watched."""
    row = server()
    late = name.startswith("verify")
    arm([] if late else fault)
    try:
        with watched(row["Address"]) as told, asking(row["Address"]) as client:
            ended = moved(row["Server"], to, hypervisor, fault if late else [])
            time.sleep(2)
    finally:
        subprocess.run([PROGRAM, "lab", "fault", "clear"], stdout=subprocess.DEVNULL, check=False)
    now = server()
    found = {"case": name, **ended, "arp": told, "left": left(), "cloud": now["Cloud"], "status": now["Status"]}
    found["gap_s"] = round(client.gap(), 1)
    if turned := found.pop("turned", None):
        again = client.again(turned)
        found["serves_again_s"] = None if again is None else round(again, 1)
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def joined(path: str) -> list[dict[str, Any]]:
    """The cases of a run that was ended early, from what it had told."""
    return [json.loads(line) for line in Path(path).read_text().splitlines() if line.startswith("{")]


def main() -> None:
    """A fault in each phase, then there and back; or with ``--join FILE`` the cases that FILE tells of."""
    if sys.argv[1:2] == ["--join"]:
        return told(joined(sys.argv[2]), left())
    wide()
    wanted = event(2) | {"event": NAME}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(wanted, file)
        file.flush()
        program("event", "apply", file.name)
    cases = []
    there, back = ("public", "public-hv1"), ("private", "private-xeon2")
    try:
        for phase, fault in FAULTS.items():
            cases.append(case(phase, *there, fault))
            if cases[-1]["cloud"] == "public":
                cases.append(case("and back", *back, []))
        cases.append(case("no fault, there", *there, []))
        cases.append(case("no fault, back", *back, []))
    except KeyboardInterrupt:
        pass  # what was measured until then counts
    finally:
        subprocess.run([PROGRAM, "event", "destroy", NAME, "--yes"], stdout=subprocess.DEVNULL, check=False)
        at_end = left()
        narrow()
    return told(cases, at_end)


def told(cases: list[dict[str, Any]], at_end: dict[str, int]) -> None:
    """As JSON."""
    found = {"command": "python benchmarks/moves/once.py", "cases": cases, "left_at_the_end": at_end}
    print(json.dumps(found | {"machine_load": round(os.getloadavg()[0], 1)}, indent=1))


if __name__ == "__main__":
    main()
