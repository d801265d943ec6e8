"""What a stretch costs and what it survives, measured on the lab, as JSON.

    OS_CLIENT_CONFIG_FILE=… python benchmarks/stretching/run.py gateway --kills 10 --out docs/stretching/gateway.json

Brings an event of its own up and takes it down again: an origin in `private`, a server in `public`, the lab's WAN
between them. Needs root, a running lab, iperf3 and wrk. Figures of one run compare with each other; seconds hold for
this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.stretching.parts import (
    ARPS,
    CLIENT,
    HANDSHAKES,
    IPERF,
    KINDS,
    STREAM,
    Guest,
    Site,
    cloudsentry,
    event,
    python,
    servers,
    until,
)

QUOTA = 20
"""Percent of a core that a gateway has which comes back."""
SECONDS = 6
"""Length of each measurement of throughput."""
HANDSHAKEN = 25


class Bench:
    """One event, standing."""

    def __init__(self, kind: str) -> None:
        self.name, self.kind = f"bench-{kind}", kind
        found = servers(self.name)
        self.origin = next(one for one in found if "-origin-" in one.name)
        self.edge = next(one for one in found if "-edge-" in one.name)
        self.near = [one for one in found if one.cloud == "private" and re.search(r"-gw[12]$", one.name)]
        self.far = [one for one in found if one.cloud == "public" and re.search(r"-(gw[12]|router)$", one.name)]
        self.target = self.origin.address("10.9.60.")
        ends = cloudsentry("stretch", "list", self.name)
        offers = {end["Cloud"]: dict(_words(end["Offer"])) for end in ends}
        self.vips = {cloud: offer.get("address", "") for cloud, offer in offers.items()}
        self.inner = offers["private"].get("inner", "")

    def active(self, pair: list[Guest]) -> Guest | None:
        """Which of a pair has its address; a router is alone."""
        found = [one for one in pair if len(pair) == 1 or one.has(self.vips[one.cloud])]
        return found[0] if len(found) == 1 else None

    def images(self) -> dict[str, Any]:
        """25 KB images from the origin over 32 connections; errors by their kind, and what the network has lost."""
        before = self._lost()
        command = ["wrk", "-t1", "-c32", f"-d{SECONDS}", "--timeout", "20s", "--latency"]
        told = self.edge.run(*command, f"http://{self.target}/image")
        bad = re.search(r"Socket errors: (.*)", told)
        kinds = {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", bad[1])} if bad else {}
        others = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
        kinds |= {"status": int(others[1])} if others else {}
        after = self._lost()
        return {
            "fetched": int(re.search(r"(\d+) requests in", told)[1]),  # type: ignore[index]
            "errors": sum(kinds.values()),
            "kinds": {name: count for name, count in kinds.items() if count},
            "median": re.search(r"50%\s+(\S+)", told)[1],  # type: ignore[index]
            "longest": re.search(r"99%\s+(\S+)", told)[1],  # type: ignore[index]
            "lost": {name: after[name] - before[name] for name in after},
        }

    def _lost(self) -> dict[str, int]:
        """Counters of what had to be sent again, and by whom."""
        found = {f"{name} sent again": one.again() for name, one in (("origin", self.origin), ("edge", self.edge))}
        wan = cloudsentry("lab", "wan", "show")
        return found | {"WAN dropped": sum(int(count) for key, count in wan.items() if "dropped" in key.lower())}

    def latency(self) -> float:
        """Median TCP handshake with the origin, in ms."""
        return _said(python(self.edge, HANDSHAKES, self.target, "80", str(HANDSHAKEN)))

    def bandwidth(self, client: Guest | Site, address: str, *more: str) -> float:
        """Mbit/s that arrive, one TCP stream from the server at ``address`` to the client."""
        options = ["-p", str(IPERF), "-t", str(SECONDS), "-R", "-J", *more]
        told = json.loads(client.run("iperf3", "-c", address, *options))
        return round(told["end"]["sum_received"]["bits_per_second"] / 1e6, 1)

    def wan(self) -> dict[str, float]:
        """The WAN alone, from site to site: handshake in ms, and Mbit/s of one TCP stream."""
        near, far = Site("private"), Site("public")
        serving = near.start("iperf3", "-s", "-p", str(IPERF), "-B", near.address)
        try:
            time.sleep(1)
            took = _said(python(far, HANDSHAKES, near.address, str(IPERF), "9"))
            time.sleep(1)
            return {"wan_rtt_ms": took, "wan_mbit": self.bandwidth(far, near.address)}
        finally:
            serving.kill()

    def tunnel(self) -> float:
        """Mbit/s of the bare tunnel, from gateway to gateway. A tap has no address but the bridge's."""
        until(lambda: self.active(self.near) is not None and self.active(self.far) is not None, "two active gateways")
        near, far = self.active(self.near), self.active(self.far)
        assert near is not None
        assert far is not None
        near.run("nft", "insert", "rule", "inet", "gateway", "input", "tcp", "dport", str(IPERF), "accept")
        there = json.loads(near.run("ip", "-j", "addr", "show", "dev", "lo"))[0]["addr_info"]
        own = next(entry["local"] for entry in there if entry["local"].startswith("100."))
        address = self.inner if self.kind == "openvpn" else own
        serving = near.start("iperf3", "-s", "-1", "-p", str(IPERF), "-B", address)
        try:
            time.sleep(1)
            return self.bandwidth(far, address)
        finally:
            serving.kill()

    def kill(self, number: int) -> dict[str, Any]:
        """Cut the active gateway off its power under traffic, at one end and the other in turn, as Nova would.

        Of a router's two ends only the one at home is a pair.
        """
        pair = self.near if self.kind == "router" else (self.near, self.far)[number % 2]
        until(lambda: self.active(pair) is not None, "an active gateway")
        victim = self.active(pair)
        assert victim is not None
        heir = next(one for one in pair if one is not victim)
        client = python(self.edge, CLIENT, self.target, str(STREAM), "6")
        watch = python(self.edge, ARPS, "eth0", "6")
        assert client.stdout is not None
        assert client.stdout.readline() == "begun\n"
        time.sleep(1)
        victim.machine().stop()
        told, wrong = client.communicate(timeout=120)
        seen, _ = watch.communicate(timeout=120)
        took_over = heir.has(self.vips[heir.cloud])
        self._back(victim)
        stayed = self.active(pair)
        return {
            "end": victim.cloud,
            "lost_s": float(told) if client.returncode == 0 else None,
            "session": "lived on" if client.returncode == 0 else wrong[-200:],
            "taken_over": took_over,
            "preempted": stayed is None or stayed.id != heir.id,
            "owned_twice": twice(seen),
        }

    def _back(self, victim: Guest) -> None:
        machine = victim.machine()
        said = len(machine.console())
        machine.start(QUOTA)
        until(
            lambda: b'"standby"' in machine.console()[said:] or b'"active"' in machine.console()[said:], "its program"
        )

    def move(self, hypervisor: str) -> dict[str, Any]:
        """The group and its router go to another hypervisor; the longest silence of a session meanwhile."""
        client = python(self.edge, CLIENT, self.target, str(STREAM), "90", "over")
        assert client.stdout is not None
        assert client.stdout.readline() == "begun\n"
        begun = time.monotonic()
        cloudsentry("migrate", "run", self.name, self.name, "--to", "osaka", "--hypervisor", hypervisor)
        took = time.monotonic() - begun
        assert client.stdin is not None
        told, wrong = client.communicate("over\n", timeout=150)
        return {
            "to": hypervisor,
            "seconds": round(took, 1),
            "lost_s": float(told) if client.returncode == 0 else None,
            "session": "lived on" if client.returncode == 0 else wrong[-200:],
        }


