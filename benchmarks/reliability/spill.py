"""Time to capacity when a place cannot have its servers, against the clean run of the same event, on the lab.

    cloudsentry lab up
    python benchmarks/reliability/spill.py > docs/reliability-spill.json

One event of six servers behind a balancer in each cloud: five at home, whose pool may spill to other hypervisors of the
kind and then to the other cloud, and one there, whose pool may spill home. It is applied from nothing on a lab that is
well; with a hypervisor that is full; with one that dies as soon as Nova has accepted its servers; with a quota for four
of the five; with a hypervisor whose every boot ends in ERROR; and with the other cloud's APIs all resetting. Time is
that of `event apply` as a whole: all servers ACTIVE and behind their balancers with their weights. Each case is run
several times, the clean one before and after; nobody else may use the lab meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import openstack

from cloudsentry.lab import faults
from cloudsentry.lab.layout import layout

NAME = "spill"
PINNED = "private-xeon1"
AWAY = "public"
ALIKE = {"image": "tiny", "flavor": "m1.nano", "networks": ["front"]}
EVENT: dict[str, Any] = {
    "event": NAME,
    "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
    "pools": {
        "front": {
            **ALIKE,
            "site": "nara",
            "pins": [
                {"hypervisor": PINNED, "count": 3, "weight": 10},
                {"hypervisor": "private-opteron1", "count": 2, "weight": 2},
            ],
            "spill": [{"aggregate": "xeon"}, {"pool": "osaka"}],
        },
        "osaka": {
            **ALIKE,
            "site": "osaka",
            "pins": [{"hypervisor": "public-hv1", "count": 1, "weight": 5}],
            "spill": [{"pool": "front"}],
        },
    },
    "balancers": {
        "web-nara": {"site": "nara", "network": "front", "drain": 0, "members": [{"pool": "front"}]},
        "web-osaka": {"site": "osaka", "network": "front", "drain": 0, "members": [{"pool": "osaka"}]},
    },
}
WANTED = 6


def clean() -> AbstractContextManager[object]:
    """Nothing goes wrong."""
    return contextlib.nullcontext()


def _standing(kind: str, **more: Any) -> Callable[[], AbstractContextManager[object]]:
    @contextlib.contextmanager
    def case() -> Iterator[None]:
        fault = _add(kind, **more)
        time.sleep(5)  # until Placement has been told what is reserved
        try:
            yield
        finally:
            faults.clear(layout(), fault.id)
            _until_up()

    return case


@contextlib.contextmanager
def dying() -> Iterator[None]:
    """The hypervisor's nova-compute is killed once Nova has accepted the servers that are pinned to it."""
    log = layout().folder("private") / "log" / "access.nova-api.log"
    since, over = log.stat().st_size, threading.Event()
    struck: list[faults.Fault] = []

    def strike() -> None:
        while not over.wait(0.05):
            with log.open() as file:
                file.seek(since)
                if sum(" POST /v2.1/servers 202 " in line for line in file) >= 2:  # both pins of the pool
                    struck.append(_add("die"))
                    return

    thread = threading.Thread(target=strike)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for fault in struck:
            faults.clear(layout(), fault.id)
        _until_up()
    assert struck, "the run was over before anything died"


@contextlib.contextmanager
def quota() -> Iterator[None]:
    """Nova's quota has room for four more servers where five are wanted."""
    compute = openstack.connect(cloud="private").compute
    path = f"/os-quota-sets/{openstack.connect(cloud='private').current_project_id}"
    used = len(list(compute.servers(details=False, all_projects=False)))
    before = compute.get(path).json()["quota_set"]["instances"]
    compute.put(path, json={"quota_set": {"instances": used + 4, "force": True}}).raise_for_status()
    try:
        yield
    finally:
        compute.put(path, json={"quota_set": {"instances": before, "force": True}}).raise_for_status()


@contextlib.contextmanager
def cloud_down() -> Iterator[None]:
    """No API of the other cloud answers anything."""
    struck = [faults.add(layout(), faults.Fault(id="", cloud=AWAY, where=api, kind="reset")) for api in faults.APIS]
    try:
        yield
    finally:
        for fault in struck:
            faults.clear(layout(), fault.id)


