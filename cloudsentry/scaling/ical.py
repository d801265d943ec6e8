"""Matches from an iCalendar file (RFC 5545; extra [calendar]): each occurrence by itself, on the event's clock."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dateutil.rrule import rruleset, rrulestr

from cloudsentry.errors import UserError
from cloudsentry.records.marks import NAME_MAX
from cloudsentry.spec.calendar import OCCURRENCES, Match

CROWD = "X-CLOUDSENTRY-CROWD"
"""An entry's own property for the requests per second that are expected."""
KIND = "X-CLOUDSENTRY-KIND"
LONGEST = 86400.0


def matches(path: str | Path, zone: str, crowd: float | None = None) -> tuple[Match, ...]:
    """The calendar's entries as matches, by their start; those that were cancelled are left out.

    Times with a zone are turned into ``zone``'s wall clock, those without are taken for it; entries of whole days are
    no matches. ``crowd`` is for entries that tell none. Raises `UserError` for what cannot be read or understood.
    """
    try:
        from icalendar import Calendar
    except ImportError as error:
        raise UserError("icalendar is not installed: pip install cloudsentry[calendar]") from error
    try:
        wall = zoneinfo.ZoneInfo(zone)
        parsed = Calendar.from_ical(Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error
    entries = [entry for entry in parsed.walk("VEVENT") if str(entry.get("STATUS", "")) != "CANCELLED"]
    moved = {(str(one.get("UID")), one.decoded("RECURRENCE-ID")) for one in entries if "RECURRENCE-ID" in one}
    found = [match for entry in entries for match in _of(entry, wall, crowd, moved)]
    return _named(sorted(found, key=lambda match: match.start))


def _of(entry: Any, wall: zoneinfo.ZoneInfo, crowd: float | None, moved: set[tuple[str, Any]]) -> Iterator[Match]:
    name, start = str(entry.get("SUMMARY", "match")), entry.decoded("DTSTART")
    if not isinstance(start, dt.datetime):
        return
    expected = entry.get(CROWD, crowd)
    if expected is None:
        raise UserError(f"{name}: no crowd is told: add --crowd, or {CROWD} to the entry")
    end = entry.decoded("DTEND") if "DTEND" in entry else start + entry.decoded("DURATION", dt.timedelta(hours=3))
    for moment in _moments(entry, start):
        if "RECURRENCE-ID" not in entry and (str(entry.get("UID")), moment) in moved:
            continue
        local = moment if moment.tzinfo is None else moment.astimezone(wall).replace(tzinfo=None)
        kind = entry.get(KIND)
        try:
            yield Match.model_validate(
                {
                    "match": _name(name),
                    "start": local,
                    "crowd": float(expected),
                    "length": min(LONGEST, (end - start).total_seconds()),
                    "kind": _name(str(kind)) if kind else None,
                }
            )
        except ValueError as error:
            raise UserError(f"{name}: {error}") from error


def _moments(entry: Any, start: dt.datetime) -> list[dt.datetime]:
    """Every start of an entry: its rule's in its own zone, without those that it excepts."""
    rules = rruleset()
    if "RRULE" not in entry:
        return [start]
    rules.rrule(rrulestr(entry["RRULE"].to_ical().decode(), dtstart=start))
    excepted = entry.get("EXDATE", [])
    for part in excepted if isinstance(excepted, list) else [excepted]:
        for one in part.dts:
            rules.exdate(one.dt)
    found = list(itertools.islice(rules, OCCURRENCES + 1))
    if len(found) > OCCURRENCES:
        raise UserError(f"{entry.get('SUMMARY')}: comes more than {OCCURRENCES} times; give its rule an end")
    return found


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:NAME_MAX].strip("-") or "match"


def _named(found: list[Match]) -> tuple[Match, ...]:
    """Names are used once: what comes again is told apart by its day, and by its time where that is the same."""
    names = [match.match for match in found]
    taken: set[str] = set()
    made = []
    for match in found:
        name = match.match
        for pattern in ("", "-%Y%m%d", "-%Y%m%d-%H%M"):
            tail = match.start.strftime(pattern) if pattern else ""
            name = f"{match.match[: NAME_MAX - len(tail)].strip('-')}{tail}"
            if name not in taken and (tail or names.count(match.match) == 1):
                break
        taken.add(name)
        made.append(match.model_copy(update={"match": name}))
    return tuple(made)
