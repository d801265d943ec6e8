"""Counts requests that fail while servers come, are replaced and go: 200 a second on kept connections, and downloads.

    python benchmarks/weights/drain.py --runs 10 --out docs/plots/drain-daemons.json

Real HAProxy and Apache in a namespace, members of one process; a run adds two members, drains and removes one, and
brings it back. A failed request is one that broke, timed out (20 s), was cut short or was not answered with 200.
Downloads take 2 s each. Prints one JSON object; needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from cloudsentry.records.orders import Drain, Monitor
from tests.contract import test_balancer_daemons as daemons

RIG = Path(daemons.__file__).parent / "balancer_rig"


def of_daemons(driver: str, runs: int) -> list[dict[str, int]]:
    """The counts of each run, images and downloads together."""
    kinds = {"haproxy": daemons.HaproxyBalancer, "apache": daemons.ApacheBalancer}
    counts: list[dict[str, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CLOUDSENTRY_BALANCER_DIR"] = f"{folder}/state"
        rig = daemons.Rig(Path(folder))
        rig.begin()
        case = daemons.Case(kinds[driver](rig.place, connect=lambda name: None), rig)
        try:
            case.create(Monitor(path="/", delay=1, timeout=1, retries=1))
            case.set(daemons.SLOW, {"1": 10, "2": 10})
            case.healthy("1")
            case.healthy("2")
            for _ in range(runs):
                images, downloads = rig.load("/image", 20, 200), rig.load("/slow", 6, 3)
                _come_and_go(case)
                counts.append(_added(images(), downloads()))
                told(driver, counts[-1])
        finally:
            case.destroy()
            rig.end()
    return counts


def _come_and_go(case: Any) -> None:
    case.set(daemons.SLOW, {"1": 10, "2": 10, "3": 10, "5": 10})
    case.healthy("3")
    case.healthy("5")
    time.sleep(1)
    case.set(daemons.SLOW, {"1": 0, "2": 10, "3": 10, "5": 10})
    case.done(Drain(unit=daemons.MARK.unit, ids=("server-1",), seconds=8.0))
    case.set(daemons.SLOW, {"2": 10, "3": 10, "5": 10})
    time.sleep(1)
    case.set(daemons.SLOW, {"1": 10, "2": 10})
    case.healthy("1")
    time.sleep(1)


def _added(*counts: dict[str, int]) -> dict[str, int]:
    return {key: sum(one.get(key, 0) for one in counts) for key in dict.fromkeys(key for one in counts for key in one)}


def told(driver: str, counts: dict[str, int]) -> None:
    """Progress, for who waits."""
    print(f"{driver}: {counts}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", action="append", choices=("haproxy", "apache"))
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    found = {driver: of_daemons(driver, asked.runs) for driver in asked.driver or ["haproxy", "apache"]}
    totals = {driver: _added(*counts) for driver, counts in found.items()}
    made = {"rate": 200, "runs": asked.runs, "totals": totals, "counts": found}
    text = json.dumps(made, indent=1, sort_keys=True)
    if asked.out:
        asked.out.write_text(f"{text}\n")
    print(text)


if __name__ == "__main__":
    main()
