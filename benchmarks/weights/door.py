"""Counts requests that fail while an event grows, replaces its servers, shrinks and ends: from the user's door.

    cloudsentry lab up && OS_CLIENT_CONFIG_FILE=… python benchmarks/weights/door.py [--driver D …] [--runs 10]

200 requests a second on 20 kept connections, and 3 downloads a second that take 2 s each, go to a front of the farm's
(a HAProxy that repeats nothing), which the event steers. First `event apply` (clients come); then, in each run, twice
as many servers, all in the place of others, and half of them gone again; at last `event destroy` (clients go
home, then everything is removed).
With --late the servers answer only so long after they are ACTIVE. A failed request is one that broke, timed out (20
s), was cut short or was not answered with 200. Writes docs/balancing/door-DRIVER.json (or -late); with --append the
file's own runs stay, and only those that are missing are made.
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
from run import OUT, PLACE, _address, cloudsentry, inside, pressure

ROOT = Path(__file__).parents[2]
RIG = ROOT / "tests" / "contract" / "balancer_rig"
DRIVERS = ("octavia", "haproxy", "apache")
PORTS = {"octavia": 8070, "haproxy": 8073, "apache": 8076}
"""The front's; the farm's and the balancer's follow: three for each driver, which may be measured side by side."""
PROGRAM = (
    f"#!/bin/sh\ncat > serve.py <<'END'\n{(RIG / 'backends.py').read_text()}END\n"
    "sleep LATE\nexec python3 serve.py counts 0.0.0.0:80\n"
)
"""What the servers run: images of 25 KB, and downloads of 2 s; they answer so long after they are ACTIVE."""


def name_of(driver: str) -> str:
    """Of the event."""
    return f"bench-door-{driver}"


def path_of(driver: str, asked: argparse.Namespace) -> Path:
    """Of its figures."""
    return OUT / f"door-{driver}{'-late' if asked.late else ''}.json"


class Front:
    """The farm and its front, in the site's network."""

    def __init__(self, driver: str, folder: Path) -> None:
        self.port, farm_port, cloud_port = (PORTS[driver] + number for number in range(3))
        self.folder, self.socket, self.map = folder, folder / "front.sock", folder / "clients.map"
        self.map.write_text("")
        config = folder / "front.cfg"
        config.write_text(
            f"global\n stats socket {self.socket} mode 600 level admin\n fd-hard-limit 4096\n"
            "defaults\n mode http\n retries 0\n timeout client 60s\n timeout connect 5s\n timeout server 60s\n"
            f"frontend front\n bind 127.0.0.1:{self.port}\n use_backend %[src,map_ip({self.map},stay)]\n"
            f"backend stay\n server farm 127.0.0.1:{farm_port}\nbackend cloud\n server vip 127.0.0.1:{cloud_port}\n"
        )
        farm = inside(sys.executable, str(RIG / "backends.py"), str(folder / "counts"), f"127.0.0.1:{farm_port}")
        self._processes = [
            subprocess.Popen(line, stderr=subprocess.DEVNULL)
            for line in (farm, inside("haproxy", "-db", "-f", str(config)))
        ]
        time.sleep(2)

    def point(self, address: str, port: int) -> None:
        """The cloud is here now."""
        self._tell(f"set server cloud/vip addr {address} port {port}")

    def _tell(self, line: str) -> None:
        from cloudsentry.clouds.hosts import host_of

        host_of("local").ask(str(self.socket), f"{line}\n".encode())

    def end(self) -> None:
        """Nothing of it runs."""
        for process in self._processes:
            process.terminate()
            process.wait()


def body(driver: str, front: Front, *, count: int, made: int, steered: bool, late: float) -> dict[str, Any]:
    """The event: servers at two hypervisors; with another ``made``, other ones."""
    pins = [{"hypervisor": host, "count": count} for host in ("private-xeon1", "private-xeon2")]
    pool = {"site": "nara", "image": "tiny", "flavor": "m1.nano", "networks": ["front"], "pins": pins}
    monitor = {"path": "/image", "delay": "1s", "timeout": "1s", "retries": 1}
    balancer: dict[str, Any] = {"site": "nara", "driver": driver, "monitor": monitor, "drain": "6s"}
    where = (
        {"network": "front"} if driver == "octavia" else {"host": PLACE, "address": "127.0.0.1", "port": front.port + 2}
    )
    away = {"to": "cloud", "balancer": "front", "share": 0, "networks": ["127.0.0.0/8"]}
    steering = {
        "driver": "prefix",
        "home": "farm",
        "targets": {"farm": {"to": "stay"}, "nara": away},
        "map": str(front.map),
        "socket": str(front.socket),
        "table": str(front.folder / "prefixes.txt"),
    }
    return {
        "event": name_of(driver),
        "sites": {"nara": {"cloud": "private"}},
        "pools": {"web": {**pool, "user_data": PROGRAM.replace("LATE", f"{late:g}"), "metadata": {"made": str(made)}}},
        "balancers": {"front": {**balancer, **where, "members": [{"pool": "web"}]}},
        **({"steering": {"clients": steering}} if steered else {}),
    }


