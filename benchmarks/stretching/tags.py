"""Whether a VLAN's tags are what joins two sites, on Open vSwitch's userspace datapath, as JSON.

    python benchmarks/stretching/tags.py --out docs/plots/stretching-tags.json

Two sites, each a namespace with an Open vSwitch of its own: two servers on two VLANs, and an uplink which is a trunk of
the first of them, as Neutron's agent makes it. The operator's wide-area line between the uplinks is listened to. Needs
root, openvswitch-switch and tcpdump; leaves nothing behind.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STRETCHED, OTHER = 160, 161
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
SITES = ("tags-nara", "tags-osaka")
PINGS = 5


def run(*words: str, check: bool = True) -> str:
    """What a command prints. Raises `CalledProcessError`."""
    return subprocess.run(words, check=check, capture_output=True, text=True).stdout


def inside(netns: str, *words: str, check: bool = True) -> str:
    """The same within a namespace."""
    return run("ip", "netns", "exec", netns, *words, check=check)


@contextlib.contextmanager
def switch(netns: str, folder: Path) -> Iterator[list[str]]:
    """An Open vSwitch in a namespace, which carries packets itself; how its ovs-vsctl is called."""
    folder.mkdir()
    database, socket = str(folder / "conf.db"), f"unix:{folder}/db.sock"
    run("ovsdb-tool", "create", database, SCHEMA)
    common = ["--detach", "--no-chdir", "-vconsole:off"]
    names = {"ovsdb-server": [database, f"--remote=p{socket}"], "ovs-vswitchd": [socket]}
    os.environ["OVS_RUNDIR"] = str(folder)
    call = ["ovs-vsctl", f"--db={socket}"]
    try:
        for name, words in names.items():
            pid, control = f"--pidfile={folder}/{name}.pid", f"--unixctl={folder}/{name}.ctl"
            inside(netns, name, *words, pid, control, f"--log-file={folder}/{name}.log", *common)
            if name == "ovsdb-server":
                run(*call, "--no-wait", "init")
        run(*call, "add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev")
        yield call
    finally:
        for name in reversed(names):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((folder / f"{name}.pid").read_text()), 15)


def cable(one: tuple[str, str], other: tuple[str, str]) -> None:
    """A cable between (namespace, device) and (namespace, device), both up."""
    run("ip", "link", "add", one[1], "netns", one[0], "type", "veth", "peer", "name", other[1], "netns", other[0])
    for netns, device in (one, other):
        run("ip", "-n", netns, "link", "set", device, "up")


def server(site: str, call: list[str], number: int, vlan: int) -> str:
    """A server of a site on a VLAN; its namespace."""
    netns = f"{site}-{vlan}"
    run("ip", "netns", "add", netns)
    cable((netns, "eth0"), (site, f"s{vlan}"))
    run("ip", "-n", netns, "addr", "add", f"10.9.60.{number}/24", "dev", "eth0")
    run(*call, "add-port", "br", f"s{vlan}", f"tag={vlan}")
    return netns


def answers(netns: str, address: str) -> int:
    """How many of `PINGS` echo requests are answered."""
    told = inside(netns, "ping", "-n", "-q", "-c", str(PINGS), "-i", "0.2", "-W", "1", address, check=False)
    found = re.search(r"(\d+) received", told)
    return int(found[1]) if found else 0


def measured(folder: Path) -> dict[str, Any]:
    """Both sites up; who reaches whom, and what is on the line between them."""
    with contextlib.ExitStack() as stack:
        calls = {}
        for site in SITES:
            run("ip", "netns", "add", site)
            calls[site] = stack.enter_context(switch(site, folder / site))
        cable((SITES[0], "uplink"), (SITES[1], "uplink"))
        guests: dict[tuple[str, int], str] = {}
        for number, site in enumerate(SITES, start=1):
            run(*calls[site], "add-port", "br", "uplink", f"trunks={STRETCHED}", "vlan_mode=trunk")
            for vlan in (STRETCHED, OTHER):
                guests[site, vlan] = server(site, calls[site], number if vlan == STRETCHED else 10 + number, vlan)
        line = subprocess.Popen(
            ["ip", "netns", "exec", SITES[0], "tcpdump", "-e", "-n", "-l", "-i", "uplink"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        time.sleep(1)
        reached = {
            "stretched VLAN": answers(guests[SITES[0], STRETCHED], "10.9.60.2"),
            "another VLAN to the stretched one": answers(guests[SITES[0], OTHER], "10.9.60.2"),
            "another VLAN to itself at the other site": answers(guests[SITES[0], OTHER], "10.9.60.12"),
        }
        line.terminate()
        seen, _ = line.communicate(timeout=10)
    tags: dict[str, int] = {}
    for frame in seen.splitlines():
        if "ARP" in frame or "ICMP echo" in frame:
            found = re.search(r"vlan (\d+)", frame)
            tag = found[1] if found else "none"
            tags[tag] = tags.get(tag, 0) + 1
    return {
        "asked": PINGS,
        "answered": reached,
        "frames by tag": tags,
        "switch": run("ovs-vswitchd", "--version").split("\n")[0],
    }


def main() -> None:
    """Measure, and leave nothing behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = measured(Path(folder))
    finally:
        for netns in (*SITES, *(f"{site}-{vlan}" for site in SITES for vlan in (STRETCHED, OTHER))):
            subprocess.run(["ip", "netns", "del", netns], check=False, capture_output=True)
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    if chosen.out:
        chosen.out.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
