"""`warm` beside `image`: how long nobody answers, over 40 ms and a rate, for servers alike.

    python benchmarks/moves/warm.py --mib 256 --rate 10 > docs/migration/warm.json

Servers made alike, with an address on a network that is one layer 2 over both sites. One moves by `image`, one by
`warm`, in the same run; until they are off, blocks of the disk are written anew, as a guest would. The gap is what a
client at the private site sees, which asks ten times a second. That the disk is the same after it is Glance's checksum
against the file that the target's hypervisor has.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from copy_rate import META, MIB, Noise
from gap import Client, asking
from path import Path40, led
from under_load import NETWORK, PROGRAM, narrow, program, wide

from cloudsentry.clouds import open_cloud

EVENT, IMAGE, BLOCK = "bench-warm", "bench-disk", 64 * 1024
WRITES = 0.5
"""Blocks in a second that a guest writes anew."""
STILL = 0.3
"""Seconds without an answer after which a guest is taken to be off: its snapshot is not begun before."""


def event(count: int) -> dict[str, Any]:
    """Servers that stand alone: nobody's members."""
    pool = {
        "site": "nara",
        "image": IMAGE,
        "flavor": "m1.nano",
        "networks": [NETWORK],
        "pins": [{"hypervisor": "private-xeon2", "count": count, "weight": 1}],
    }
    sites = {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}}
    return {"event": EVENT, "sites": sites, "pools": {"one-nara": pool}}


def images(mib: int) -> Iterator[tuple[str, str]]:
    """The image that the servers are made from, at both clouds."""
    for name in ("private", "public"):
        cloud = open_cloud(name)
        made = str(cloud.post("image", "/images", META | {"name": IMAGE})["id"])
        cloud.write_to("image", f"/images/{made}/file", Noise(mib))
        yield name, made


def disk_of(cloud: str, name: str) -> Path:
    """The file that is the server's disk."""
    listed = open_cloud(cloud).listed("compute", "/servers", "servers", params={"name": name})
    (server,) = (one["id"] for one in listed if one["name"] == name)
    (found,) = (Path(os.environ["OS_CLIENT_CONFIG_FILE"]).parent / cloud / "state").glob(f"**/instances/{server}/disk")
    return found


class Guest:
    """Writes a random block of a disk anew, so many in a second, as long as its server answers."""

    def __init__(self, disk: Path, per_second: float, client: Client) -> None:
        self._disk, self._pause, self._client = disk, 1 / per_second, client
        self._over = threading.Event()
        self.written = 0
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        blocks, dice = self._disk.stat().st_size // BLOCK, random.Random(1)
        with open(self._disk, "r+b", buffering=0) as file:
            while not self._over.wait(self._pause):
                if self._client.silent() > STILL:
                    continue
                file.seek(dice.randrange(blocks) * BLOCK)
                file.write(dice.randbytes(BLOCK))
                self.written += 1

    def end(self) -> None:
        """No more."""
        self._over.set()
        self._thread.join()


def moved(path: Path40, row: dict[str, Any], mover: str) -> dict[str, Any]:
    """One server to the public cloud, watched."""
    disk = disk_of("private", row["Server"])
    size, before = disk.stat().st_size, path.carried
    began = time.monotonic()
    with asking(row["Address"]) as client:
        guest = Guest(disk, WRITES, client)
        told = path.program(
            "migrate", "run", EVENT, row["Server"], "--to", "public", "--hypervisor", "public-hv1", "--mover", mover
        )
        guest.end()
    took = time.monotonic() - began
    move = program("migrate", "show", str(told[0]["Move"]))
    memo = move["memo"]
    digest = "sha512:" + hashlib.sha512(disk_of("public", row["Server"]).read_bytes()).hexdigest()
    found = {
        "mover": mover,
        "state": told[0]["State"],
        "gap_s": round(client.gap(), 1),
        "total_s": round(took, 1),
        "path_mib": round((path.carried - before) / MIB, 1),
        "percent_of_disk": round(100 * (path.carried - before) / size, 1),
        "blocks_written_meanwhile": guest.written,
        "rounds": memo.get("rounds", []),
        "same_disk": digest == memo["hash"],
        "failures": told[0]["Failures"],
    }
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rate", type=float, default=20.0, help="Mbit/s")
    parser.add_argument("--rtt", type=float, default=40.0, help="ms")
    args = parser.parse_args()
    wide()
    made = list(images(args.mib))
    cases = []
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(event(3), file)
            file.flush()
            program("event", "apply", file.name)
        # The last one stays: a network without a port is none in the lab.
        rows = program("event", "status", EVENT)
        with led(args.rtt, args.rate) as path:
            cases = [moved(path, rows[0], "warm")]
        with led(args.rtt, args.rate, host=False) as path:
            cases.append(moved(path, rows[1], "image"))
    finally:
        subprocess.run([PROGRAM, "event", "destroy", EVENT, "--yes"], stdout=subprocess.DEVNULL, check=False)
        for cloud, image in made:
            open_cloud(cloud).delete("image", f"/images/{image}")
        narrow()
    warm, image = (case["gap_s"] for case in cases)
    told = {
        "command": "python benchmarks/moves/warm.py " + " ".join(sys.argv[1:]),
        "mib": args.mib,
        "rtt_ms": args.rtt,
        "rate_mbit": args.rate,
        "cases": cases,
        "gap_ratio": round(image / warm, 1),
        "cuts": [],
        "machine_load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
