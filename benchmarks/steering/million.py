"""A prefix table of a million networks: read, divided by shares, written, and put into a running HAProxy.

    python benchmarks/steering/million.py --out docs/plots/prefix-million.json

Makes a table of /24 networks of 70,000 ASes, sends 25 %, then 25.5 % of the clients to the cloud, and home again; puts
all networks into the running HAProxy at once. Checks some addresses by asking HAProxy. Prints one JSON object: seconds
by the clock, which whoever else works on the machine makes more, and of the CPU. Needs haproxy.
"""

from __future__ import annotations

import argparse
import http.client
import ipaddress
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cloudsentry.drivers.steering import haproxy
from cloudsentry.drivers.steering.base import SteeringScope
from cloudsentry.drivers.steering.prefix import PrefixSteering, maps, table
from cloudsentry.records.marks import Mark
from cloudsentry.records.steering import Revert, SetShares, Target

ASES = 70_000
PORT = 18_099


def timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Seconds by the clock and of this process's CPU (HAProxy's are not in it), and what came of it."""
    began, spent = time.monotonic(), time.process_time()
    found = work()
    return {"clock": round(time.monotonic() - began, 2), "cpu": round(time.process_time() - spent, 2)}, found


def generate(path: Path, count: int) -> None:
    """``count`` /24 networks from 16.0.0.0 on, and three that loopback clients can be of; large ASes are few."""
    chance = random.Random(2010)
    first = int(ipaddress.ip_address("16.0.0.0"))
    with path.open("w") as stream:
        for number in range(count):
            address = ipaddress.ip_address(first + 256 * number)
            stream.write(f"{address}/24 {int(ASES * chance.random() ** 3) + 1}\n")
        stream.write("127.1.0.0/16 1\n127.1.2.0/24 2\n127.2.0.0/16 3\n")


def targets(share: float) -> tuple[Target, ...]:
    """Home, and the cloud with its share; AS 2 is always the cloud's."""
    home = Target(name="farm", share=100 - share, to=("stay",), home=True)
    return home, Target(name="nara", share=share, to=("cloud",), rules=("AS2",))


def asked(client: str) -> str:
    """The backend that answers a client."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30, source_address=(client, 0))
    connection.request("GET", "/")
    return connection.getresponse().read().decode()


def begin(folder: Path) -> subprocess.Popen[bytes]:
    """An HAProxy with an empty map."""
    (folder / "clients.map").write_text("")
    (folder / "haproxy.cfg").write_text(
        f"global\n stats socket {folder}/sock mode 600 level admin\n fd-hard-limit 1024\n"
        "defaults\n mode http\n timeout client 30s\n timeout connect 2s\n timeout server 30s\n"
        f"frontend clients\n bind 127.0.0.1:{PORT}\n use_backend %[src,map_ip({folder}/clients.map,stay)]\n"
        "backend stay\n http-request return status 200 content-type text/plain string stay\n"
        "backend cloud\n http-request return status 200 content-type text/plain string cloud\n"
    )
    process = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", str(folder / "haproxy.cfg")])
    while not (folder / "sock").exists():
        time.sleep(0.05)
    return process


def measure(folder: Path, count: int) -> dict[str, Any]:
    """Everything, in order."""
    path, map, socket = (str(folder / name) for name in ("table.txt", "clients.map", "sock"))
    found: dict[str, Any] = {"networks": count, "generate_s": timed(lambda: generate(Path(path), count))[0]}
    found["read_s"], rows = timed(lambda: table.read(path))
    found["divide_s"], made = timed(lambda: maps.chosen(rows, targets(25)))
    found["entries"] = len(made.entries)
    whole = [f"{row} cloud" for row in rows]
    rows.clear()
    driver = PrefixSteering("local", connect=lambda name: None)
    options = (("map", map), ("socket", socket), ("table", path))
    mark = Mark(event="million", unit="clients", op="op", template="t")
    for name, share in (("first_s", 25.0), ("change_s", 25.5)):
        order = SetShares(unit="clients", targets=targets(share), options=options, mark=mark)
        found[name], _ = timed(lambda order=order: driver.act(order))
        found["observe_s"], view = timed(lambda: driver.observe(SteeringScope(event="million")))
        assert order.seen(view)
        given = dict(view.steers[0].shares)["nara"]
        assert abs(given - share) <= 1, given
        assert asked("127.1.2.3") == "cloud"
    found["load_all_s"], _ = timed(lambda: haproxy.replace_map(driver._host, socket, map, whole))
    found["loaded"] = haproxy.entries(driver._host, socket, map)
    assert asked("127.2.0.1") == "cloud"
    Path(map).write_text("".join(f"{line}\n" for line in whole))
    config = str(folder / "haproxy.cfg")
    found["start_with_all_s"], _ = timed(
        lambda: subprocess.run(["/usr/sbin/haproxy", "-c", "-q", "-f", config], check=True)
    )
    found["home_s"], _ = timed(lambda: driver.act(Revert(unit="clients", event="million")))
    assert haproxy.entries(driver._host, socket, map) == 0
    assert asked("127.1.2.3") == "stay"
    return found


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["CLOUDSENTRY_BALANCER_DIR"] = f"{name}/state"
        process = begin(Path(name))
        try:
            found = measure(Path(name), given.networks)
        finally:
            process.terminate()
            process.wait(20)
    text = json.dumps(found, indent=1, sort_keys=True)
    if given.out:
        given.out.write_text(f"{text}\n")
    print(text)


if __name__ == "__main__":
    main()
