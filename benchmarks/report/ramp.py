"""A crowd on the lab that grows and goes, what its monitors counted meanwhile, and the event's report with both.

    cloudsentry lab up && OS_CLIENT_CONFIG_FILE=… python -m benchmarks.report.ramp --out docs/rehearsal

Four servers on four hypervisors behind HAProxy; wrk asks for more and more 25 KB images, and fewer again. Each second
the balancer's own counters of each member are read, and the CPU time that the kernel counted for every hypervisor;
nothing is reckoned but rates, from one second to the next. `cloudsentry agent` scales meanwhile. The event is removed.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from benchmarks.weights.run import INSIDE, PINS, PLACE, PORT, PROGRAM, cloudsentry, inside
from cloudsentry.history.figures import written
from cloudsentry.records.history import Curve, Figure
from cloudsentry.records.views import Balancer
from cloudsentry.sentry import Sentry

NAME = "lab-ramp"
RATES = (100, 200, 400, 700, 1000, 1300, 1000, 500, 200, 100)
"""Requests per second, one after the other."""
EACH = 12
"""Seconds of each rate."""
TITLES = {
    "sessions": ("TCP sessions, by hypervisor", "sessions"),
    "traffic": ("Traffic, by hypervisor", "Mbit/s"),
    "requests": ("Requests answered, by hypervisor", "requests/s"),
    "cpu": ("CPU time of the guests, by hypervisor", "% of one core"),
    "trouble": ("Guests held back by their CPU quota, by hypervisor", "% of the time"),
}


def event() -> dict[str, Any]:
    """One server at each pin behind HAProxy, growing by its load."""
    pins = [{"hypervisor": host, "count": 1, "weight": weight} for host, weight in PINS.items()]
    pool = {"site": "nara", "image": "tiny", "flavor": "m1.nano", "networks": ["front"], "pins": pins}
    balancer = {"site": "nara", "driver": "haproxy", "host": PLACE, "port": PORT, "members": [{"pool": "web"}]}
    load = {"driver": "balancer", "balancer": "front", "query": "requests"}
    scaling = {"policy": "target", "least": 4, "most": 8, "per_server": 400, "cooldown": "20s", "signal": load}
    return {
        "event": NAME,
        "title": "A ramp on the lab",
        "sites": {"nara": {"cloud": "private"}},
        "pools": {"web": pool},
        "balancers": {"front": {**balancer, "drain": "2s"}},
        "scaling": {"web": scaling},
    }


@dataclass(slots=True)
class Monitor:
    """Counters by hypervisor, once a second, and what they make a second later."""

    points: dict[str, dict[str, list[tuple[dt.datetime, float]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    _before: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def watch(self, stop: threading.Event) -> None:
        """Until told to stop."""
        sentry = Sentry()
        hosts: dict[str, str] = {}
        try:
            while not stop.wait(1.0):
                wanted, _ = sentry.event(NAME)
                found, now, at = sentry.balancer(wanted, "front"), dt.datetime.now(dt.UTC), time.monotonic()
                if found and any(member.address not in hosts for member in found.members):
                    hosts = {line.address: line.hypervisor for line in sentry.status(NAME).servers}
                if found:
                    self._noted(found, hosts, now, at)
        finally:
            sentry.close()

    def _noted(self, found: Balancer, hosts: dict[str, str], now: dt.datetime, at: float) -> None:
        open_: dict[str, float] = defaultdict(float)
        for member in found.members:
            host = hosts.get(member.address, "")
            open_[host] += member.connections or 0
            self._rate("traffic", f"{host} {member.name}", host, now, at, 8e-6 * (member.octets or 0))
            self._rate("requests", f"{host} {member.name}", host, now, at, member.served or 0)
        for host, count in open_.items():
            self.points["sessions"][host].append((now, count))
        for host in PINS:
            self._rate("cpu", host, host, now, time.monotonic(), 100 * cpu_seconds(host))
            self._rate("trouble", host, host, now, time.monotonic(), 100 * held_back(host))

    def _rate(self, what: str, counter: str, host: str, now: dt.datetime, at: float, value: float) -> None:
        before = self._before.get((what, counter))
        self._before[what, counter] = (at, value)
        if before is None or value < before[1]:
            return
        rate, points = (value - before[1]) / (at - before[0]), self.points[what][host]
        if points and points[-1][0] == now:  # another server on the same hypervisor
            rate += points.pop()[1]
        points.append((now, round(rate, 3)))

    def figures(self) -> dict[str, Figure]:
        """By what they show."""
        return {
            what: Figure(
                title=title,
                unit=unit,
                curves=tuple(Curve(name=host, points=tuple(line)) for host, line in sorted(self.points[what].items())),
            )
            for what, (title, unit) in TITLES.items()
        }


@cache
def lab_quotas() -> Any:
    """The lab's own code for quotas, which runs in another environment."""
    sys.path.insert(0, str(INSIDE))
    import quotas

    return quotas


