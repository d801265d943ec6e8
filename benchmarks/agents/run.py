"""Three agents, thirty events, two clouds: one agent is killed, one is stopped past its lease and goes on.

    cloudsentry lab up
    nice python -m benchmarks.agents.run --out docs/agents.json

The journal is on a PostgreSQL and ownership on a Redis of their own. What is told comes from the services' access
logs, in which each write bears its event, the holder's token and its process, and from listing the clouds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.agents import servers
from cloudsentry.journal import Journal
from cloudsentry.journal.store import Store
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import digest, dump, load_text

PROGRAM = str(Path(sys.executable).with_name("cloudsentry"))
LEASE = 10.0
LOGGED = re.compile(
    r"(?P<at>\S+) (?P<method>\S+) (?P<path>\S+) (?P<status>\d+) "
    r".*event/(?P<event>\S+) token/(?P<token>\d+) pid/(?P<pid>\d+)"
)

EVENT = """
event: agents-{number:02}
sites: {{here: {{cloud: {cloud}}}}}
pools:
  front:
    site: here
    image: tiny
    flavor: m1.nano
    networks: [front]
    pins: [{{hypervisor: {host}, count: 1}}]
"""


@dataclass(frozen=True)
class Write:
    """One line of an access log."""

    at: str
    method: str
    path: str
    status: int
    event: str
    token: int
    pid: int


def writes(lab: Path, since: dict[Path, int]) -> list[Write]:
    """Every signed write in the access logs, in the order of time."""
    found = []
    for path in sorted(lab.glob("*/log/access.*.log")):
        with path.open(encoding="utf-8", errors="replace") as log:
            log.seek(since.get(path, 0))
            for line in log:
                if match := LOGGED.match(line):
                    told = match.groupdict()
                    numbers = {key: int(told.pop(key)) for key in ("status", "token", "pid")}
                    found.append(Write(**told, **numbers))
    return sorted(found, key=lambda one: one.at)


def events(count: int, clouds: list[str]) -> list[Event]:
    """Small events, spread over the clouds and their hypervisors."""
    hosts = {"private": ("private-xeon1", "private-xeon2"), "public": ("public-hv1", "public-hv2")}
    found = []
    for number in range(count):
        cloud = clouds[number % len(clouds)]
        host = hosts[cloud][number // len(clouds) % 2]
        found.append(load_text(EVENT.format(number=number, cloud=cloud, host=host), f"{number}.yaml"))
    return found


def configured(folder: Path, journal: str, locks: str) -> Path:
    """A configuration file."""
    path = folder / "cloudsentry.conf"
    path.touch(mode=0o600)
    path.write_text(
        f"[journal]\nconnection = {journal}\n[ownership]\nbackend_url = {locks}\nlease = {LEASE}\n"
        "[executor]\nsettle = 5\npoll_least = 0.5\n"
    )
    return path


class Agents:
    """The processes, by number."""

    def __init__(self, conf: Path, folder: Path, env: dict[str, str], every: float, workers: int) -> None:
        self._conf, self._folder, self._env, self._every, self._workers = conf, folder, env, every, workers
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        command = [PROGRAM, "--config-file", str(self._conf), "-v", "agent", "--every", str(self._every)]
        with (self._folder / f"agent-{len(self.processes)}.log").open("wb") as log:
            started = subprocess.Popen(
                [*command, "--workers", str(self._workers)],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.processes.append(started)
        return started

    def log(self, number: int) -> str:
        return (self._folder / f"agent-{number}.log").read_text(errors="replace")

    def keep_logs(self, folder: Path) -> None:
        for number, _ in enumerate(self.processes):
            (folder / f"agent-{number}.log").write_text(self.log(number))

    def end(self) -> None:
        for one in self.processes:
            if one.poll() is None:
                one.send_signal(signal.SIGCONT)
                one.terminate()
        for one in self.processes:
            try:
                one.wait(60)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


def until(what: str, look: Any, seconds: float) -> Any:
    """What ``look`` gives as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.2)
    raise TimeoutError(what)


