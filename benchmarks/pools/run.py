"""Servers of a pool, from nothing to ACTIVE: cloudsentry beside the bare calls, Ansible and the shell, on the lab.

    cloudsentry lab up
    python benchmarks/pools/run.py --sizes 8 48 96 --bare-network 200 > pools.json

All contenders work on the same lab in one run, one after the other, N servers spread over the eight hypervisors.
Reported per contender: wall seconds to all ACTIVE, CPU seconds of the client and its children, and API calls by
method as the APIs' own access logs have them (the client's only: the services' calls to each other are told apart
by their user agent). The peers' environments are made below --work when they are missing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from keystoneauth1.adapter import Adapter
from openstack.config import OpenStackConfig

HERE = Path(__file__).parent
CLOUDS = ("private", "public")
HOSTS = {
    "private": ["private-xeon1", "private-xeon2", "private-opteron1", "private-opteron2"],
    "public": ["public-hv1", "public-hv2", "public-hv3", "public-hv4"],
}
AGENTS = {
    "bare": " cloudsentry-bare/",
    "cloudsentry": " cloudsentry/",
    "ansible": " openstacksdk/4.5.0",
    "loop": " openstacksdk/",
}
"""How a contender's user agent begins. The shell's is the SDK's own: count it on a lab that nobody else uses."""
PEERS = {
    "ansible": ["ansible==12.*", "openstacksdk==4.5.0"],
    "loop": ["python-openstackclient"],
}
VERSION = {"OpenStack-API-Version": "compute 2.96"}


class Lab:
    """The lab's two clouds: names to ids, access logs, and a broom."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = OpenStackConfig()
        self.sessions = {cloud: config.get_one(cloud).get_session() for cloud in CLOUDS}

    def spec(self, name: str, size: int, *, ports: bool) -> dict[str, Any]:
        """What every contender is to make."""
        return {
            "name": name,
            "each": size // 8,
            "hosts": HOSTS,
            "zone": self._zones(),
            "image": {cloud: self._id(cloud, "image", "/v2/images", "images", "tiny") for cloud in CLOUDS},
            "flavor": {cloud: self._id(cloud, "compute", "/flavors", "flavors", "m1.nano") for cloud in CLOUDS},
            "networks": {cloud: self._id(cloud, "network", "/v2.0/networks", "networks", "front") for cloud in CLOUDS}
            if ports
            else "none",
        }

    def _id(self, cloud: str, service: str, path: str, key: str, name: str) -> str:
        found = Adapter(self.sessions[cloud], service_type=service, interface="public").get(path).json()[key]
        return str(next(item["id"] for item in found if item["name"] == name))

    def _zones(self) -> dict[str, str]:
        return {
            service["host"]: service["zone"]
            for cloud in CLOUDS
            for service in self._servers(cloud).get("/os-services?binary=nova-compute").json()["services"]
        }

    def _servers(self, cloud: str) -> Any:
        return Adapter(self.sessions[cloud], service_type="compute", interface="public")

    def sweep(self, name: str) -> None:
        """Delete every server of that name, and wait until they are gone."""
        for cloud in CLOUDS:
            compute = self._servers(cloud)
            while servers := compute.get(f"/servers?name={name}&limit=1000", headers=VERSION).json()["servers"]:
                with ThreadPoolExecutor(4) as pool:
                    list(pool.map(lambda one, c=compute: c.delete(f"/servers/{one['id']}", raise_exc=False), servers))
                time.sleep(2)

    def marks(self) -> dict[Path, int]:
        """How long each access log is now."""
        return {path: path.stat().st_size for path in self.folder.glob("*/log/access.*.log")}

    def calls(self, since: dict[Path, int], agent: str) -> Counter[str]:
        """A client's calls since then, by method."""
        counted = Counter[str]()
        for path, length in since.items():
            with path.open() as file:
                file.seek(length)
                counted.update(line.split()[1] for line in file if agent in line)
        return counted


