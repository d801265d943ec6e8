"""The load driver `locust`, in its distributed mode: for load that one core, or one machine, cannot make.

A place may be several, joined by commas: locust's master and a share of the workers run on the first, workers on the
others. These find the master by the first one's name, so that it is one reached by ssh.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import json
import math
import secrets
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.clouds.hosts import Done, Host, host_of
from cloudsentry.drivers.load.base import LoadDriver, sensible
from cloudsentry.errors import DriverError, NotSupported
from cloudsentry.records.loading import LoadOrder, LoadResult, Target

WORKERS = 2
"""Worker processes at each place: each uses one core."""
WAITS = 10
"""Commands of 15 s each in which the master must have ended."""
PATIENCE_S = 90
"""Seconds that workers may take to join: on a busy machine, locust alone needs half a minute to start."""
LIFE_S = 150
"""Seconds after which no part of a run lives any more."""
PORTS = range(15000, 25000)
"""Of masters, a new one for each run: a late worker of a run that is over must not join the next one."""

_CROWD = Path(__file__).with_name("crowd.py")
# The file goes to a folder of its own; workers end by themselves when their master does, or does not come.
_WORK = """f=$(mktemp -d) || exit; cat >"$f/crowd.py"; n=$1 master=$2 port=$3; shift 3
export CROWD_TARGETS CROWD_PATH; CROWD_TARGETS=$1 CROWD_PATH=$2; shift 2
command -v "$1" >/dev/null || exit 127
i=0; while [ $i -lt $n ]; do i=$((i + 1))
  timeout LIFE "$@" -f "$f/crowd.py" --worker --master-host "$master" --master-port "$port" >/dev/null 2>&1 </dev/null &
done; (sleep LIFE; rm -rf "$f") >/dev/null 2>&1 </dev/null &"""
# The master works on its own too, for it takes longer than one command on a host may; its answer is waited for.
_LEAD = """f=$(mktemp -d) || exit; cat >"$f/crowd.py"; users=$1 seconds=$2 workers=$3 port=$4 patience=$5
export CROWD_TARGETS CROWD_PATH; CROWD_TARGETS=$6 CROWD_PATH=$7; shift 7; command -v "$1" >/dev/null || exit 127
(timeout LIFE "$@" -f "$f/crowd.py" --master --master-bind-port "$port" --headless --json --only-summary \
  --expect-workers "$workers" --expect-workers-max-wait "$patience" -u "$users" -r "$users" -t "${seconds}s" \
  --stop-timeout 1 --loglevel WARNING >"$f/out" 2>"$f/err" </dev/null; echo >"$f/done") >/dev/null 2>&1 </dev/null &
echo "$f" """
_COLLECT = """i=0; while [ $i -lt 15 ]; do i=$((i + 1))
  [ -e "$1/done" ] && { cat "$1/out"; cat "$1/err" >&2; rm -rf "$1"; exit 0; }; sleep 1; done; exit 75"""
_LATER = 75


class LocustLoad(LoadDriver):
    """locust on one or more hosts. ``connect`` is not used."""

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._hosts = tuple(host_of(place) for place in cloud.split(","))
        self._master = _name(self._hosts)

    def __repr__(self) -> str:
        return f"LocustLoad({','.join(host.place for host in self._hosts)!r})"

    def drive(self, order: LoadOrder) -> LoadResult:
        """As the contract says; workers are started everywhere, then the master runs and ends them."""
        sensible(order)
        port = str(secrets.choice(PORTS))
        crowd, targets = _CROWD.read_bytes(), " ".join(url(target) for target in order.targets)
        for host in self._hosts:
            line = [str(WORKERS), self._master, port, targets, order.path, *_locust(host)]
            _started(host.run(["sh", "-c", _lived(_WORK), "sh", *line], crowd), host.place)
        users = str(order.connections * len(order.targets))
        # Users need a moment to be there, and workers one to tell what they saw last.
        numbers = [
            users,
            str(math.ceil(order.seconds) + 2),
            str(WORKERS * len(self._hosts)),
            port,
            str(PATIENCE_S),
        ]
        first = self._hosts[0]
        begun = first.run(["sh", "-c", _lived(_LEAD), "sh", *numbers, targets, order.path, *_locust(first)], crowd)
        _started(begun, first.place)
        folder = begun.out.decode().strip()
        done = Done(code=_LATER)
        for _ in range(WAITS):
            if done.code == _LATER:
                done = first.run(["sh", "-c", _COLLECT, "sh", folder])
        return result(order, done, first.place)


def _lived(script: str) -> str:
    return script.replace("LIFE", str(LIFE_S))


def _name(hosts: tuple[Host, ...]) -> str:
    """How workers find the master."""
    first = hosts[0].place
    if all(host.place == first for host in hosts):
        return "127.0.0.1"
    if not first.startswith("ssh://"):
        raise NotSupported("workers elsewhere find a master by its name: let the first place be ssh://…", cloud=first)
    return urlsplit(first).hostname or first


def _locust(host: Host) -> list[str]:
    """How it is called: on this machine the one that is installed beside cloudsentry."""
    if host.place.startswith("ssh://"):
        return ["locust"]
    if importlib.util.find_spec("locust") is None:
        raise NotSupported("locust is not installed: pip install cloudsentry[locust]", cloud=host.place)
    return [sys.executable, "-m", "locust"]


def _started(done: Done, place: str) -> None:
    if done.code == 127:
        raise NotSupported("locust is not installed: pip install cloudsentry[locust]", cloud=place)
    if done.code:
        raise DriverError(f"locust: {done.err.strip() or f'exit code {done.code}'}", cloud=place)


def url(target: Target) -> str:
    """Raises `NotSupported` where it is no address."""
    try:
        address = ipaddress.ip_address(target.address)
    except ValueError as error:
        raise NotSupported(f"load is sent to addresses: {error}") from error
    return f"http://{f'[{address}]' if address.version == 6 else address}:{int(target.port)}"


def result(order: LoadOrder, done: Done, place: str) -> LoadResult:
    """What the master's JSON says. Raises `NotSupported` where there is no locust, `DriverError` without a report."""
    out = done.out.decode(errors="replace")
    start = out.find("[")
    rows = _rows(out[start:]) if start >= 0 else None
    if rows is None:
        _started(Done(code=done.code or 1, err=done.err), place)
        raise DriverError("locust told nothing", cloud=place)
    if not rows:
        raise DriverError("locust: no worker asked for anything", cloud=place)
    (row,) = rows[:1]
    seconds = max(float(row["last_request_timestamp"] or 0) - float(row["start_time"]), 1e-6)
    answers = int(row["num_requests"]) - int(row["num_failures"])
    times = sorted((float(ms), int(count)) for ms, count in row["response_times"].items())
    return LoadResult(
        connections=order.connections,
        responses=answers / max(seconds, order.seconds * 0.5),
        mbits=float(row["total_content_length"]) * 8 / 1e6 / max(seconds, order.seconds * 0.5),
        errors=int(row["num_failures"]),
        p50_ms=percentile(times, 0.5),
        p99_ms=percentile(times, 0.99),
    )


def _rows(text: str) -> list[dict[str, Any]] | None:
    try:
        found = json.JSONDecoder().raw_decode(text)[0]
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def percentile(times: list[tuple[float, int]], part: float) -> float:
    """The least time (ms) that so large a part of the answers did not exceed; 0 of none."""
    left = part * sum(count for _, count in times)
    for ms, count in times:
        left -= count
        if left <= 0:
            return ms
    return 0.0
