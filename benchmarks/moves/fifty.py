"""Fifty servers from one cloud to the other, with a fault in every phase and kills, on the lab: where they end.

    python benchmarks/moves/fifty.py --mover image > docs/migration/fifty-image.json
    python benchmarks/moves/fifty.py --mover replace > docs/migration/fifty-replace.json

A pool behind a VIP on a network that is one layer 2 over both sites. While it moves, services refuse, lose answers and
break connections, hypervisors do not bring servers up, and the moving process is killed with SIGKILL. What an operator
would do is done: `migrate retry` of what is listed as open or failed, then `migrate run` of what is still at home. Each
pass has its faults anew, the last ones have none. At the end every server must serve, once, at one of the clouds, and
nothing of the moves may be left. Of a run that was ended early and whose event still stands, ``--ended FILE`` counts
that, FILE being what it had told on stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import openstack
import yaml
from once import left
from under_load import PROGRAM, narrow, program, wide
from under_load import event as small

FAULTS: dict[str, list[str]] = {
    "prepare: stop refused": [
        "private/nova-api",
        "status",
        "--status",
        "503",
        "--method",
        "POST",
        "--path",
        "/action$",
    ],
    "prepare: snapshot fails": ["private/private-xeon2", "fail", "--operation", "snapshot"],
    "copy: upload cut": ["public/glance", "reset", "--method", "PUT", "--path", "/file$"],
    "copy: download cut": ["private/glance", "truncate", "--after", "--method", "GET", "--path", "/file$"],
    "copy: upload forbidden": ["public/glance", "status", "--status", "403", "--method", "PUT", "--path", "/file$"],
    "switch: port refused": ["public/neutron", "status", "--status", "503", "--method", "POST", "--path", "/ports"],
    "switch: does not come up": ["public/public-hv1", "abort", "--operation", "spawn"],
    "switch: answer lost": ["public/nova-api", "drop", "--after", "--method", "POST", "--path", "/servers$"],
    "verify: balancer refuses": ["private/octavia-api", "status", "--status", "503", "--method", "PUT"],
    "release: delete refused": ["private/nova-api", "status", "--status", "503", "--method", "DELETE"],
    "release: answer lost": ["private/nova-api", "drop", "--after", "--method", "DELETE", "--path", "/servers/"],
}
NAME = "bench-fifty"
ENDS = ("private", "public")


def event(count: int) -> dict[str, Any]:
    """The pool, over all hypervisors of its cloud."""
    made = small(1) | {"event": NAME}
    hosts = ("private-xeon1", "private-xeon2", "private-opteron1", "private-opteron2")
    shares = [count // 4 + (place < count % 4) for place in range(4)]
    pins = [{"hypervisor": host, "count": share, "weight": 5} for host, share in zip(hosts, shares, strict=True)]
    made["pools"]["front-nara"]["pins"] = [pin for pin in pins if pin["count"]]
    return made


def armed() -> dict[str, str]:
    """Each fault twice; which is which, by its id."""
    return {program("lab", "fault", "add", *fault, "--times", "2")[0]["ID"]: name for name, fault in FAULTS.items()}


def disarmed(names: dict[str, str]) -> Counter[str]:
    """How often each fault has struck since it was armed."""
    hits = Counter({names[row["ID"]]: int(row["Hits"]) for row in program("lab", "fault", "list")})
    subprocess.run([PROGRAM, "lab", "fault", "clear"], stdout=subprocess.DEVNULL, check=True)
    return hits


def run(*args: str, kill_after: float | None = None) -> bool:
    """A command to its end, or to its kill; whether it was killed."""
    process = subprocess.Popen([PROGRAM, *args, "-f", "json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def home() -> int:
    """Servers that have not moved."""
    return sum(row["Cloud"] == "private" for row in program("event", "status", NAME))


def passed(mover: str, number: int, kill: bool, at_once: int, wave: int, left_s: float) -> dict[str, Any]:
    """One pass of an operator, who begins nothing new when the time is over, and ends what runs by SIGKILL then."""
    began = time.monotonic()
    for row in program("migrate", "list", "--event", NAME):
        if row["State"] in ("open", "undoing", "failed"):
            run("migrate", "retry", str(row["Move"]))
    killed = False
    if home() and left_s > 0:
        where = [word for host in range(1, 5) for word in ("--hypervisor", f"public-hv{host}")]
        how = ["--at-once", str(at_once)] if mover == "image" else ["--wave", str(wave)]
        ask = ["migrate", "run", NAME, "front-nara", "--to", "public", "--mover", mover, *where, *how]
        killed = run(*ask, kill_after=random.Random(number).uniform(15, 60) if kill else left_s)
    found = {"pass": number, "killed": killed, "left_at_home": home(), "seconds": round(time.monotonic() - began, 1)}
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def standing(count: int) -> dict[str, Any]:
    """What is there in the end, asked of Nova, Neutron, Glance and the balancer, not of cloudsentry."""
    tag = f"cloudsentry-event={NAME}"
    servers = {cloud: list(openstack.connect(cloud=cloud).compute.servers(tags=tag)) for cloud in ENDS}
    names = Counter(server.name for listed in servers.values() for server in listed)
    octavia = openstack.connect(cloud="private").load_balancer
    (balancer,) = octavia.load_balancers(name=f"{NAME}-web")
    members = list(octavia.members(balancer.pools[0]["id"]))
    addresses = {
        entry["addr"]
        for listed in servers.values()
        for server in listed
        for entries in server.addresses.values()
        for entry in entries
    }
    return {
        "at_home": len(servers["private"]),
        "at_target": len(servers["public"]),
        "active": sum(server.status == "ACTIVE" for listed in servers.values() for server in listed),
        "wanted": count,
        "twice": sum(number > 1 for number in names.values()),
        "members_serving": sum(one.address in addresses and one.weight > 0 for one in members),
        "members_of_nobody": sum(one.address not in addresses for one in members),
        "orphans": left(),
        "drift": len(program("event", "status", NAME, "--drift")),
    }


def main() -> None:
    """Passes with faults and kills, then without, then the count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mover", choices=("image", "replace"), required=True)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--at-once", type=int, default=6)
    parser.add_argument("--wave", type=int, default=25)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--faulty", type=int, default=4, help="passes with faults")
    parser.add_argument("--minutes", type=float, default=60, help="after which nothing new is begun")
    parser.add_argument(
        "--ended", type=Path, metavar="FILE", help="only count what such a run has left, then destroy it"
    )
    args = parser.parse_args()
    if args.ended:
        lines = [json.loads(line) for line in args.ended.read_text().splitlines() if line.startswith('{"pass"')]
        moves = program("migrate", "list", "--event", NAME)
        end = standing(args.count)
        subprocess.run([PROGRAM, "event", "destroy", NAME, "--yes"], stdout=subprocess.DEVNULL, check=False)
        narrow()
        return told(args, end, moves, lines, None, sum(row["Seconds"] for row in moves))
    wide()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(event(args.count), file)
        file.flush()
        program("event", "apply", file.name)
    earlier = {row["Move"] for row in program("migrate", "list", "--event", NAME)}
    began, passes, struck = time.monotonic(), [], Counter[str]()
    try:
        for number in range(args.faulty + 4):
            faulty = number < args.faulty
            faults = armed() if faulty else {}
            over = time.monotonic() - began - 60 * args.minutes
            passes.append(passed(args.mover, number + 1, number < args.kills, args.at_once, args.wave, -over))
            struck += disarmed(faults) if faulty else Counter[str]()
            if (not passes[-1]["left_at_home"] or over > 0) and not passes[-1]["killed"] and not faulty:
                break
        took = time.monotonic() - began
        moves = [row for row in program("migrate", "list", "--event", NAME) if row["Move"] not in earlier]
        end = standing(args.count)
        print(json.dumps({"end": end, "struck": struck, "passes": passes}), file=sys.stderr, flush=True)
    finally:
        subprocess.run([PROGRAM, "lab", "fault", "clear"], stdout=subprocess.DEVNULL, check=False)
        subprocess.run([PROGRAM, "event", "destroy", NAME, "--yes"], stdout=subprocess.DEVNULL, check=False)
        narrow()
    return told(args, end, moves, passes, struck, took)


def told(
    args: argparse.Namespace,
    end: dict[str, Any],
    moves: list[dict[str, Any]],
    passes: list[dict[str, Any]],
    struck: Counter[str] | None,
    took: float,
) -> None:
    """As JSON; ``struck`` is None where nobody knows any more."""
    found = {
        "command": f"python benchmarks/moves/fifty.py {' '.join(sys.argv[1:])}".partition(" --ended")[0],
        "mover": args.mover,
        "end": end,
        "left_after_destroy": left(),
        "moves": dict(Counter(row["State"] for row in moves)),
        "failures_mended": sum(row["Failures"] for row in moves),
        "faults_struck": None if struck is None else struck.total(),
        "struck": dict(struck or {}),
        "kills": sum(one["killed"] for one in passes),
        "passes": passes,
        "seconds": round(took, 1),
        "machine_load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
