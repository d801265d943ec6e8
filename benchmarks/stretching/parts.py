"""Pieces of the benchmark: the event, the lab's servers, and the two programs that measure from within servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cloudsentry.lab.inside import guests

LAB = Path(os.environ.get("CLOUDSENTRY_LAB_DIR") or "~/.local/share/cloudsentry/lab").expanduser()
IPERF, STREAM = 5201, 5202
ORIGIN = f"""#!/bin/sh
iperf3 -s -p {IPERF} >/dev/null 2>&1 &
python3 - <<'PROGRAM' &
import socket, threading, time
def serve(one):
    number = 0
    try:
        while True:
            one.sendall(b"%d\\n" % number)
            number += 1
            time.sleep(0.02)
    except OSError:
        one.close()
door = socket.create_server(("", {STREAM}))
while True:
    threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()
PROGRAM
exec {LAB}/bin/web "$WWW" 80
"""
CLIENT = """
import select, socket, sys, time
one = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20)
one.settimeout(60)
until, last, gap, wanted, rest = time.monotonic() + float(sys.argv[3]), time.monotonic(), 0.0, 0, b""
print("begun", flush=True)
while time.monotonic() < until and not (len(sys.argv) > 4 and select.select([sys.stdin], [], [], 0)[0]):
    got = one.recv(65536)
    now = time.monotonic()
    gap, last = max(gap, now - last), now
    *lines, rest = (rest + got).split(b"\\n")
    for line in lines:
        assert int(line) == wanted, "something is missing in the stream"
        wanted += 1
print(round(gap, 3), flush=True)
"""
"""The longest silence of one TCP connection, on which a line is sent every 20 ms; fails where a byte is missing. With a
fourth argument it ends earlier, at a line of its input."""

ARPS = """
import socket, struct, sys, time
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
raw.bind((sys.argv[1], 0x0806))
raw.settimeout(0.5)
until = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    try:
        frame = raw.recv(128)
    except socket.timeout:
        continue
    mac, address = frame[22:28].hex(":"), socket.inet_ntoa(frame[28:32])
    if address != "0.0.0.0":
        print(round(time.time(), 3), address, mac, flush=True)
"""


HANDSHAKES = """
import socket, statistics, sys, time
took = []
for _ in range(int(sys.argv[3])):
    begun = time.monotonic()
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20).close()
    took.append((time.monotonic() - begun) * 1000)
    time.sleep(0.02)