def open_runs(journal: Journal, pid: int) -> dict[str, int]:
    """Runs of a process that have announced a call and not ended, by event."""
    runs = [run for run in journal.runs(limit=500) if run.pid == pid and run.ended is None]
    return {run.event: run.id for run in runs if any(step.state == "intent" for step in journal.run(run.id).steps)}


def settled(journal: Journal, wanted: int) -> bool:
    """Whether the newest run of every event is done."""
    newest: dict[str, Any] = {}
    for run in journal.runs(limit=1000):
        newest.setdefault(run.event, run.outcome)
    return len(newest) == wanted and all(outcome == "done" for outcome in newest.values())


def held_by_others(journal: Journal, events: Iterable[str], pid: int) -> bool:
    """Whether each of the events has a later token in the journal: another process holds it."""
    return not any(journal.fences.holder(event).startswith(f"process {pid} ") for event in events)


def taken_over(journal: Journal, events: dict[str, int]) -> bool:
    """Whether each of the events has a later run."""
    newest: dict[str, int] = {}
    for run in journal.runs(limit=1000):
        newest.setdefault(run.event, run.id)
    return all(newest[event] > run for event, run in events.items())


def doubled(listed: list[Write]) -> list[str]:
    """Events that were written with an older token after a newer one: by two agents at once."""
    newest: Counter[str] = Counter()
    found = []
    for one in listed:
        if one.token < newest[one.event]:
            found.append(f"{one.at} {one.event} {one.method} token {one.token} after {newest[one.event]}")
        newest[one.event] = max(newest[one.event], one.token)
    return found


@dataclass(frozen=True)
class Stage:
    """What the story is told on: the journal, the lab's access logs from here on, and the agents."""

    journal: Journal
    url: str
    lab: Path
    since: dict[Path, int]
    agents: Agents

    def writes(self) -> list[Write]:
        return writes(self.lab, self.since)


def killed(stage: Stage) -> dict[str, Any]:
    """The first agent dies in the middle of an apply; the others take over what it held."""
    first, journal = stage.agents.processes[0], stage.journal
    until("an apply of the first agent", lambda: open_runs(journal, first.pid), 240)
    first.kill()
    at = time.monotonic()
    first.wait()
    # Looked at after its death: it wrote until the last moment.
    held = open_runs(journal, first.pid)
    until("others that hold the dead agent's events", lambda: held_by_others(journal, held, first.pid), 240)
    begun = time.monotonic() - at
    until("the dead agent's events", lambda: taken_over(journal, held), 240)
    return {
        "held": len(held),
        "taken_over_after": round(begun, 1),
        "in_leases": round(begun / LEASE, 2),
        "next_run_after": round(time.monotonic() - at, 1),
    }


def stopped(stage: Stage, wanted: int) -> dict[str, Any]:
    """The second agent sleeps past its lease in the middle of an apply, and goes on until every event is done."""
    second, journal = stage.agents.processes[1], stage.journal
    held = until("an apply of the second agent", lambda: open_runs(journal, second.pid), 240)
    second.send_signal(signal.SIGSTOP)
    held = open_runs(journal, second.pid) or held
    time.sleep(LEASE * 2.5)
    halted, before = stage.writes(), written(stage.url, second.pid)
    second.send_signal(signal.SIGCONT)
    time.sleep(LEASE)
    until("all events done", lambda: settled(journal, wanted), 900)
    after = written(stage.url, second.pid)
    return {
        "held": len(held),
        "for": LEASE * 2.5,
        "late_cloud_writes": late_writes(stage.writes(), halted, second.pid),
        "late_journal_writes": sorted(run for run in before if run in after and after[run] != before[run]),
        "told": len(re.findall(r"nothing more is written", stage.agents.log(1))),
    }


