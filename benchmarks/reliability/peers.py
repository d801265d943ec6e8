"""The same three accidents for cloudsentry, Ansible's openstack.cloud and the `openstack` program, on the lab.

    cloudsentry lab up
    python benchmarks/reliability/peers.py > docs/reliability-peers.json

Each contender makes two servers while one thing goes wrong: the answer to a create is lost after its effect; the
contender is killed (SIGKILL, with all that it has started) once its first create was carried out; the API answers 503
to every create for 20 seconds. Then the same command is given once more, as an operator would do, and if not all is
there a third time; the outage is over by then. Last the contender takes down what it made, by its own means. Counted
are the exit codes, what the cloud itself lists when the runs are over, the seconds until all was there, each once, and
what the taking down has left. Ansible works on one cloud of the lab, the others on the other, with the environments of
benchmarks/pools; nobody else may use the lab meanwhile. Rows that were told before, on stderr, may be given back with
--earlier.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "pools"))

from run import Lab, peer  # noqa: E402 - a script of the folder beside

from cloudsentry.lab import faults  # noqa: E402
from cloudsentry.lab.layout import layout  # noqa: E402

WHERE = {
    "cloudsentry": ("private", "private-xeon1"),
    "ansible": ("public", "public-hv1"),
    "openstack": ("private", "private-xeon2"),
}
ENVIRONMENT = {"ansible": "ansible", "openstack": "loop"}
ACCIDENTS = ("answer lost after the create", "killed in the middle", "503 for 20 s")
SERVERS = 2
OUTAGE = 20.0
RUNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """How a contender makes its servers, and how it takes them down."""

    up: list[str]
    down: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """What the cloud lists of a case: servers that are ACTIVE by name, and others."""

    active: Counter[str]
    broken: int

    @property
    def complete(self) -> bool:
        return not self.broken and sorted(self.active.values()) == [1] * SERVERS


def spec(lab: Lab, contender: str, name: str) -> dict[str, Any]:
    cloud, host = WHERE[contender]
    known = lab.spec(name, 8, ports=True)
    return {
        "cloud": cloud,
        "host": host,
        "zone": known["zone"][host],
        "names": [f"{name}-{number}" for number in range(SERVERS)],
        **{key: known[key][cloud] for key in ("image", "flavor")},
        "network": known["networks"][cloud],
    }


def command(contender: str, name: str, wanted: dict[str, Any], work: Path) -> tuple[Commands, dict[str, str]]:
    file = work / f"{name}.json"
    if contender == "cloudsentry":
        pins = [{"hypervisor": wanted["host"], "count": SERVERS}]
        pool = {"site": "s", "image": "tiny", "flavor": "m1.nano", "networks": ["front"], "pins": pins}
        file.write_text(json.dumps({"event": name, "sites": {"s": {"cloud": wanted["cloud"]}}, "pools": {"p": pool}}))
        program = [str(Path(sys.executable).with_name("cloudsentry")), "event"]
        commands = Commands(up=[*program, "apply", str(file)], down=[*program, "destroy", str(file), "--yes"])
        return commands, {**os.environ, "CLOUDSENTRY_STATE_DIR": str(work / "state")}
    file.write_text(json.dumps(wanted))
    bin_ = peer(Path("~/.cache/cloudsentry-benchmarks").expanduser(), ENVIRONMENT[contender])
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env |= {"PATH": f"{bin_}:{env['PATH']}", "ANSIBLE_PYTHON_INTERPRETER": str(bin_ / "python")}
    if contender == "ansible":
        play = [str(bin_ / "ansible-playbook"), "-e", f"spec_file={file}", str(HERE / "peers.yml")]
        return Commands(up=play, down=[*play, "-e", "wanted=absent"]), env
    loop = ["sh", str(HERE / "peers.sh"), str(file)]
    return Commands(up=loop, down=[*loop, "delete"]), env


def creates(lab: Lab, cloud: str, since: int) -> int:
    """How many creates the cloud has carried out since its log was so long."""
    with (lab.folder / cloud / "log" / "access.nova-api.log").open() as log:
        log.seek(since)
        return sum(" POST /v2.1/servers 202 " in line for line in log)


def run(lab: Lab, words: list[str], env: dict[str, str], cloud: str, accident: str) -> int:
    """The first run, with its accident; its exit code."""
    since = (lab.folder / cloud / "log" / "access.nova-api.log").stat().st_size
    at = {"id": "", "cloud": cloud, "where": "nova-api", "operation": "POST", "target": "/servers$"}
    fault = None
    if accident.startswith("answer lost"):
        fault = faults.add(layout(), faults.Fault(**at, kind="drop", after=True, times=1))
    elif accident.startswith("503"):
        fault = faults.add(layout(), faults.Fault(**at, kind="status", status=503))
    out = subprocess.DEVNULL
    process = subprocess.Popen(words, env=env, stdin=out, stdout=out, stderr=out, start_new_session=True)
    if accident.startswith("killed"):
        while process.poll() is None and not creates(lab, cloud, since):
            time.sleep(0.05)
        if process.poll() is None:
            slay(process.pid)
    if fault and accident.startswith("503"):
        # From the first refusal on, not from the contender's slow start.
        while process.poll() is None and not any(one.hits for one in faults.every(layout()) if one.id == fault.id):
            time.sleep(0.05)
        ending = threading.Timer(OUTAGE, faults.clear, (layout(), fault.id))
        ending.start()
        code = process.wait()
        ending.join()
        return code
    code = process.wait()
    if fault:
        faults.clear(layout(), fault.id)
    return code


def slay(pid: int) -> None:
    """SIGKILL for a process and all that it has started, in whatever session: Ansible's workers have their own."""
    found = [pid]
    for one in found:
        os.kill(one, signal.SIGSTOP)  # it starts nothing more while the others are looked for
        found += [child for child, parent in parents().items() if parent == one]
    for one in found:
        os.kill(one, signal.SIGKILL)