print(round(statistics.median(took), 2))
"""
"""The median of TCP handshakes, in ms: a round trip."""

KINDS = ("vlan", "gateway", "gateway-l3", "openvpn", "openvpn-l3", "router")
LAYER2 = {
    "cidr": "10.9.60.0/24",
    "allocation": {"nara": "10.9.60.10-10.9.60.99", "osaka": "10.9.60.100-10.9.60.199"},
}
LAYER3 = {"cidrs": {"nara": "10.9.60.0/24", "osaka": "10.9.61.0/24"}}
GATEWAYS: dict[str, Any] = {
    "image": {"nara": "tiny", "osaka": "tiny"},
    "flavor": {"nara": "m1.tiny", "osaka": "m1.tiny"},
    "origin": "nara",
    "allow": ["tcp/80", f"tcp/{IPERF}-{STREAM}"],
}
PROBERS = {key: GATEWAYS[key] for key in ("image", "flavor")}
ZONES = {"zone": {"nara": "az1", "osaka": "az1"}}
STRETCHES: dict[str, dict[str, Any]] = {
    "vlan": {"driver": "vlan", "physical_network": "physnet1", "vlan": 160, **LAYER2, **PROBERS, **ZONES},
    "gateway": {"driver": "gateway", **GATEWAYS, **ZONES, **LAYER2},
    "gateway-l3": {"driver": "gateway", "mode": "l3", **GATEWAYS, **ZONES, **LAYER3},
    "openvpn": {"driver": "gateway", "transport": "openvpn", **GATEWAYS, **ZONES, **LAYER2},
    "openvpn-l3": {"driver": "gateway", "transport": "openvpn", "mode": "l3", **GATEWAYS, **ZONES, **LAYER3},
    "router": {
        "driver": "router",
        "home": "nara",
        "hypervisor": "public-hv1",
        "uplinks": {"public-hv2": "front"},
        "zone": {"nara": "az1"},
        **GATEWAYS,
        **LAYER3,
    },
}


def event(kind: str) -> dict[str, Any]:
    """An origin on the private network at one site, and a server at the other that fetches from it."""
    name = f"bench-{kind}"
    pool = {"image": "tiny", "flavor": "m1.nano"}
    edge = {"hypervisor": "public-hv1", "count": 1}
    return {
        "event": name,
        "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
        "stretches": {name: {"between": ["nara", "osaka"], **STRETCHES[kind]}},
        "pools": {
            "origin": {**pool, "site": "nara", "networks": [name], "user_data": ORIGIN, "pins": [{"count": 1}]},
            "edge": {**pool, "site": "osaka", "networks": [name], "pins": [edge]},
        },
    }


def cloudsentry(*arguments: str) -> Any:
    """A command's answer as data. Raises `RuntimeError` with what it said."""
    done = subprocess.run(
        ["cloudsentry", *arguments, "-f", "json"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise RuntimeError(f"cloudsentry {' '.join(arguments)}: {done.stderr[-800:]}")
    return json.loads(done.stdout)


class Guest:
    """One server of the lab, by its namespace."""

    def __init__(self, cloud: str, record: dict[str, Any]) -> None:
        self.cloud, self.id, self.name, self.ports = cloud, record["id"], record["name"], record["ports"]
        self.netns, self.host = f"s-{record['id'][:13]}", record["host"]

    def machine(self) -> guests.Guest:
        """The lab's own handle on it: what its hypervisor does to switch it on and off."""
        os.environ |= {"LAB_DIR": str(LAB), "LAB_RUN": str(LAB / self.cloud / "run")}
        folder = str(LAB / self.cloud / "state" / "nova" / "guests" / self.id)
        return guests.Guest(self.cloud, self.host, folder, self.id, self.name)

    def command(self, *words: str) -> list[str]:
        """A command within it."""
        return ["ip", "netns", "exec", self.netns, *words]

    def run(self, *words: str, timeout: float = 120) -> str:
        """What a command within it prints."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False, timeout=timeout)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(words[:4])}: {done.stderr[-400:] or done.stdout[-400:]}")
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command within it, going on."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.command(*words), text=True, **pipes)  # type: ignore[call-overload,no-any-return]

    def again(self) -> int:
        """TCP segments that it has sent again."""
        heads, values = (line.split() for line in self.run("cat", "/proc/net/snmp").splitlines() if line[:4] == "Tcp:")
        return int(values[heads.index("RetransSegs")])

    def address(self, within: str) -> str:
        """Its own address that begins so."""
        addresses = [entry["address"].split("/")[0] for port in self.ports for entry in port["addresses"]]
        return next(address for address in addresses if address.startswith(within))

    def has(self, address: str) -> bool:
        """Whether an address is configured in it now."""
        return f" {address}/" in self.run("ip", "-o", "addr")


class Site(Guest):
    """A site's own namespace, with its address towards the other one."""

    def __init__(self, cloud: str) -> None:
        self.cloud, self.name, self.netns = cloud, cloud, f"lab-{cloud}"
        told = json.loads(self.run("ip", "-j", "-4", "addr", "show", "dev", "wan0"))
        self.address = next(entry["local"] for entry in told[0]["addr_info"])  # type: ignore[assignment,method-assign]


def servers(event: str) -> list[Guest]:
    """The event's servers on both clouds."""
    found = []
    for cloud in ("private", "public"):
        for path in sorted((LAB / cloud / "run" / "guests").glob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["name"].startswith(f"{event}-"):
                found.append(Guest(cloud, record))
    return found


def until(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait for it. Raises `RuntimeError` when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds:g} s")
        time.sleep(0.5)


def python(guest: Guest, program: str, *arguments: str) -> subprocess.Popen[str]:
    """A program of this file within a server."""
    return guest.start(sys.executable, "-c", program, *arguments)