def story(options: argparse.Namespace, folder: Path, journal_url: str, locks: str) -> dict[str, Any]:
    """All of it; every server is gone afterwards."""
    lab, clouds = Path(os.environ["OS_CLIENT_CONFIG_FILE"]).parent, options.clouds.split(",")
    env = {**os.environ, "CLOUDSENTRY_STATE_DIR": str(folder / "state")}
    conf, journal = configured(folder, journal_url, locks), Journal(journal_url)
    wanted = events(options.events, clouds)
    for event in wanted:
        journal.revise(event.event, digest(event), json.dumps(dump(event), sort_keys=True))
    swept(clouds)
    since = {path: path.stat().st_size for path in lab.glob("*/log/access.*.log")}
    agents = Agents(conf, folder, env, options.every, options.workers)
    stage = Stage(journal=journal, url=journal_url, lab=lab, since=since, agents=agents)
    began = time.monotonic()
    try:
        for _ in range(3):
            agents.start()
        told = {"killed": killed(stage), "stopped": stopped(stage, len(wanted))}
        seconds = time.monotonic() - began
        listed, there = stage.writes(), counted(clouds)
        return {
            "events": len(wanted),
            "agents": 3,
            "lease": LEASE,
            "seconds": round(seconds, 1),
            "writes": len(listed),
            "written_by_two_at_once": doubled(listed),
            **told,
            "servers": {"wanted": len(wanted), "there": sum(there.values())},
            "doubled_servers": sorted(name for name, count in there.items() if count > 1),
        }
    finally:
        agents.end()
        if options.logs:
            agents.keep_logs(Path(options.logs))
        swept(clouds)
        journal.close()


def written(journal_url: str, pid: int) -> dict[int, str]:
    """What the journal holds of a process's unended runs, as text."""
    journal = Journal(journal_url)
    try:
        mine = [run.id for run in journal.runs(limit=1000) if run.pid == pid and run.ended is None]
        return {number: repr(journal.run(number)) for number in mine}
    finally:
        journal.close()


def late_writes(listed: list[Write], before: list[Write], pid: int) -> list[str]:
    """Writes of a process, after it was continued, under tokens that it had before it was stopped."""
    old = {(one.event, one.token) for one in before if one.pid == pid}
    after = [one for one in listed if one.pid == pid and one not in before]
    return [f"{one.at} {one.event} {one.method} {one.path}" for one in after if (one.event, one.token) in old]


def servers_of(clouds: list[str]) -> list[tuple[str, Any, Any]]:
    """(event, cloud, server) of everything that the clouds list of these events."""
    import openstack

    connections = [openstack.connect(cloud=cloud) for cloud in clouds]
    listed = [(cloud, server) for cloud in connections for server in cloud.compute.servers(details=True)]
    found = [(server.name.rpartition("-front")[0], cloud, server) for cloud, server in listed]
    return [one for one in found if one[0].startswith("agents-")]


def counted(clouds: list[str]) -> Counter[str]:
    """Servers by event."""
    return Counter(event for event, _, _ in servers_of(clouds))


def swept(clouds: list[str]) -> None:
    """Delete what is left of these events: the agents are gone, and their journal goes too."""
    for _, cloud, server in servers_of(clouds):
        cloud.compute.delete_server(server.id, ignore_missing=True)


def main() -> int:
    """Exit code 1 where anything was doubled, late or missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=30)
    parser.add_argument("--every", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clouds", default="private,public")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--logs", help="a folder to which the agents' logs are copied")
    options = parser.parse_args()
    with servers.redis() as locks, servers.postgresql() as journal, tempfile.TemporaryDirectory() as folder:
        Store(journal).close()
        told = story(options, Path(folder), journal, locks)
    text = json.dumps(told, indent=2) + "\n"
    if options.out:
        options.out.write_text(text)
    print(text, end="")
    bad = told["written_by_two_at_once"] or told["stopped"]["late_cloud_writes"] or told["doubled_servers"]
    return 1 if bad or told["servers"]["there"] != told["servers"]["wanted"] else 0


if __name__ == "__main__":
    sys.exit(main())