def load(front: Front, path: str, clients: int, rate: float) -> subprocess.Popen[str]:
    """Steady clients on kept connections, until their input ends."""
    line = [sys.executable, str(RIG / "clients.py"), f"http://127.0.0.1:{front.port}{path}", str(clients), str(rate)]
    return subprocess.Popen(inside(*line), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class Crowd:
    """Images and downloads, while somebody does something; ``told`` says what failed."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def __enter__(self) -> Crowd:
        asked = {"images": ("/image", 20, 200), "downloads": ("/slow", 6, 3)}
        self._clients = {kind: load(self._front, *each) for kind, each in asked.items()}
        self._began = time.monotonic()
        time.sleep(2)
        return self

    def __exit__(self, *error: object) -> None:
        time.sleep(1)
        self.told: dict[str, Any] = {"seconds": round(time.monotonic() - self._began, 1)}
        self.told |= {kind: json.loads(one.communicate("", timeout=60)[0]) for kind, one in self._clients.items()}


def measured(driver: str, front: Front, asked: argparse.Namespace, runs: int, each: list[dict[str, Any]]) -> None:
    """Come, go up and down so often, and go; written after each run, behind what is in ``each`` already.

    After so many seconds no run is begun.
    """
    until, path = time.monotonic() + asked.seconds, path_of(driver, asked)

    def told(what: str, crowd: Crowd) -> None:
        each.append({"what": what} | crowd.told)
        print(f"{driver}: {json.dumps(each[-1])}", file=sys.stderr, flush=True)
        path.write_text(json.dumps({"late_s": asked.late} | _whole(driver, each), indent=1) + "\n", encoding="utf-8")

    def apply(count: int, made: int, *, steered: bool = True) -> None:
        file = front.folder / "event.yaml"
        file.write_text(yaml.safe_dump(body(driver, front, count=count, made=made, steered=steered, late=asked.late)))
        cloudsentry("event", "apply", str(file))

    try:
        with Crowd(front) as crowd:
            if driver == "octavia":  # its address is known only once it stands
                apply(1, 0, steered=False)
                front.point(_address(name_of(driver)), 80)
            # One apply makes the balancer and sends clients there: they come once somebody answers behind it.
            apply(1, 0)
        told("come", crowd)
        for number in range(1, runs + 1):
            if time.monotonic() > until:
                break
            with Crowd(front) as crowd:
                apply(2, number)
                apply(1, number)
            told("grown and replaced, shrunk", crowd)
    finally:
        with Crowd(front) as crowd:
            cloudsentry("event", "destroy", name_of(driver), "--yes")
    told("destroyed", crowd)


def main() -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", action="append", choices=DRIVERS)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=3600, help="no run is begun after so many (default: 3600)")
    parser.add_argument("--late", type=float, default=0, help="seconds from ACTIVE to a server's first answer")
    parser.add_argument("--append", action="store_true", help="keep the file's runs, and make those that are missing")
    asked = parser.parse_args()
    for driver in asked.driver or DRIVERS:
        each: list[dict[str, Any]] = json.loads(path_of(driver, asked).read_text())["each"] if asked.append else []
        runs = asked.runs - sum("replaced" in one["what"] for one in each)
        if runs <= 0:
            continue
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "prefixes.txt").write_text("198.51.100.0/24 64500\n")
            front = Front(driver, Path(folder))
            try:
                measured(driver, front, asked, runs, each)
            finally:
                front.end()


def _whole(driver: str, each: list[dict[str, Any]]) -> dict[str, Any]:
    totals = {
        kind: {key: sum(one[kind].get(key, 0) for one in each) for key in ("good", "failed")}
        for kind in ("images", "downloads")
    }
    machine = {"cores": os.cpu_count(), "cpu_pressure_percent": pressure()}
    made = sum("replaced" in one["what"] for one in each)
    return {"driver": driver, "rate": 200, "machine": machine, "runs": made, "totals": totals, "each": each}


if __name__ == "__main__":
    main()
