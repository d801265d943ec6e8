"""What goes wrong in a rehearsal, by name: each at the beginning of one match's window, or in its middle."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.errors import UserError
from cloudsentry.rehearse.crowd import Course

KINDS = {
    "busy": "every cloud answers 503 to the next four calls that create servers",
    "unreachable": "no cloud answers the next three looks",
    "lost-answer": "the answer to the next call that creates servers is lost, its servers are there",
    "boot-error": "one server of the next call that creates servers ends in ERROR",
    "slow-boot": "servers take twice as long from then on, for one match",
    "server-lost": "in the middle of the match half of a pool's servers vanish",
    "blind": "the signals answer nothing during the match",
    "crowd-double": "twice as many come as were announced",
    "crowd-half": "half as many come as were announced",
    "flood": "for 20 minutes of the match ten times its load comes on top, from no crowd",
}
"""Faults by name, and what they do."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault at one match; ``at`` is when it begins and ``until`` when it must be overcome."""

    kind: str
    match: str
    at: dt.datetime
    until: dt.datetime


def parsed(text: str) -> tuple[str, ...]:
    """A list such as ``busy,blind``, or ``all``. Raises `UserError` for a kind that is not known."""
    kinds = tuple(part.strip() for part in text.split(",") if part.strip())
    if kinds == ("all",):
        return tuple(KINDS)
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"no fault {kind!r}; known: all, {', '.join(KINDS)}")
    return kinds


def scheduled(kinds: Sequence[str], courses: Sequence[Course], notice: dt.timedelta) -> tuple[Fault, ...]:
    """A match for every kind, evenly over the timetable; several share one where there are fewer matches."""
    faults = []
    for index, kind in enumerate(kinds):
        course = courses[index * len(courses) // len(kinds)]
        begins = course.start - dt.timedelta(seconds=course.ramp) - notice
        at = course.start + dt.timedelta(seconds=course.length / 2) if kind in ("server-lost", "flood") else begins
        until = course.start + dt.timedelta(seconds=course.length)
        faults.append(Fault(kind=kind, match=course.name, at=at, until=until))
    return tuple(sorted(faults, key=lambda fault: (fault.at, fault.kind)))


def resized(courses: Sequence[Course], faults: Sequence[Fault]) -> tuple[Course, ...]:
    """The crowds that come, where faults make them others than they would be."""
    times = {"crowd-double": 2.0, "crowd-half": 0.5}
    sizes = {fault.match: times[fault.kind] for fault in faults if fault.kind in times}
    return tuple(
        dataclasses.replace(course, crowd=course.crowd * sizes[course.name]) if course.name in sizes else course
        for course in courses
    )


def active(faults: Sequence[Fault], kind: str, now: dt.datetime, *, within: float | None = None) -> bool:
    """Whether a fault of a kind is on; with ``within`` no longer than so many seconds after it began."""
    for fault in faults:
        end = fault.until if within is None else fault.at + dt.timedelta(seconds=within)
        if fault.kind == kind and fault.at <= now < end:
            return True
    return False


def broken(fault: Fault, clouds: Sequence[FakeCloud], event: str, boot_looks: int) -> None:
    """Let a fault begin on the clouds; those of the crowd and the signals are not theirs."""
    act = _ACTS.get(fault.kind)
    for cloud in clouds if act else ():
        act(cloud, event, boot_looks)  # type: ignore[misc]


def mended(fault: Fault, clouds: Sequence[FakeCloud], boot_looks: int) -> None:
    """End what lasts."""
    if fault.kind == "slow-boot":
        for cloud in clouds:
            with cloud.work() as state:
                state.boot_looks = boot_looks


def _rule(verb: str, kind: str, times: int = 1) -> Callable[[FakeCloud, str, int], None]:
    def act(cloud: FakeCloud, event: str, boot_looks: int) -> None:
        with cloud.work() as state:
            state.faults.append(FaultRule(verb=verb, kind=kind, times=times))

    return act


def _slow(cloud: FakeCloud, event: str, boot_looks: int) -> None:
    with cloud.work() as state:
        state.boot_looks = 2 * boot_looks


def _lost(cloud: FakeCloud, event: str, boot_looks: int) -> None:
    with cloud.work() as state:
        servers = state.servers.get(event, {})
        for id in sorted(servers)[: len(servers) // 2]:
            del servers[id]


_ACTS: dict[str, Callable[[FakeCloud, str, int], None]] = {
    "busy": _rule("CreateServers", "busy", 4),
    "unreachable": _rule("observe", "unreachable", 3),
    "lost-answer": _rule("CreateServers", "ambiguous_after"),
    "boot-error": _rule("CreateServers", "error_server"),
    "slow-boot": _slow,
    "server-lost": _lost,
}
