"""The load driver `wrk`."""

from __future__ import annotations

import ipaddress
import json
import math
import re
from pathlib import Path

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.clouds.hosts import Done, host_of
from cloudsentry.drivers.load.base import LoadDriver, sensible
from cloudsentry.errors import DriverError, NotSupported
from cloudsentry.records.loading import LoadOrder, LoadResult, Target

TIMEOUT_S = 2
"""An answer that takes longer is an error."""

_REPORT = Path(__file__).parent / "report.lua"
# wrk reads its script from a file; the place may be another machine.
_RUN = """f=$(mktemp) || exit; trap 'rm -f "$f"' EXIT; cat >"$f"
waited() { sed -n 's/^some .*total=/PRESSURE /p' /proc/pressure/cpu 2>/dev/null; }
waited; wrk -s "$f" "$@"; code=$?; waited; times; exit $code"""


class WrkLoad(LoadDriver):
    """wrk on a host: a closed loop of kept connections. ``connect`` is for the signature: no cloud is opened."""

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._host = host_of(cloud)

    def __repr__(self) -> str:
        return f"WrkLoad({self._host.place!r})"

    def drive(self, order: LoadOrder) -> LoadResult:
        """As the contract says: one thread per target."""
        argv, script = arguments(order), script_of(order.targets)
        done = self._host.run(["sh", "-c", _RUN, "sh", *argv], script.encode())
        return result(order, done, self._host.place)


def arguments(order: LoadOrder) -> list[str]:
    """wrk's own. Raises `NotSupported` for an order that makes no sense."""
    sensible(order)
    count, first = len(order.targets), order.targets[0]
    address = f"[{first.address}]" if ":" in first.address else first.address
    numbers = [f"-t{count}", f"-c{order.connections * count}", f"-d{math.ceil(order.seconds)}s"]
    return [*numbers, f"--timeout={TIMEOUT_S}s", f"http://{address}:{first.port}{order.path}"]


def script_of(targets: tuple[Target, ...]) -> str:
    """The script with its targets. Raises `NotSupported` where one is no address."""
    try:
        lines = [f'{{"{ipaddress.ip_address(target.address)}", "{int(target.port)}"}}' for target in targets]
    except ValueError as error:
        raise NotSupported(f"load is sent to addresses: {error}") from error
    return f"targets = {{{', '.join(lines)}}}\n{_REPORT.read_text(encoding='utf-8')}"


def result(order: LoadOrder, done: Done, place: str) -> LoadResult:
    """What wrk's end says. Raises `NotSupported` where there is no wrk, `DriverError` where it did not report."""
    if done.code == 127:
        raise NotSupported("wrk is not installed", cloud=place)
    _, mark, told = done.out.decode(errors="replace").rpartition("RESULT ")
    if done.code or not mark:
        # wrk ends so where it cannot connect at all.
        raise DriverError(f"wrk: {(done.err or told).strip() or f'exit code {done.code}'}", cloud=place)
    line, _, rest = told.partition("\n")
    found = json.loads(line)
    seconds = max(float(found["seconds"]), 1e-6)
    return LoadResult(
        connections=order.connections,
        responses=(int(found["requests"]) - int(found["refused"])) / seconds,
        mbits=float(found["bytes"]) * 8 / 1e6 / seconds,
        errors=int(found["refused"]) + int(found["broken"]),
        p50_ms=float(found["p50_ms"]),
        p99_ms=float(found["p99_ms"]),
        busy=busy(rest, seconds * len(order.targets)),
        pressure=pressure(done.out.decode(errors="replace"), seconds),
    )


def pressure(told: str, seconds: float) -> float | None:
    """From the kernel's microseconds before and after; None where it keeps none."""
    totals = [int(word) for word in re.findall(r"^PRESSURE ([0-9]+)$", told, re.MULTILINE)]
    return min(1.0, (totals[1] - totals[0]) / 1e6 / seconds) if len(totals) == 2 else None


def busy(told: str, seconds: float) -> float | None:
    """From what the shell's `times` says of its children, against the seconds of all threads."""
    found = re.findall(r"^([0-9]+)m([0-9.]+)s ([0-9]+)m([0-9.]+)s$", told, re.MULTILINE)
    if len(found) != 2:
        return None
    user, user_s, system, system_s = (float(word) for word in found[1])
    return (60 * (user + system) + user_s + system_s) / seconds