CASES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "clean": clean,
    "a hypervisor is full": _standing("full"),
    "a hypervisor dies as its servers boot": dying,
    "the quota ends half-way": quota,
    "every boot on a hypervisor ends in ERROR": _standing("fail", operation="spawn", target=f"^{NAME}"),
    "the other cloud is down": cloud_down,
    "clean again": clean,
}


def _add(kind: str, **more: Any) -> faults.Fault:
    return faults.add(layout(), faults.Fault(id="", cloud="private", where=PINNED, kind=kind, **more))


def _until_up() -> None:
    """Nova counts on the hypervisor again, with all its room."""
    compute = openstack.connect(cloud="private").compute
    for _ in range(240):
        (service,) = compute.services(binary="nova-compute", host=PINNED)
        if service.state == "up":
            return
        time.sleep(0.5)
    raise AssertionError(f"{PINNED} does not come up again")


def measured(case: str, folder: Path) -> dict[str, Any]:
    """One run from nothing, and what stood afterwards; then it is taken down."""
    file = folder / "event.yaml"
    file.write_text(json.dumps(EVENT))  # JSON is YAML
    _program("event", "destroy", str(file), "--yes")  # what an ended run has left
    with CASES[case]():
        began = time.monotonic()
        code, report = _program("event", "apply", str(file))
        seconds = time.monotonic() - began
        second = _program("event", "apply", str(file))[1].get("writes")
    places = _places()
    _program("event", "destroy", str(file), "--yes")
    row = {
        "case": case,
        "code": code,
        "seconds": round(seconds, 1),
        "wanted": WANTED,
        "active": places.total(),
        "places": dict(sorted(places.items())),
        "writes_again": second,
        "left": report.get("left"),
    }
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def _places() -> Counter[str]:
    """Where the event's ACTIVE servers stand, as the clouds have it."""
    found = Counter[str]()
    for cloud in ("private", AWAY):
        listed = openstack.connect(cloud=cloud).compute.servers(details=True, tags=f"cloudsentry-event={NAME}")
        found.update(one.hypervisor_hostname for one in listed if one.status == "ACTIVE")
    return found


def _program(*words: str) -> tuple[int, dict[str, Any]]:
    program = str(Path(sys.executable).with_name("cloudsentry"))
    ended = subprocess.run([program, *words, "-f", "json"], capture_output=True, text=True, check=False)
    try:
        return ended.returncode, json.loads(ended.stdout)
    except ValueError:
        return ended.returncode, {"left": [ended.stderr[-400:]]}


def summed(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The runs, and each case's median against that of all clean ones."""
    seconds: dict[str, list[float]] = {}
    for run in runs:
        seconds.setdefault("clean" if run["case"].startswith("clean") else run["case"], []).append(run["seconds"])
    plain = statistics.median(seconds["clean"])
    cases = [
        {
            "case": case,
            "runs": len(found),
            "seconds": statistics.median(found),
            "ratio": statistics.median(found) / plain,
        }
        for case, found in seconds.items()
    ]
    for case in cases:
        case["ratio"] = round(case["ratio"], 2)
        mine = [run for run in runs if run["case"].removesuffix(" again") == case["case"]]
        case["complete"] = sum(run["active"] == run["wanted"] and not run["writes_again"] for run in mine)
    return {"command": "python benchmarks/reliability/spill.py", "cases": cases, "runs": runs}


def main() -> None:
    """Print one JSON object; a line for each run on stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2, help="of each case (default: 2)")
    parser.add_argument("--earlier", type=Path, help="runs that were told before, a line of JSON for each, count too")
    parser.add_argument("--cases", nargs="*", type=int, default=list(range(len(CASES))), help="by number")
    options = parser.parse_args()
    lab = Path("~/.local/share/cloudsentry/lab").expanduser()
    os.environ.setdefault("OS_CLIENT_CONFIG_FILE", str(lab / "clouds.yaml"))
    names = [list(CASES)[number] for number in options.cases]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CLOUDSENTRY_STATE_DIR"] = str(Path(folder) / "state")
        runs = [measured(name, Path(folder)) for _ in range(options.runs) for name in names]
    before = options.earlier.read_text().splitlines() if options.earlier else []
    json.dump(summed([*map(json.loads, before), *runs]), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
