"""HAProxy's runtime socket: what stands, and batches of commands.

Answers to commands are text for people; whether a batch had its effect is read off the next listing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass

from cloudsentry.clouds.hosts import Host
from cloudsentry.drivers.balancer.haproxy.render import BACKEND
from cloudsentry.drivers.balancer.instance import PREFIX, parted
from cloudsentry.errors import DriverError
from cloudsentry.records.marks import Mark
from cloudsentry.records.views import Member

BATCH = 12000
"""Bytes of one line of commands; HAProxy reads at most tune.bufsize, 16384 by default."""

_STATES = {"UP": "ONLINE", "no": "NO_MONITOR", "DOWN": "OFFLINE", "NOLB": "DRAINING", "DRAIN": "DRAINING"}
_STATES |= {"MAINT": "DISABLED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the daemon has: members, and the sessions open on its front. ``id`` is a server's name in HAProxy."""

    members: tuple[Member, ...]
    sessions: int

    def within(self) -> tuple[Member, ...]:
        """Without those of ours that are taken out and only wait for their last connection to end."""
        return tuple(member for member in self.members if not leaving(member))

    def named(self, id: str) -> Member | None:
        """A server by its name in HAProxy."""
        return next((member for member in self.members if member.id == id), None)


def leaving(member: Member) -> bool:
    """Of ours, and in maintenance: nothing new reaches it."""
    return member.mark is not None and member.operating == "DISABLED"


def standing(host: Host, socket: str, mark: Mark) -> Standing:
    """Look. Raises `Unreachable` where nobody answers, `DriverError` where it is no HAProxy of 2.6 or newer."""
    text = host.look(socket, b"show stat\n").decode(errors="replace")
    rows = list(csv.DictReader(text.removeprefix("# ").splitlines()))
    if not rows or not {"svname", "addr", "uweight", "scur", "status"} <= rows[0].keys():
        raise DriverError("the socket does not answer as HAProxy 2.6 or newer does", cloud=host.place)
    sessions = sum(int(row["scur"] or 0) for row in rows if row["svname"] == "FRONTEND")
    servers = (row for row in rows if row["pxname"] == BACKEND and row["svname"] != "BACKEND")
    members = tuple(member for row in servers if (member := _member(row, mark)) is not None)
    return Standing(members=members, sessions=sessions)


def tell(host: Host, socket: str, commands: Iterable[str]) -> None:
    """Give the commands in their order, in as few lines as HAProxy reads."""
    for line in batches(commands):
        host.ask(socket, line)


def batches(commands: Iterable[str]) -> list[bytes]:
    """Commands joined by semicolons into lines of at most `BATCH` bytes; none is parted."""
    lines: list[str] = []
    for command in commands:
        if lines and len(lines[-1]) + 1 + len(command) < BATCH:
            lines[-1] += f";{command}"
        else:
            lines.append(command)
    return [f"{line}\n".encode() for line in lines]


def _member(row: dict[str, str], mark: Mark) -> Member | None:
    where = parted(row["addr"])
    if where is None:
        return None  # a server behind a Unix socket: nobody's whom an event could name
    name, ours = row["svname"], row["svname"].startswith(PREFIX)
    weight = int(row["uweight"] or 0)
    state = _STATES.get(row["status"].split()[0], row["status"])
    serving = state in ("ONLINE", "NO_MONITOR")
    # HAProxy takes a server for up until its first check says otherwise; INI is that none has ended yet.
    unchecked = state == "ONLINE" and row.get("check_status", "").removeprefix("* ") == "INI"
    return Member(
        id=name,
        name=name.removeprefix(PREFIX),
        address=where[0],
        port=where[1],
        weight=weight,
        mark=mark if ours else None,
        operating="DRAINING" if weight == 0 and serving else "OFFLINE" if unchecked else state,
        connections=int(row["scur"] or 0),
        backup=row.get("bck") == "1",
        served=int(row.get("stot") or 0),
        octets=int(row.get("bout") or 0),
        time_ms=float(row.get("rtime") or 0),
    )
