"""The path from a place to a member, tried: whole transfers, each on a connection of its own.

A path whose MTU discovery is broken, or that loses packets, lets a health check pass and cuts an image off: so what is
tried is of an image's size, and every byte of it must arrive.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from statistics import median
from typing import Any

from cloudsentry.clouds.hosts import host_of
from cloudsentry.errors import NotSupported
from cloudsentry.records.loading import Target

MOST_S = 15.0
"""Seconds that all tries of one target may take together: one command on a host."""

# curl's exit code tells a transfer that was cut off (18) from one that did not end in time (28).
_TRY = """command -v curl >/dev/null || exit 127
n=$1; shift; i=0
while [ $i -lt $n ]; do i=$((i + 1)); curl -sS -g -o /dev/null "$@" 2>/dev/null; echo " $?"; done"""
_FORMAT = '{"status": "%{http_code}", "size": %{size_download}, "connect": %{time_connect}, "total": %{time_total}}'
_WORDS = {18: "cut off", 28: "not whole in time", 7: "nobody answers", 56: "broken off", 52: "no answer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a path carried. ``whole`` of ``tries`` transfers arrived; times in ms, of those that did."""

    address: str
    tries: int
    whole: int
    latency_ms: float
    slowest_ms: float
    why: str
    usual_ms: float = 0.0
    """Their median: one that was held up says nothing."""

    @property
    def good(self) -> bool:
        """Whether all arrived."""
        return self.whole == self.tries > 0


def tried(place: str, target: Target, *, path: str, size: int, tries: int, within: float) -> Tried:
    """Fetch ``path`` so often, from a place. Raises `NotSupported` where there is no curl, or it is no address."""
    try:
        address = ipaddress.ip_address(target.address)
    except ValueError as error:
        raise NotSupported(f"a path leads to an address: {error}") from error
    url = f"http://{f'[{address}]' if address.version == 6 else address}:{int(target.port)}{path}"
    each = max(0.1, min(within, MOST_S / tries))
    done = host_of(place).run(["sh", "-c", _TRY, "sh", str(tries), "-m", f"{each:.2f}", "-w", _FORMAT, url])
    if done.code == 127:
        raise NotSupported("curl is not installed", cloud=place)
    return told(target.address, done.out.decode(errors="replace"), size, tries)


def told(address: str, out: str, size: int, tries: int) -> Tried:
    """From curl's lines: what was measured, and its exit code."""
    latencies: list[float] = []
    totals: list[float] = []
    whys: list[str] = []
    for line in out.splitlines():
        facts, _, code = line.rpartition(" ")
        found = json.loads(facts) if facts.strip().startswith("{") else {}
        why = _why(found, int(code) if code.isdigit() else 1, size)
        if why:
            whys.append(why)
        else:
            latencies.append(float(found["connect"]) * 1000)
            totals.append(float(found["total"]) * 1000)
    whole = len(totals)
    return Tried(
        address=address,
        tries=tries,
        whole=whole,
        latency_ms=min(latencies, default=0.0),
        slowest_ms=max(totals, default=0.0),
        usual_ms=median(totals) if totals else 0.0,
        why=f"{whole} of {tries} transfers of {size} bytes were whole: {whys[0]}"
        if whys
        else f"{tries} transfers of {size} bytes whole, the slowest in {max(totals, default=0.0):.0f} ms",
    )


def _why(found: dict[str, Any], code: int, size: int) -> str:
    """Why a transfer does not count; empty where it does."""
    if code:
        got = int(found.get("size", 0))
        return f"{_WORDS.get(code, f'curl says {code}')}{f' after {got} bytes' if got else ''}"
    if found.get("status") != "200":
        return f"status {found.get('status', 'unknown')}"
    return "" if found["size"] >= size else f"only {int(found['size'])} bytes"
