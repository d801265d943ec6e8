"""Calibrates a pool of a standing event, then compares latency at 85 % of it: measured against equal weights.

    OS_CLIENT_CONFIG_FILE=… python benchmarks/weights/calibration.py EVENT POOL BALANCER --from netns:lab-private

Prints one JSON object. The event is left with the weights that it had; the balancer's VIP must be reachable from the
place, and the place must be this machine or one of its namespaces, with wrk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path
from statistics import median

from cloudsentry import calibrate, weigh
from cloudsentry.sentry import Sentry

SCRIPT = Path(__file__).parents[2] / "cloudsentry" / "lab" / "inside" / "shares.lua"
PRESSURE = Path("/proc/pressure/cpu")


def pressure() -> float | None:
    """Percent of the last 10 s in which something waited for a core: above some 50, figures are of the machine."""
    if not PRESSURE.exists():
        return None
    return float(PRESSURE.read_text().split("avg10=")[1].split()[0])


def crowd(place: str, vip: str, path: str, rate: float, seconds: int) -> dict[str, float]:
    """An open crowd of a steady rate at the VIP."""
    inside = ["ip", "netns", "exec", place.removeprefix("netns:")] if place.startswith("netns:") else []
    line = ["wrk", "-t1", "-c64", f"-d{seconds}s", "--timeout=10s", "-s", str(SCRIPT), f"http://{vip}{path}"]
    out = subprocess.run([*inside, *line, "--", f"{rate:.1f}"], capture_output=True, text=True, check=True).stdout
    found = json.loads(out.rpartition("RESULT ")[2])
    answers = sum(found.pop("answers").values())
    return found | {"responses": round(answers / found["seconds"], 1)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("event")
    parser.add_argument("pool")
    parser.add_argument("balancer")
    parser.add_argument("--from", dest="place", default="local")
    parser.add_argument("--path", default="/image")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="of the crowd, with each set of weights in turn")
    parser.add_argument("--load", type=float, default=0.85, help="of what the pool carries (default: 0.85)")
    asked = parser.parse_args()
    sentry = Sentry()
    before = pressure()
    found = calibrate.calibrate(
        sentry,
        calibrate.Asked(
            event=asked.event,
            pool=asked.pool,
            place=asked.place,
            path=asked.path,
            seconds=asked.seconds,
            rounds=asked.rounds,
        ),
    )
    event, _ = sentry.event(asked.event)
    each = calibrate.capacities(found)
    measured = calibrate.measured_weights(sentry, asked.event, asked.balancer)
    rate = asked.load * sum(each[unit] * count for unit, count in calibrate.counts_of(event, asked.pool).items())
    pins = {weigh.unit_of(asked.pool, pin): pin.weight for pin in event.pools[asked.pool].pins}
    sets = {"measured": measured, "equal": dict.fromkeys(measured, 1)}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in sets}
    try:
        for _ in range(asked.runs):
            for name, weights in sets.items():
                weigh.set_weights(sentry, asked.event, asked.balancer, weights)
                (line,) = (one for one in sentry.status(asked.event).balancers if one.unit == asked.balancer)
                runs[name].append(crowd(asked.place, line.vip, asked.path, rate, round(asked.seconds * 2)))
    finally:
        weigh.set_weights(sentry, asked.event, asked.balancer, pins)
    p99 = {name: median(run["p99_ms"] for run in made) for name, made in runs.items()}
    print(
        json.dumps(
            {
                "cores": os.cpu_count(),
                "cpu_pressure": [before, pressure()],
                "calibration": [
                    {
                        "unit": one.unit,
                        "servers": one.servers,
                        "connections": one.connections,
                        "responses": round(one.responses, 1),
                        "mbits": round(one.mbits, 1),
                        "p99_ms": round(one.p99_ms, 1),
                        "derating": round(one.derating, 3),
                    }
                    for one in found
                ],
                "weights": measured,
                "rate": round(rate, 1),
                "runs": runs,
                "p99_ms": p99,
                "p99_better_percent": round(100 * (1 - p99["measured"] / p99["equal"]), 1),
            },
            indent=1,
        )
    )
    sentry.close()


if __name__ == "__main__":
    main()