def peer(work: Path, name: str) -> Path:
    """The bin folder of a peer's own environment."""
    folder = work / name
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PEERS[name]], check=True, stdout=sys.stderr)
        (folder / "ready").touch()
    return folder / "bin"


def event_file(spec: dict[str, Any], path: Path) -> Path:
    """The same servers as an event file."""
    pools = {
        f"p-{cloud}": {
            "site": cloud,
            "image": "tiny",
            "flavor": "m1.nano",
            "networks": "none" if spec["networks"] == "none" else ["front"],
            "pins": [{"hypervisor": host, "count": spec["each"]} for host in hosts],
        }
        for cloud, hosts in spec["hosts"].items()
    }
    sites = {cloud: {"cloud": cloud} for cloud in CLOUDS}
    path.write_text(json.dumps({"event": spec["name"], "sites": sites, "pools": pools}))  # JSON is YAML
    return path


def command(contender: str, spec: dict[str, Any], work: Path) -> tuple[list[str], dict[str, str]]:
    """How a contender is called, and its environment."""
    file = work / "spec.json"
    file.write_text(json.dumps(spec))
    environment = {**os.environ, "CLOUDSENTRY_STATE_DIR": str(work / "state")}
    if contender == "bare":
        return [sys.executable, str(HERE / "bare.py"), str(file)], environment
    if contender == "cloudsentry":
        program = Path(sys.executable).with_name("cloudsentry")
        return [str(program), "event", "apply", str(event_file(spec, work / "event.yaml"))], environment
    bin_ = peer(work, contender)
    environment["PATH"] = f"{bin_}:{environment['PATH']}"
    environment["ANSIBLE_PYTHON_INTERPRETER"] = str(bin_ / "python")
    if contender == "ansible":
        return [str(bin_ / "ansible-playbook"), "-e", f"spec_file={file}", str(HERE / "ansible.yml")], environment
    return ["sh", str(HERE / "loop.sh"), str(file)], environment


def measure(lab: Lab, contender: str, size: int, work: Path, *, ports: bool) -> dict[str, Any]:
    """One contender, one size."""
    spec = lab.spec(f"bench{size}{contender[:3]}", size, ports=ports)
    words, environment = command(contender, spec, work)
    since = lab.marks()
    began = time.monotonic()
    child = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    told = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    calls = lab.calls(since, AGENTS[contender])
    lab.sweep(spec["name"])
    if os.waitstatus_to_exitcode(status):
        print(f"{contender} failed: {told[-2000:]}", file=sys.stderr)
    return {
        "contender": contender,
        "servers": size,
        "ports": ports,
        "ok": os.waitstatus_to_exitcode(status) == 0,
        "wall": round(wall, 1),
        "client_cpu": round(usage.ru_utime + usage.ru_stime, 2),
        "calls": dict(sorted(calls.items())),
        "all_calls": sum(calls.values()),
    }


def main() -> None:
    """Print one JSON list; one line of progress per measurement on stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--sizes", type=int, nargs="*", default=[8, 48, 96], help="servers with a port each; multiples of 8")
    add("--bare-network", type=int, nargs="*", default=[200], help="servers without networks; multiples of 8")
    add("--contenders", nargs="*", default=["bare", "cloudsentry", "ansible", "loop"])
    add("--lab", type=Path, default=Path("~/.local/share/cloudsentry/lab").expanduser(), help="the lab's folder")
    add("--work", type=Path, default=Path("~/.cache/cloudsentry-benchmarks").expanduser(), help="peers' environments")
    options = parser.parse_args()
    os.environ.setdefault("OS_CLIENT_CONFIG_FILE", str(options.lab / "clouds.yaml"))
    options.work.mkdir(parents=True, exist_ok=True)
    for contender in set(options.contenders) & set(PEERS):
        peer(options.work, contender)
    lab = Lab(options.lab)
    rows = []
    for size, ports in [(n, True) for n in options.sizes] + [(n, False) for n in options.bare_network]:
        for contender in options.contenders:
            rows.append(measure(lab, contender, size, options.work, ports=ports))
            print(json.dumps(rows[-1]), file=sys.stderr)
    json.dump(rows, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