def parents() -> dict[int, int]:
    """Every process of this world, and which one has started it."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            found[int(file.parent.name)] = int(file.read_text().rsplit(")", 1)[1].split()[1])
    return found


def there(lab: Lab, cloud: str, name: str) -> There:
    listed = lab._servers(cloud).get(f"/servers/detail?name={name}").json()["servers"]
    active = Counter(str(one["name"]) for one in listed if one["status"] == "ACTIVE")
    return There(active=active, broken=len(listed) - active.total())


def case(lab: Lab, contender: str, accident: str, work: Path) -> dict[str, Any]:
    name = f"peer-{contender[:3]}-{ACCIDENTS.index(accident)}"
    wanted = spec(lab, contender, name)
    cloud = wanted["cloud"]
    commands, env = command(contender, name, wanted, work)
    lab.sweep(name)
    began = time.monotonic()
    codes = [run(lab, commands.up, env, cloud, accident)]
    seconds = None
    while True:
        found = there(lab, cloud, name)
        if found.complete and seconds is None:
            seconds = round(time.monotonic() - began, 1)
        if len(codes) == RUNS or (len(codes) > 1 and found.complete):
            break
        codes.append(plain(commands.up, env))
    down = plain(commands.down, env)
    left = there(lab, cloud, name)
    lab.sweep(name)
    row = {
        "accident": accident,
        "contender": contender,
        "exits": codes,
        "wanted": SERVERS,
        "active": found.active.total(),
        "missing": SERVERS - len(found.active),
        "duplicates": found.active.total() - len(found.active),
        "broken": found.broken,
        "seconds": seconds,
        "exit_down": down,
        "orphans": left.active.total() + left.broken,
    }
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def plain(words: list[str], env: dict[str, str]) -> int:
    """A run with no accident; its exit code."""
    out = subprocess.DEVNULL
    return subprocess.run(words, env=env, stdin=out, stdout=out, stderr=out, check=False).returncode


def main() -> None:
    """Print one JSON list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", nargs="*", default=list(WHERE))
    parser.add_argument("--accidents", nargs="*", type=int, default=[0, 1, 2], help="by number")
    parser.add_argument("--earlier", type=Path, help="rows that were told before, a line of JSON for each")
    parser.add_argument("--work", type=Path, default=Path("~/.cache/cloudsentry-benchmarks/peers").expanduser())
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    folder = Path("~/.local/share/cloudsentry/lab").expanduser()
    os.environ.setdefault("OS_CLIENT_CONFIG_FILE", str(folder / "clouds.yaml"))
    lab = Lab(folder)
    asked = [ACCIDENTS[number] for number in options.accidents]

    def side(cloud: str) -> list[dict[str, Any]]:
        mine = [one for one in options.contenders if WHERE[one][0] == cloud]
        return [case(lab, contender, accident, options.work) for accident in asked for contender in mine]

    with ThreadPoolExecutor(2) as pool:
        rows = [row for side_rows in pool.map(side, ("private", "public")) for row in side_rows]
    rows += [json.loads(line) for line in options.earlier.read_text().splitlines()] if options.earlier else []
    rows.sort(key=lambda row: (ACCIDENTS.index(row["accident"]), list(WHERE).index(row["contender"])))
    json.dump(rows, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
