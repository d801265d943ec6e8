"""The runtime socket of an HAProxy that is the operator's own: weights of servers, and maps. Never reloads it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable

from cloudsentry.clouds.hosts import Host
from cloudsentry.errors import DriverError, NotSupported

BATCH = 12000
"""Bytes of one command with its payload; HAProxy reads at most tune.bufsize, 16384 by default."""

WEIGHT_MOST = 256


def weights(host: Host, socket: str, backend: str) -> dict[str, int]:
    """The weight of each server of a backend. Raises `NotSupported` where there is no such backend."""
    text = host.look(socket, b"show stat\n").decode(errors="replace")
    rows = list(csv.DictReader(text.removeprefix("# ").splitlines()))
    if not rows or "uweight" not in rows[0]:
        raise DriverError("the socket does not answer as HAProxy 2.6 or newer does", cloud=host.place)
    mine = [row for row in rows if row["pxname"] == backend and row["svname"] not in ("BACKEND", "FRONTEND")]
    if not mine:
        raise NotSupported(f"HAProxy has no backend {backend!r} with servers", cloud=host.place)
    return {row["svname"]: int(row["uweight"] or 0) for row in mine}


def set_weights(host: Host, socket: str, backend: str, wanted: dict[str, int]) -> None:
    """These servers have these weights, by one line of commands, and it was read back. Raises `DriverError`."""
    commands = [f"set server {backend}/{name} weight {weight}" for name, weight in sorted(wanted.items())]
    for lines in _batches(commands, ";"):
        host.ask(socket, f"{lines}\n".encode())
    now = weights(host, socket, backend)
    wrong = [name for name, weight in wanted.items() if now.get(name) != weight]
    if wrong:
        raise DriverError(f"HAProxy did not take the weight of {', '.join(wrong)} in {backend}", cloud=host.place)


def entries(host: Host, socket: str, map: str) -> int | None:
    """How many entries a loaded map has; None where HAProxy's configuration does not name it."""
    text = host.look(socket, b"show map\n").decode(errors="replace")
    for line in text.splitlines():
        found = re.match(r"#?(-?\d+) \((.*?)\) .*entry_cnt=(\d+)", line)
        if found and found[2] == map:
            return int(found[3])
    return None


def change_map(host: Host, socket: str, map: str, gone: Iterable[str], come: Iterable[tuple[str, str]]) -> None:
    """Single entries leave and come, as the difference between two maps."""
    new = [f"add map {map} {key} {value}" for key, value in come]
    for lines in _batches([f"del map {map} {key}" for key in gone] + new, ";"):
        host.ask(socket, f"{lines}\n".encode())


def replace_map(host: Host, socket: str, map: str, lines: Iterable[str]) -> None:
    """The map holds just ``lines`` (``key value``), in one moment: the old one serves until the last has arrived."""
    told = host.ask(socket, f"prepare map {map}\n".encode()).decode(errors="replace")
    found = re.search(r"created: (\d+)", told)
    if found is None:
        raise NotSupported("HAProxy does not prepare maps: 2.4 or newer does", cloud=host.place)
    version = found[1]
    for batch in _batches(lines, "\n"):
        answer = host.ask(socket, f"add map @{version} {map} <<\n{batch}\n\n".encode()).strip()
        if answer:
            host.ask(socket, f"clear map @{version} {map}\n".encode())
            raise DriverError(f"HAProxy refuses an entry: {answer.decode(errors='replace')[:200]}", cloud=host.place)
    host.ask(socket, f"commit map @{version} {map}\n".encode())


def _batches(words: Iterable[str], joint: str) -> Iterable[str]:
    batch: list[str] = []
    size = 0
    for word in words:
        if batch and size + len(word) + 1 > BATCH:
            yield joint.join(batch)
            batch, size = [], 0
        batch.append(word)
        size += len(word) + 1
    if batch:
        yield joint.join(batch)
