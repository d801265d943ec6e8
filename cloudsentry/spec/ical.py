"""Matches from an iCalendar text (RFC 5545; extra [calendar]): each occurrence by itself, on the event's clock. Pure.

What is wrong is told with the line of the calendar's file in which it stands.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudsentry.errors import Fault, SpecError, UserError
from cloudsentry.records.marks import NAME_MAX
from cloudsentry.spec.calendar import OCCURRENCES, exists, instant

if TYPE_CHECKING:
    from icalendar import Component

CROWD = "X-CLOUDSENTRY-CROWD"
"""An entry's own property for the requests per second that are expected."""
KIND = "X-CLOUDSENTRY-KIND"
LONGEST = 86400.0
USUAL = dt.timedelta(hours=3)
"""How long an entry lasts that does not say it."""
MOST = 2000
"""Matches of one calendar."""

Days = tuple[dt.date, dt.date]
Plain = dict[str, object]
"""One match as an event file has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How entries become matches: the event's zone, its days, and what every match has that says nothing else."""

    zone: str
    days: Days | None = None
    each: Mapping[str, object]


def matches(text: str, file: str, wanted: Wanted) -> list[Plain]:
    """The calendar's entries as matches, by their start; those that were cancelled are left out.

    Times with a zone are turned into the event's wall clock, those without are taken for it; entries of whole days are
    no matches. Raises `SpecError` with every fault of the file, and `UserError` where no parser is installed.
    """
    try:
        from icalendar import Calendar
    except ImportError as error:
        raise UserError(f"{file}: calendars need the extra [calendar]: pip install cloudsentry[calendar]") from error
    spots = _spots(text)
    try:
        entries = Calendar.from_ical(text).walk("VEVENT")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise SpecError((_broken(text, file, error),)) from error
    if len(entries) > MOST:
        raise SpecError((Fault(file=file, line=1, column=1, message=f"more than {MOST} entries"),))
    faults: list[Fault] = []
    found = list(_all(entries, spots, file, wanted, faults))
    if not found and not faults:
        faults.append(Fault(file=file, line=1, column=1, message="no entry with a time: there is no match in it"))
    if len(found) > MOST:
        faults.append(Fault(file=file, line=1, column=1, message=f"more than {MOST} matches"))
    if faults:
        raise SpecError(tuple(sorted(set(faults), key=lambda fault: (fault.line, fault.message))))
    return _named(sorted(found, key=lambda one: (str(one["start"]), one.get("fold", 0), str(one["match"]))))


# Where things stand


def _spots(text: str) -> list[dict[str, int]]:
    """The line of every property of every entry, and of the entry itself under ``""``, in the order of the file."""
    entries: list[dict[str, int]] = []
    open_: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line[:1] in (" ", "\t"):  # goes on from the line before
            continue
        name, _, value = line.partition(":")
        name = name.partition(";")[0].strip().upper()
        if name == "BEGIN":
            open_.append(value.strip().upper())
            if open_[-1] == "VEVENT":
                entries.append({"": number})
        elif name == "END":
            open_[-1:] = []
        elif entries and open_ and open_[-1] == "VEVENT":
            entries[-1].setdefault(name, number)
    return entries


