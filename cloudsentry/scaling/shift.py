"""The hall's floor for a timetable that does not hold: the event with a match moved, and what moves with it. Pure."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass

from cloudsentry.errors import UserError
from cloudsentry.spec.calendar import Calendar, Match, begin, repeated
from cloudsentry.spec.event import Event
from cloudsentry.spec.scaling import capacities

LONGEST = 86400.0
"""Seconds that a match may last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A moment that moves, in the calendar's zone; ``servers`` is how many the match needs of the pool by itself."""

    what: str
    pool: str
    servers: int | None
    before: dt.datetime
    after: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The event as it would be, and the moments that would move, by time."""

    event: Event
    moves: tuple[Moved, ...]


def planned(
    event: Event, match: str, by: float, *, later: bool = False, longer: float = 0.0, off: bool = False
) -> Shift:
    """An event whose match starts ``by`` seconds later (earlier where negative); with ``later`` those after it too.

    ``longer`` seconds are added to its length (extra innings; an early end where negative). A match that is ``off``
    is taken out of the timetable, and its servers go. One of a recurring match is named as `event show` has it, and
    stands by itself from then on.

    "After it" are the matches that start later on the same local day. Days are added to the calendar where a match
    leaves it. The seconds pass in real time, over changes of the clocks as well. Raises `UserError` where there is no
    such match, or nothing of it would be left.
    """
    calendar = _apart(event.calendar, match)
    names = [one.match for one in calendar.matches] if calendar else []
    if calendar is None or match not in names:
        raise UserError(f"event {event.event} has no match {match!r} (it has: {', '.join(names) or 'none'})")
    moved = calendar.matches[names.index(match)]
    chosen = {
        one.match
        for one in calendar.matches
        if one is moved or (later and one.start.date() == moved.start.date() and one.start > moved.start)
    }
    if not 0 < moved.length + longer <= LONGEST:
        raise UserError(f"{match} lasts {moved.length:g} s: it cannot last {moved.length + longer:g} s")
    matches = [_later(one, by, calendar) if one.match in chosen else one for one in calendar.matches]
    place = names.index(match)
    matches[place] = matches[place].model_copy(update={"length": moved.length + longer})
    days = [one.start.date() for one in matches]
    new = calendar.model_copy(
        update={
            "matches": matches,
            "first": min(calendar.first, *days),
            "last": max(calendar.last, *days),
        }
    )
    if off:
        new = calendar.model_copy(update={"matches": [one for one in calendar.matches if one is not moved]})
        matches, chosen = list(calendar.matches), {match}
    changed = event.model_copy(update={"calendar": new})
    pairs = [(old, now) for old, now in zip(calendar.matches, matches, strict=True) if old.match in chosen]
    moves = [move for old, now in pairs for move in _moves(event, calendar, old, now)]
    return Shift(event=changed, moves=tuple(sorted(moves, key=lambda move: (move.after, move.what, move.pool))))


def _apart(calendar: Calendar | None, match: str) -> Calendar | None:
    """With the recurring match written out that the named one is of; the same calendar where it is none of those."""
    for one in calendar.matches if calendar and all(one.match != match for one in calendar.matches) else []:
        each = repeated(one)
        if calendar and any(single.match == match for single in each):
            place = calendar.matches.index(one)
            written = [*calendar.matches[:place], *each, *calendar.matches[place + 1 :]]
            return calendar.model_copy(update={"matches": written})
    return calendar


def _later(match: Match, by: float, calendar: Calendar) -> Match:
    zone = zoneinfo.ZoneInfo(calendar.timezone)
    start = (begin(match, calendar.timezone) + dt.timedelta(seconds=by)).astimezone(zone)
    return match.model_copy(update={"start": start.replace(tzinfo=None, fold=0), "fold": start.fold or None})


def _moves(event: Event, calendar: Calendar, old: Match, new: Match) -> list[Moved]:
    zone = zoneinfo.ZoneInfo(calendar.timezone)
    starts = [begin(match, calendar.timezone).astimezone(zone) for match in (old, new)]

    def moved(what: str, pool: str, servers: int | None, offset: float, more: float = 0.0) -> Moved:
        # Added in UTC: on the wall clock a change of the clocks would be lost.
        times = zip(starts, (offset, offset + more), strict=True)
        before, after = (
            (start.astimezone(dt.UTC) + dt.timedelta(seconds=seconds)).astimezone(zone) for start, seconds in times
        )
        return Moved(what=what, pool=pool, servers=servers, before=before, after=after)

    grown = new.length - old.length
    found = [moved(f"{old.match} starts", "", None, 0), moved(f"{old.match} ends", "", None, old.length, grown)]
    peak = old.crowd * (1 + old.uncertainty)
    for name, scaling in sorted(event.scaling.items()):
        ladder = capacities(event.pools[name].pins, scaling)
        enough = (servers for servers, answers in enumerate(ladder) if answers >= peak * (1 - 1e-9))
        servers = max(scaling.least, next(enough, len(ladder) - 1))
        found.append(moved(f"{old.match}: all servers ready", name, servers, -scaling.lead))
        found.append(moved(f"{old.match}: servers may go", name, servers, old.length + old.ramp, grown))
    return found