def group_of(host: str) -> Path:
    """The group of a hypervisor's guests."""
    return Path(lab_quotas().group(host))


def cpu_seconds(host: str) -> float:
    """CPU time of a hypervisor's guests, by the kernel's count for each process of their group."""
    found = 0.0
    for file in group_of(host).rglob("cgroup.procs"):
        for pid in file.read_text().split():
            with contextlib.suppress(OSError):  # it has just ended
                told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                found += (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")
    return found


def held_back(host: str) -> float:
    """Seconds for which a hypervisor's guests had used up a quota, by the kernel's count of its periods."""
    throttled = 0
    for file in group_of(host).rglob("cpu.stat"):
        told = dict(line.split() for line in file.read_text().splitlines())
        throttled = max(throttled, int(told.get("nr_throttled", 0)))
    return float(1e-6 * lab_quotas().PERIOD * throttled)


def crowd(rates: Sequence[int]) -> list[dict[str, Any]]:
    """wrk at one rate after the other; how many it was answered."""
    found = []
    for rate in rates:
        line = inside(
            "wrk", "-t1", f"-c{max(4, rate // 4)}", f"-d{EACH}s", "--timeout=10s", "-s", str(INSIDE / "shares.lua")
        )
        url = [f"http://127.0.0.1:{PORT}/image", "--", f"{rate:.1f}"]
        out = subprocess.run([*line, *url], capture_output=True, text=True, check=True).stdout
        told = json.loads(out.rpartition("RESULT ")[2])
        found.append({"asked": rate, "answered": round(sum(told["answers"].values()) / told["seconds"], 1)})
        print(found[-1], flush=True)
    return found


def main() -> None:
    """Ramp, write the figures down as a Prometheus would answer, and make the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a folder for the report and the figures")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    file = asked.out / f"{NAME}.yaml"
    file.write_text(yaml.safe_dump(event(), sort_keys=False))
    monitor, stop = Monitor(), threading.Event()
    cloudsentry("event", "apply", str(file))
    agent = subprocess.Popen([PROGRAM, "agent", "--every", "5"])
    watching = threading.Thread(target=monitor.watch, args=(stop,))
    watching.start()
    try:
        answered = crowd(RATES)
    finally:
        stop.set()
        watching.join()
        agent.send_signal(signal.SIGTERM)
        agent.wait()
        cloudsentry("event", "destroy", NAME, "--yes")
    words = ["event", "report", NAME, "--format", "html", "--out", str(asked.out / f"{NAME}.html")]
    for what, figure in monitor.figures().items():
        written(figure, asked.out / f"{NAME}-{what}.json")
        words += ["--figure", f"{figure.title}, {figure.unit}={asked.out / f'{NAME}-{what}.json'}"]
    cloudsentry(*words)
    (asked.out / f"{NAME}.json").write_text(json.dumps({"crowd": answered}, indent=1) + "\n")


if __name__ == "__main__":
    main()