def _broken(text: str, file: str, error: Exception) -> Fault:
    """The first line that is none, or what the parser says of the whole."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and line[:1] not in (" ", "\t") and not re.match(r"[A-Za-z0-9-]+[;:]", line):
            return Fault(file=file, line=number, column=1, message=f"not a line of iCalendar: {_short(line)}")
    if "BEGIN:VCALENDAR" not in text.upper():
        return Fault(file=file, line=1, column=1, message="not an iCalendar file: it has no BEGIN:VCALENDAR")
    last = max(1, len(text.splitlines()))
    if text.upper().count("BEGIN:") > text.upper().count("END:"):
        return Fault(file=file, line=last, column=1, message="the file ends within an entry: was it cut off?")
    return Fault(file=file, line=1, column=1, message=f"not an iCalendar file: {_short(str(error))}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"'{line[:60]}…'" if len(line) > 60 else f"'{line}'"


# Entries as matches


class _Wrong(Exception):
    """What is wrong with an entry, and with which of its properties."""

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(message)


def _all(
    entries: list[Component], spots: list[dict[str, int]], file: str, wanted: Wanted, faults: list[Fault]
) -> Iterator[Plain]:
    kept = [(entry, spot) for entry, spot in zip(entries, spots, strict=False) if not _cancelled(entry)]
    moved = {(str(entry.get("UID")), _moved(entry)) for entry in entries if "RECURRENCE-ID" in entry}
    for entry, spot in kept:
        try:
            yield from _of(entry, wanted, moved)
        except _Wrong as wrong:
            line = spot.get(wrong.key, spot[""])
            name = str(entry.get("SUMMARY", "entry"))
            faults.append(Fault(file=file, line=line, column=1, message=f"{_short(name)}: {wrong}"))


def _cancelled(entry: Component) -> bool:
    return str(entry.get("STATUS", "")).upper() == "CANCELLED"


def _moved(entry: Component) -> Any:
    """Which occurrence an entry stands for."""
    return getattr(entry["RECURRENCE-ID"], "dt", None)


def _of(entry: Component, wanted: Wanted, moved: set[tuple[str, Any]]) -> Iterator[Plain]:
    for key, why in entry.errors:
        raise _Wrong(key or "", why)
    start = _time(entry, "DTSTART")
    if start is None:
        return
    length = _length(entry, start, wanted.zone)
    each: Plain = {**wanted.each, "length": length, "match": _name(str(entry.get("SUMMARY", "match")))}
    if KIND in entry:
        each["kind"] = _name(str(entry[KIND]))
    each["crowd"] = _crowd(entry, wanted.each.get("crowd"))
    for moment in _moments(entry, start):
        if "RECURRENCE-ID" not in entry and (str(entry.get("UID")), moment) in moved:
            continue
        yield {**each, **_local(moment, wanted)}


def _time(entry: Component, key: str) -> dt.datetime | None:
    """A time of an entry; None where it is a whole day. Raises `_Wrong` where it has none, or no known zone."""
    if key not in entry:
        raise _Wrong("", f"it has no {key}")
    found = entry[key]
    value = getattr(found, "dt", None)
    if not isinstance(value, dt.date):
        raise _Wrong(key, f"{key} is not one time")
    if not isinstance(value, dt.datetime):
        return None
    zone = found.params.get("TZID")
    if zone and value.tzinfo is None:
        raise _Wrong(key, f"the zone {zone} is not known, and the file does not define it")
    return value


def _length(entry: Component, start: dt.datetime, zone: str) -> float:
    """Seconds that really pass: on the wall clock a change of the clocks would be lost."""
    if "DTEND" in entry:
        end = _time(entry, "DTEND")
        if end is None:
            raise _Wrong("DTEND", "DTEND is a day, and DTSTART is a time")
        taken = _utc(end, zone) - _utc(start, zone)
    else:
        found = entry.get("DURATION")
        taken = found.dt if found is not None else USUAL
    if not 0 <= taken.total_seconds() <= LONGEST:
        raise _Wrong("DTEND" if "DTEND" in entry else "DURATION", f"it lasts {taken}: expected up to a day")
    return taken.total_seconds()


def _utc(when: dt.datetime, zone: str) -> dt.datetime:
    return instant(when, zone) if when.tzinfo is None else when.astimezone(dt.UTC)


def _crowd(entry: Component, usual: object) -> object:
    if CROWD not in entry:
        if usual is None:
            raise _Wrong("", f"no crowd is told: give one for all, or {CROWD} to the entry")
        return usual
    try:
        crowd = float(str(entry[CROWD]))
    except (TypeError, ValueError):
        crowd = 0.0
    if not 0 < crowd <= 1e9:
        raise _Wrong(CROWD, f"expected a number of requests per second, found {_short(str(entry[CROWD]))}")
    return crowd


def _local(moment: dt.datetime, wanted: Wanted) -> Plain:
    """A moment on the event's wall clock, and which of two it is where the clocks go back over it."""
    if moment.tzinfo is None:
        local = moment
        if not exists(local, wanted.zone):
            raise _Wrong("DTSTART", f"the clocks of {wanted.zone} skip {local:%H:%M} on {local:%Y-%m-%d}")
    else:
        local = moment.astimezone(zoneinfo.ZoneInfo(wanted.zone)).replace(tzinfo=None)
    if wanted.days and not wanted.days[0] <= local.date() <= wanted.days[1]:
        days = f"{wanted.days[0]} to {wanted.days[1]}"
        raise _Wrong("DTSTART", f"{local:%Y-%m-%d %H:%M} is not on one of the event's days, {days}")
    told: Plain = {"start": f"{local:%Y-%m-%d %H:%M:%S}"}
    return told | {"fold": 1} if moment.tzinfo and local.fold else told


def _moments(entry: Component, start: dt.datetime) -> list[dt.datetime]:
    """Every start of an entry: its rule's in its own zone, those that it adds, without those that it excepts."""
    from dateutil.rrule import rruleset, rrulestr

    rules = rruleset()
    rules.rdate(start)
    for key, add in (("RDATE", rules.rdate), ("EXDATE", rules.exdate)):
        parts = entry.get(key, [])
        for part in parts if isinstance(parts, list) else [parts]:
            for one in part.dts:
                if isinstance(one.dt, dt.datetime):
                    add(one.dt)
    rule = entry.get("RRULE")
    try:
        for one in [] if rule is None else rule if isinstance(rule, list) else [rule]:
            rules.rrule(rrulestr(one.to_ical().decode(), dtstart=start))
        found = list(itertools.islice(rules, OCCURRENCES + 1))
    except (ValueError, TypeError) as error:  # a rule that is none, or times with and without a zone beside each other
        raise _Wrong("RRULE", f"it cannot be reckoned: {error}") from error
    if len(found) > OCCURRENCES:
        raise _Wrong("RRULE", f"it comes more than {OCCURRENCES} times; give its rule an end")
    return found


# Names


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:NAME_MAX].strip("-") or "match"


def _named(found: list[Plain]) -> list[Plain]:
    """Names are used once: what comes again is told apart by its day, by its time, and by a number at last."""
    names = [str(match["match"]) for match in found]
    taken: set[str] = set()
    made = []
    for match, plain in zip(found, names, strict=True):
        start = dt.datetime.fromisoformat(str(match["start"]))
        tails = ["", f"-{start:%Y%m%d}", f"-{start:%Y%m%d-%H%M}"]
        if names.count(plain) > 1:
            del tails[0]
        tails += [f"{tails[-1]}-{number}" for number in range(2, MOST + 2)]
        name = next(
            name for tail in tails if (name := f"{plain[: NAME_MAX - len(tail)].strip('-')}{tail}") not in taken
        )
        taken.add(name)
        made.append({**match, "match": name})
    return made
