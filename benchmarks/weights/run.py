"""Everything that docs/balancing.rst shows, measured on the lab, from the user's door.

    cloudsentry lab up && OS_CLIENT_CONFIG_FILE=… python benchmarks/weights/run.py [PART …] [--turns N]

PARTs are calibration, shares and timeline, three to six minutes each; all of them where none is named. Each writes
docs/balancing/PART.json, and says in it how busy the machine was. `plots.py` beside this draws them. The events that it
makes are removed again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
INSIDE = ROOT / "cloudsentry" / "lab" / "inside"
OUT = ROOT / "docs" / "balancing"
PROGRAM = str(Path(sys.executable).with_name("cloudsentry"))
PLACE, PORT = "netns:lab-private", 8099
PINS = {"private-xeon1": 10, "private-xeon2": 10, "private-opteron1": 2, "private-opteron2": 2}
REQUESTS = 50_000
DRIVERS = ("haproxy", "apache", "octavia")


def cloudsentry(*words: str, data: bool = False) -> Any:
    """The program, as a user calls it; with ``data`` what it answers."""
    done = subprocess.run([PROGRAM, *words, *(["-f", "json"] if data else [])], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"cloudsentry {' '.join(words)}: {done.stderr}{done.stdout}")
    return json.loads(done.stdout) if data else None


def pressure() -> float:
    """Percent of the last 10 s in which something waited for a core: above some 50, figures are of the machine."""
    return float(Path("/proc/pressure/cpu").read_text().split("avg10=")[1].split()[0])


@contextmanager
def event(name: str, driver: str, weights: dict[str, int], **more: Any) -> Iterator[str]:
    """One server at each pin behind one balancer; its address."""
    pins = [{"hypervisor": host, "count": 1, "weight": weight} for host, weight in weights.items()]
    pool = {"site": "nara", "image": "tiny", "flavor": "m1.nano", "networks": ["front"], "pins": pins}
    balancer: dict[str, Any] = {"site": "nara", "driver": driver, "members": [{"pool": "web"}], **more}
    balancer |= {"network": "front"} if driver == "octavia" else {"host": PLACE, "port": PORT}
    body = {"event": name, "sites": {"nara": {"cloud": "private"}}, "pools": {"web": pool}}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(body | {"balancers": {"front": balancer}}, file)
        file.flush()
        try:
            cloudsentry("event", "apply", file.name)
            yield _address(name) if driver == "octavia" else f"127.0.0.1:{PORT}"
        finally:
            cloudsentry("event", "destroy", file.name, "--yes")


def _address(name: str) -> str:
    from cloudsentry.sentry import Sentry

    sentry = Sentry()
    (line,) = sentry.status(name).balancers
    sentry.close()
    return line.vip


def inside(*line: str) -> list[str]:
    """In the site's network."""
    return ["ip", "netns", "exec", PLACE.removeprefix("netns:"), *line]


