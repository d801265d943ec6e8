"""Cold, with the disk, server by server: cloudsentry's `image` beside the same steps by the `openstack` command.

    python benchmarks/moves/peer.py --openstack /path/to/openstack --servers 3 > docs/migration/peer.json

The steps are those that os-migrate documents for a workload without volumes: stop it, make an image of it, download the
image, upload it to the other cloud, make the port with the old address and MAC, boot, and remove what was there. Both
ways move servers alike, one after the other, in the same run and in turns; os-migrate's own Ansible is not in the time.
clouds.yaml must give a compute microversion of at least 2.74, so that the command can name a host.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from copy_rate import META, Noise
from under_load import NETWORK, PROGRAM, narrow, program, wide

from cloudsentry.clouds import open_cloud

EVENT, IMAGE = "bench-peer", "bench-peer-disk"


def event(count: int) -> dict[str, Any]:
    """Servers that stand alone."""
    pool = {
        "site": "nara",
        "image": IMAGE,
        "flavor": "m1.nano",
        "networks": [NETWORK],
        "pins": [{"hypervisor": "private-xeon2", "count": count, "weight": 1}],
    }
    sites = {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}}
    return {"event": EVENT, "sites": sites, "pools": {"one-nara": pool}}


class Command:
    """The `openstack` command on one of the clouds."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.calls = 0

    def __call__(self, cloud: str, *args: str, told: bool = True) -> Any:
        self.calls += 1
        shown = ["-f", "json"] if told else []
        ask = [self._path, "--os-cloud", cloud, *args, *shown]
        done = subprocess.run(ask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        return json.loads(done.stdout) if told else None


def by_command(openstack: Command, name: str, folder: Path) -> float:
    """One server; seconds."""
    began = time.monotonic()
    (port,) = openstack("private", "port", "list", "--server", name, "--long")
    mac, address = port["MAC Address"], port["Fixed IP Addresses"][0]["ip_address"]
    openstack("private", "server", "stop", name, told=False)
    while openstack("private", "server", "show", name, "-c", "status")["status"] != "SHUTOFF":
        pass  # each look takes longer than a rest
    image = f"{name}-image"
    openstack("private", "server", "image", "create", "--wait", "--name", image, name)
    file = folder / image
    openstack("private", "image", "save", "--file", str(file), image, told=False)
    kind = ("--disk-format", "raw", "--container-format", "bare")
    openstack("public", "image", "create", "--file", str(file), *kind, image)
    made = ("port", "create", "--network", NETWORK, "--fixed-ip", f"ip-address={address}", "--mac-address", mac)
    openstack("public", *made, f"{name}-port")
    boot = ("server", "create", "--wait", "--image", image, "--flavor", "m1.nano", "--port", f"{name}-port")
    openstack("public", *boot, "--host", "public-hv1", name)
    took = time.monotonic() - began
    openstack("private", "server", "delete", "--wait", name, told=False)
    openstack("private", "image", "delete", image, told=False)
    openstack("public", "image", "delete", image, told=False)
    whole = time.monotonic() - began
    file.unlink()
    print(json.dumps({"openstack": name, "until_up": round(took, 1), "s": round(whole, 1)}), file=sys.stderr)
    openstack("public", "server", "delete", "--wait", name, told=False)
    openstack("public", "port", "delete", f"{name}-port", told=False)
    return whole


def by_image(name: str) -> float:
    """One server; seconds."""
    began = time.monotonic()
    (moved,) = program(
        "migrate", "run", EVENT, name, "--to", "public", "--hypervisor", "public-hv1", "--mover", "image"
    )
    assert moved["State"] == "done"
    took = time.monotonic() - began
    print(json.dumps({"cloudsentry": name, "s": round(took, 1)}), file=sys.stderr)
    return took


def main() -> None:
    """In turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--openstack", required=True)
    parser.add_argument("--servers", type=int, default=3, help="each way")
    parser.add_argument("--mib", type=int, default=64)
    args = parser.parse_args()
    wide()
    made = []
    times: dict[str, list[float]] = {"openstack": [], "cloudsentry": []}
    command = Command(args.openstack)
    try:
        for cloud in ("private", "public"):
            made.append((cloud, str(open_cloud(cloud).post("image", "/images", META | {"name": IMAGE})["id"])))
            open_cloud(cloud).write_to("image", f"/images/{made[-1][1]}/file", Noise(args.mib))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "event.yaml"
            file.write_text(yaml.safe_dump(event(2 * args.servers + 1)))
            program("event", "apply", str(file))
            names = [row["Server"] for row in program("event", "status", EVENT)]
            for turn in range(args.servers):
                times["cloudsentry"].append(round(by_image(names[2 * turn]), 1))
                times["openstack"].append(round(by_command(command, names[2 * turn + 1], Path(folder)), 1))
    finally:
        subprocess.run([PROGRAM, "event", "destroy", EVENT, "--yes"], stdout=subprocess.DEVNULL, check=False)
        for cloud, image in made:
            open_cloud(cloud).delete("image", f"/images/{image}")
        narrow()
    sums = {way: sum(found) for way, found in times.items()}
    told = {
        "command": f"python benchmarks/moves/peer.py --servers {args.servers} --mib {args.mib}",
        "mib": args.mib,
        "seconds": times,
        "commands_per_server": command.calls // max(1, args.servers),
        "ratio": round(sums["cloudsentry"] / sums["openstack"], 2),
        "disk_mib_on_controller": {"openstack": args.mib, "cloudsentry": 0},
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