def _words(offer: str) -> list[tuple[str, str]]:
    return [(key, value) for key, _, value in (fact.partition(" ") for fact in offer.split(", "))]


def _said(process: subprocess.Popen[str]) -> float:
    told, wrong = process.communicate(timeout=120)
    if process.returncode:
        raise RuntimeError(wrong[-400:])
    return float(told)


def twice(seen: str) -> list[str]:
    """Addresses of which an earlier owner was heard again after the next one."""
    owners: dict[str, list[str]] = {}
    for line in seen.splitlines():
        _, address, mac = line.split()
        known = owners.setdefault(address, [])
        if not known or known[-1] != mac:
            known.append(mac)
    return sorted(address for address, macs in owners.items() if len(macs) != len(set(macs)))


def measured(kind: str, kills: int, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Everything of one kind, its event standing; ``keep`` is told of it as it grows."""
    bench = Bench(kind)
    until(lambda: _answers(bench), "the origin through the stretch")
    found: dict[str, Any] = {"kind": kind, **bench.wan(), "rtt_ms": bench.latency(), "images": bench.images()}
    found["added_ms"] = round(found["rtt_ms"] - found["wan_rtt_ms"], 2)
    if kind != "vlan":
        found["tunnel_mbit"] = bench.tunnel()
    found["stretch_mbit"] = bench.bandwidth(bench.edge, bench.target)
    found["share"] = round(found["stretch_mbit"] / found.get("tunnel_mbit", found["wan_mbit"]), 3)
    until(lambda: all(end["Alive"] for end in cloudsentry("stretch", "list", bench.name)), "the ends' own probes")
    found["probes"] = {end["Cloud"]: end["RTT ms"] for end in cloudsentry("stretch", "list", bench.name)}
    keep(found)
    if kind == "router":
        found["moves"] = [_told(bench.move(hypervisor)) for hypervisor in ("public-hv2",)]
        keep(found)
    found |= {"kills": []} if kind != "vlan" else {}
    for number in range(kills if kind != "vlan" else 0):
        found["kills"].append(_told(bench.kill(number)))
        keep(found)
    return found


def _told(one: dict[str, Any]) -> dict[str, Any]:
    print(json.dumps(one), file=sys.stderr, flush=True)
    return one


def _answers(bench: Bench) -> bool:
    done = subprocess.run(
        bench.edge.command("curl", "-s", "-m", "3", f"http://{bench.target}/name"), capture_output=True, check=False
    )
    return done.returncode == 0


def main() -> None:
    """Up, measured, down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", action="store_true", help="leave the event standing, for another run")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(yaml.safe_dump(event(chosen.kind), sort_keys=False), encoding="utf-8")
        try:
            opened = cloudsentry("event", "apply", str(path))

            def keep(found: dict[str, Any]) -> None:
                found |= {"apply_s": opened["seconds"], "load": round(os.getloadavg()[1], 1)}
                if chosen.out:
                    written(found, chosen.out)

            found = measured(chosen.kind, chosen.kills, keep)
            keep(found)
        finally:
            closed = {} if chosen.keep else cloudsentry("event", "destroy", str(path), "--yes")
    found |= {"destroy_s": closed.get("seconds"), "left": closed.get("left"), "wan": cloudsentry("lab", "wan", "show")}
    if chosen.out:
        written(found, chosen.out)
    print(json.dumps(found, indent=1, sort_keys=True))


def written(found: dict[str, Any], out: Path) -> None:
    """The file that the page's tables are made of; what was measured before a run was cut is in it as well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