def crowd(where: str, rate: float, seconds: int) -> dict[str, Any]:
    """A steady crowd by wrk."""
    line = inside("wrk", "-t1", "-c64", f"-d{seconds}s", "--timeout=10s", "-s", str(INSIDE / "shares.lua"))
    out = subprocess.run(
        [*line, f"http://{where}/image", "--", f"{rate:.1f}"], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(out.stdout.rpartition("RESULT ")[2])
    return found | {"responses": round(sum(found["answers"].values()) / found["seconds"], 1)}


HAND = "by hand (10/10/2/2)"
RUNS, SECONDS = 11, 8
"""Runs of measured and of hand-set weights, which take turns, and the seconds of each; equal weights have two."""


def calibration(runs: int = RUNS) -> dict[str, Any]:
    """The kinds' ratio, unaided, the knees, and p99 at 85 % of the load: measured, equal and hand-set weights.

    Measured and hand-set weights take turns, and who begins changes from turn to turn: what the machine does meanwhile
    meets both alike. Medians are compared; the spread between runs of the same weights says what they are worth.
    """
    with event("bench-weights", "haproxy", PINS) as where:
        rows = cloudsentry("calibrate", "bench-weights", "web", "--from", PLACE, "--rounds", "3", data=True)
        knees = _knees(cloudsentry("event", "status", "bench-weights", data=True))
        each = {row["Unit"]: row["Responses/s"] for row in rows}
        measured = {row["Unit"]: row["Weight"] for row in rows}
        xeons = [rate for unit, rate in each.items() if "xeon" in unit]
        opterons = [rate for unit, rate in each.items() if "opteron" in unit]
        ratio = median(xeons) / median(opterons)
        sets = {
            "measured": measured,
            "equal": dict.fromkeys(each, 1),
            HAND: {f"web@{host}": weight for host, weight in PINS.items()},
        }
        rate, made = 0.85 * sum(each.values()), {name: [] for name in sets}
        if None in measured.values():
            sets = {}
        for number in range(runs):
            turns = [name for name in sets if name != "equal" or number < 2]
            for name in turns if number % 2 else reversed(turns):
                weights = sets[name]
                cloudsentry("weights", "set", "bench-weights", "front", *(f"{u}={w}" for u, w in weights.items()))
                made[name].append(crowd(where, rate, SECONDS))
    p99 = {name: round(median(run["p99_ms"] for run in found), 1) for name, found in made.items() if found}
    spread = {name: [round(run["p99_ms"], 1) for run in found] for name, found in made.items() if found}
    better = round(100 * (1 - p99["measured"] / p99["equal"]), 1) if p99 else None
    return {
        "calibration": rows,
        "knees": knees,
        "ratio": round(ratio, 3),
        "ratio_of_quotas": 5.0,
        "rate": round(rate, 1),
        "p99_ms": p99,
        "p99_ms_each": {name: sorted(times) for name, times in spread.items()},
        "measured_better_than_equal_percent": better,
        "measured_worse_than_hand_percent": round(100 * (p99["measured"] / p99[HAND] - 1), 1) if p99 else None,
        "runs": made,
    }


def _knees(status: Any) -> dict[str, list[tuple[int, float, float]]]:
    """One ramp of each kind, past the knee: (connections, responses/s, p99 ms)."""
    from cloudsentry.drivers.load.wrk import WrkLoad
    from cloudsentry.records.loading import LoadOrder, Target
    from cloudsentry.sentry import Sentry

    sentry, driver = Sentry(), WrkLoad(PLACE)
    servers = {line.hypervisor: line.address for line in sentry.status("bench-weights").servers}
    sentry.close()
    found: dict[str, list[tuple[int, float, float]]] = {"private-xeon1": [], "private-opteron1": []}
    for connections in (1, 2, 4, 8, 16, 32):
        for host, steps in found.items():
            order = LoadOrder(
                targets=(Target(address=servers[host]),), path="/image", connections=connections, seconds=1
            )
            step = driver.drive(order)
            steps.append((connections, round(step.responses, 1), round(step.p99_ms, 2)))
    return found


def shares() -> dict[str, Any]:
    """Served shares over 50,000 requests against the weights', by each driver."""
    total = sum(PINS.values())
    found: dict[str, Any] = {"requests": REQUESTS, "wanted": {h: round(100 * w / total, 2) for h, w in PINS.items()}}
    for driver in DRIVERS:
        with event(f"bench-{driver}", driver, PINS) as where:
            address, _, port = where.partition(":")
            crowd_py = [
                sys.executable,
                str(INSIDE / "crowd.py"),
                address,
                port or "80",
                "/name",
                str(REQUESTS),
                "16",
                "0",
            ]
            out = subprocess.run(inside(*crowd_py), capture_output=True, text=True, check=True).stdout
        told = json.loads(out)
        answers = {host: told["answers"].get(f"bench-{driver}-web-{host}", 0) for host in PINS}
        percent = {host: round(100 * count / sum(answers.values()), 2) for host, count in answers.items()}
        off = max(abs(percent[host] - found["wanted"][host]) for host in PINS)
        found[driver] = {"percent": percent, "errors": told["errors"], "off_most": round(off, 2)}
        save("shares", found)
    return found


def timeline() -> dict[str, Any]:
    """Shares second by second around a change of weights, a drain, and a host at half its speed.

    Each member gets more than a host of the slower kind carries at half its speed, and less than at its own.
    """
    changes: list[tuple[float, str]] = []
    hosts = dict.fromkeys(("private-opteron1", "private-opteron2", "private-xeon1"), 20)
    with event("bench-time", "haproxy", hosts, reweigh={"back": "15s"}) as where:
        address, _, port = where.partition(":")
        teller = Path(__file__).with_name("seconds.py")
        began = time.monotonic()
        client = subprocess.Popen(
            inside(sys.executable, str(teller), address, port, "/image", "150", "700"),
            stdout=subprocess.PIPE,
            text=True,
        )

        def at(second: float, what: str, *words: str) -> None:
            time.sleep(max(0.0, began + second - time.monotonic()))
            if words:
                cloudsentry(*words)
            changes.append((round(time.monotonic() - began, 1), what))

        at(8, "xeon1 20 → 80", "weights", "set", "bench-time", "front", "web@private-xeon1=80")
        at(18, "and back", "weights", "set", "bench-time", "front", "web@private-xeon1=20")
        at(28, "opteron2 20 → 4", "weights", "set", "bench-time", "front", "web@private-opteron2=4")
        at(36, "drained", "weights", "set", "bench-time", "front", "web@private-opteron2=0")
        at(44, "and back", "weights", "set", "bench-time", "front", "web@private-opteron2=20")
        follow = subprocess.Popen(
            [PROGRAM, "weights", "follow", "bench-time", "--every", "3", "--times", "30"], stdout=subprocess.DEVNULL
        )
        at(74, "opteron1 at half its speed")
        quota = _quota("private-opteron1")
        full = quota.read_text()
        quota.write_text(str(int(full) // 2))
        at(110, "at its own again")
        quota.write_text(full)
        seconds = json.loads(client.communicate()[0])
        decided = cloudsentry("weights", "show", "bench-time", data=True)
        follow.wait()
    slowed = next(round(when) for when, what in changes if "half" in what)
    lost = _lost(seconds, "bench-time-web-private-opteron1", slowed)
    return {"changes": changes, "lost_after_seconds": lost, "weights": decided, "seconds": seconds}


def _lost(seconds: list[dict[str, list[float]]], server: str, slowed: int) -> int | None:
    """Seconds from a host's slowing down to where it has less than four fifths of its share; None: never."""

    def share(second: dict[str, list[float]]) -> float:
        return second.get(server, [0, 0])[0] / (sum(count for count, _ in second.values()) or 1)

    usual = median(share(second) for second in seconds[slowed - 10 : slowed])
    return next((at - slowed for at in range(slowed, len(seconds)) if share(seconds[at]) < 0.8 * usual), None)


def _quota(host: str) -> Path:
    """Of the one server on a host of the lab."""
    from cloudsentry.lab.inside import quotas

    (server,) = quotas.servers_of(host)
    return Path(quotas.group(host, server)) / "cpu.cfs_quota_us"


def save(name: str, found: dict[str, Any]) -> None:
    """As docs/balancing/NAME.json."""
    text = json.dumps(found, indent=1, ensure_ascii=False)
    (OUT / f"{name}.json").write_text(text + "\n", encoding="utf-8")


PARTS = {"calibration": calibration, "shares": shares, "timeline": timeline}


def main() -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument(
        "--turns",
        type=int,
        default=RUNS,
        help=f"of measured and hand-set weights in part calibration (default: {RUNS})",
    )
    asked = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    for name in asked.parts or list(PARTS):
        before, began = pressure(), time.monotonic()
        found = calibration(asked.turns) if name == "calibration" else PARTS[name]()
        machine = {"cores": os.cpu_count(), "cpu_pressure_percent": [before, pressure()]}
        took = round(time.monotonic() - began)
        save(name, {"machine": machine, "took_seconds": took, **found})
        print(f"{name}: {took} s", file=sys.stderr)


if __name__ == "__main__":
    main()
