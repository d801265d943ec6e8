"""The load driver `httperf`: what the source's capacities were measured with.

httperf tells no percentiles, only the mean time of an answer: both of a result's are that. So a knee that it finds is
one of rates and errors, hardly of latency.
"""

from __future__ import annotations

import ipaddress
import math
import re

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.clouds.hosts import Done, host_of
from cloudsentry.drivers.load.base import LoadDriver, sensible
from cloudsentry.errors import DriverError, NotSupported
from cloudsentry.records.loading import LoadOrder, LoadResult, Target

TIMEOUT_S = 2
"""An answer that takes longer is an error."""
CALLS = 10_000_000
"""Requests of one kept connection: more than any run of seconds has time for."""

# One process per target, all at once; it reports when it is interrupted, which is how a session without end is timed.
_RUN = """seconds=$1 sessions=$2 uri=$3; shift 3
command -v httperf >/dev/null || exit 127
for target; do
  timeout -s INT "$seconds" httperf --hog --timeout TIMEOUT --server "${target% *}" --port "${target#* }" \
    --uri "$uri" --wsess "$sessions,CALLS,0" --rate "$((sessions * 100))" 2>&1 | sed 's/^/REPORT /' &
done
wait"""
_FIELDS = {
    "replies": r"^REPORT Total: .* replies ([0-9]+)",
    "seconds": r"^REPORT Total: .* test-duration ([0-9.]+) s",
    "response": r"^REPORT Reply time \[ms\]: response ([0-9.]+)",
    "transfer": r"^REPORT Reply time \[ms\]: .* transfer ([0-9.]+)",
    "size": r"^REPORT Reply size \[B\]: .*\(total ([0-9.]+)\)",
    "bad4": r"^REPORT Reply status: .* 4xx=([0-9]+)",
    "bad5": r"^REPORT Reply status: .* 5xx=([0-9]+)",
    "errors": r"^REPORT Errors: total ([0-9]+)",
}


class HttperfLoad(LoadDriver):
    """httperf on a host: kept connections, each with one request after the other. ``connect`` is not used."""

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._host = host_of(cloud)

    def __repr__(self) -> str:
        return f"HttperfLoad({self._host.place!r})"

    def drive(self, order: LoadOrder) -> LoadResult:
        """As the contract says; one process per target, on as many cores as there are."""
        done = self._host.run(["sh", "-c", script(), "sh", *arguments(order)])
        return result(order, done, self._host.place)


def script() -> str:
    """What runs at the place."""
    return _RUN.replace("TIMEOUT", str(TIMEOUT_S)).replace("CALLS", str(CALLS))


def arguments(order: LoadOrder) -> list[str]:
    """Of the script. Raises `NotSupported` for an order that makes no sense, or that httperf cannot carry out."""
    sensible(order)
    targets = [f"{_address(target)} {int(target.port)}" for target in order.targets]
    return [str(math.ceil(order.seconds)), str(order.connections), order.path, *targets]


def _address(target: Target) -> str:
    try:
        address = ipaddress.ip_address(target.address)
    except ValueError as error:
        raise NotSupported(f"load is sent to addresses: {error}") from error
    if address.version != 4:
        raise NotSupported("httperf knows no IPv6: choose wrk")
    return str(address)


def result(order: LoadOrder, done: Done, place: str) -> LoadResult:
    """What all reports say. Raises `NotSupported` where there is no httperf, `DriverError` where one did not report."""
    if done.code == 127:
        raise NotSupported("httperf is not installed", cloud=place)
    out = done.out.decode(errors="replace")
    found = {name: [float(word) for word in re.findall(form, out, re.MULTILINE)] for name, form in _FIELDS.items()}
    if len(found["replies"]) != len(order.targets):
        lines = [line.removeprefix("REPORT ") for line in out.splitlines() if line.startswith("REPORT httperf")]
        raise DriverError(f"httperf: {(lines or [done.err.strip() or 'no report'])[-1]}", cloud=place)
    seconds = max(max(found["seconds"]), 1e-6)
    bad = sum(found["bad4"]) + sum(found["bad5"])
    mean = max(_times(found))
    return LoadResult(
        connections=order.connections,
        responses=max(0.0, sum(found["replies"]) - bad) / seconds,
        mbits=sum(size * replies for size, replies in zip(found["size"], found["replies"], strict=False))
        * 8
        / 1e6
        / seconds,
        errors=round(bad + sum(found["errors"])),
        p50_ms=mean,
        p99_ms=mean,
    )


def _times(found: dict[str, list[float]]) -> list[float]:
    return [sum(pair) for pair in zip(found["response"], found["transfer"], strict=False)] or [0.0]
