"""The same three accidents for cloudsentry, Ansible's openstack.cloud and the `openstack` program, on the lab.

    cloudsentry lab up
    python benchmarks/reliability/peers.py > docs/reliability-peers.json

Each contender makes two servers while one thing goes wrong: the answer to a create is lost after its effect; the
contender is killed (SIGKILL, with its children) once its first create was carried out; the API answers 503 to every
create for 20 seconds. Then the same command is given once more, as an operator would do. Counted are the exit codes,
and what the cloud itself lists afterwards. Ansible works on one cloud of the lab, the others on the other, with the
environments of benchmarks/pools; nobody else may use the lab meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
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


def command(contender: str, name: str, wanted: dict[str, Any], work: Path) -> tuple[list[str], dict[str, str]]:
    file = work / f"{name}.json"
    if contender == "cloudsentry":
        pins = [{"hypervisor": wanted["host"], "count": SERVERS}]
        pool = {"site": "s", "image": "tiny", "flavor": "m1.nano", "networks": ["front"], "pins": pins}
        file.write_text(json.dumps({"event": name, "sites": {"s": {"cloud": wanted["cloud"]}}, "pools": {"p": pool}}))
        program = str(Path(sys.executable).with_name("cloudsentry"))
        return [program, "event", "apply", str(file)], {**os.environ, "CLOUDSENTRY_STATE_DIR": str(work / "state")}
    file.write_text(json.dumps(wanted))
    bin_ = peer(Path("~/.cache/cloudsentry-benchmarks").expanduser(), ENVIRONMENT[contender])
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env |= {"PATH": f"{bin_}:{env['PATH']}", "ANSIBLE_PYTHON_INTERPRETER": str(bin_ / "python")}
    if contender == "ansible":
        return [str(bin_ / "ansible-playbook"), "-e", f"spec_file={file}", str(HERE / "peers.yml")], env
    return ["sh", str(HERE / "peers.sh"), str(file)], env


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
            os.killpg(process.pid, signal.SIGKILL)
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


def case(lab: Lab, contender: str, accident: str, work: Path) -> dict[str, Any]:
    name = f"peer-{contender[:3]}-{ACCIDENTS.index(accident)}"
    wanted = spec(lab, contender, name)
    words, env = command(contender, name, wanted, work)
    lab.sweep(name)
    began = time.monotonic()
    first = run(lab, words, env, wanted["cloud"], accident)
    out = subprocess.DEVNULL
    second = subprocess.run(words, env=env, stdin=out, stdout=out, stderr=out, check=False).returncode
    seconds = time.monotonic() - began
    path = f"/servers/detail?name={name}"
    listed = lab._servers(wanted["cloud"]).get(path).json()["servers"]
    by_name = Counter(one["name"] for one in listed if one["status"] == "ACTIVE")
    broken = sum(one["status"] != "ACTIVE" for one in listed)
    lab.sweep(name)
    row = {
        "accident": accident,
        "contender": contender,
        "first": first,
        "second": second,
        "wanted": SERVERS,
        "active": by_name.total(),
        "missing": max(0, SERVERS - len(by_name)),
        "duplicates": by_name.total() - len(by_name),
        "broken": broken,
        "seconds": round(seconds, 1),
    }
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def main() -> None:
    """Print one JSON list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", nargs="*", default=list(WHERE))
    parser.add_argument("--accidents", nargs="*", type=int, default=[0, 1, 2], help="by number")
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
    rows.sort(key=lambda row: (ACCIDENTS.index(row["accident"]), list(WHERE).index(row["contender"])))
    json.dump(rows, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
