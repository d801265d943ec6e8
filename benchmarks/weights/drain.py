"""Counts requests that fail while servers come, are replaced and go: 200 a second on kept connections, and downloads.

    python benchmarks/weights/drain.py daemons --runs 10 --out docs/plots/drain-daemons.json
    OS_CLIENT_CONFIG_FILE=… python benchmarks/weights/drain.py lab --driver haproxy --runs 1

``daemons``: real HAProxy and Apache in a namespace, members of one process; a run adds two members, drains and removes
one, and brings it back. ``lab``: from the user's door, servers of the lab; a run grows from two to four, goes back to
two, and replaces both. A failed request is one that broke, timed out (20 s), was cut short or was not answered with
200. Downloads take 2 s each. Prints one JSON object; needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[2]))
from cloudsentry.records.orders import Drain, Monitor
from tests.contract import test_balancer_daemons as daemons

RIG = Path(daemons.__file__).parent / "balancer_rig"
NAME, PORT = "drain-bench", 8090
SERVER = """#!/bin/sh
# generation {generation}
exec python3 - <<'END'
import asyncio
BODY = b"x" * 25000
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Type: image/jpeg\\r\\nContent-Length: 25000\\r\\n\\r\\n"
async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            slow = head.startswith(b"GET /slow")
            for start in range(0, 25000, 1250) if slow else ():
                writer.write((b"" if start else HEAD) + BODY[start:start + 1250])
                await writer.drain()
                await asyncio.sleep(0.1)
            if not slow:
                writer.write(HEAD + BODY)
    except (OSError, EOFError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, None, 80, backlog=1024)
    await server.serve_forever()
asyncio.run(main())
END
"""


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


def of_lab(driver: str, runs: int) -> list[dict[str, int]]:
    """The counts of each run on the lab's private cloud, by the program."""
    counts: list[dict[str, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("CLOUDSENTRY_BALANCER_DIR", f"{folder}/hosts")
        file = Path(folder) / "event.yaml"
        _apply(file, driver, 2, 0)
        url = _url(driver)
        try:
            for run in range(runs):
                stops = [_load(f"{url}/image", 20, 200), _load(f"{url}/slow", 6, 3)]
                for count, generation in ((4, run), (2, run), (2, run + 1)):
                    _apply(file, driver, count, generation)
                counts.append(_added(*(stop() for stop in stops)))
                told(driver, counts[-1])
        finally:
            program("event", "destroy", str(file), "--yes")
    return counts


def _apply(file: Path, driver: str, count: int, generation: int) -> None:
    balancer: dict[str, Any] = {"site": "nara", "driver": driver, "drain": "10s", "members": [{"pool": "web"}]}
    balancer["monitor"] = {"path": "/image", "delay": 2, "timeout": 2}
    balancer |= (
        {"network": "front"}
        if driver == "octavia"
        else {"host": "netns:lab-private", "address": "127.0.0.1", "port": PORT}
    )
    pool = {"site": "nara", "image": "tiny", "flavor": "m1.nano", "networks": ["front"], "pins": [{"count": count}]}
    pool["user_data"] = SERVER.format(generation=generation)
    body = {"event": NAME, "sites": {"nara": {"cloud": "private"}}, "pools": {"web": pool}}
    file.write_text(yaml.safe_dump({**body, "balancers": {"front": balancer}}))
    program("event", "apply", str(file))


def _url(driver: str) -> str:
    if driver != "octavia":
        return f"http://127.0.0.1:{PORT}"
    rows = json.loads(program("event", "status", NAME, "--balancers", "-f", "json"))
    return f"http://{rows[0]['VIP']}:80"


def program(*words: str) -> str:
    """What `cloudsentry` answers."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("cloudsentry")), *words], check=True, text=True, stdout=subprocess.PIPE
    ).stdout


def _load(url: str, clients: int, rate: float) -> Callable[[], dict[str, int]]:
    inside = ["ip", "netns", "exec", "lab-private", sys.executable, str(RIG / "clients.py")]
    process = subprocess.Popen([*inside, url, str(clients), str(rate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def stop() -> dict[str, int]:
        counts: dict[str, int] = json.loads(process.communicate(b"", timeout=60)[0])
        return counts

    return stop


def _added(*counts: dict[str, int]) -> dict[str, int]:
    return {key: sum(one.get(key, 0) for one in counts) for key in dict.fromkeys(key for one in counts for key in one)}


def told(driver: str, counts: dict[str, int]) -> None:
    """Progress, for who waits."""
    print(f"{driver}: {counts}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("where", choices=("daemons", "lab"))
    parser.add_argument("--driver", action="append", choices=("haproxy", "apache", "octavia"))
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    drive = of_daemons if asked.where == "daemons" else of_lab
    found = {driver: drive(driver, asked.runs) for driver in asked.driver or ["haproxy", "apache"]}
    totals = {driver: _added(*counts) for driver, counts in found.items()}
    made = {"where": asked.where, "rate": 200, "runs": asked.runs, "totals": totals, "counts": found}
    text = json.dumps(made, indent=1, sort_keys=True)
    if asked.out:
        asked.out.write_text(f"{text}\n")
    print(text)


if __name__ == "__main__":
    main()
