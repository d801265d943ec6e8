"""When the crowd comes: days, matches, and what a match's local time is in UTC."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import zoneinfo
from typing import Annotated, Literal

from dateutil.rrule import rrulestr
from pydantic import BeforeValidator, Field, WithJsonSchema

from cloudsentry.records.scaling import Demand
from cloudsentry.spec.parts import Day, Name, Part, Seconds

LOCAL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?$"


def local(value: object) -> object:
    """``"2010-08-07 13:00"`` as a time without a zone. Raises ValueError for other text; leaves other types alone."""
    if not isinstance(value, str):
        return value
    if not re.match(LOCAL, value):
        raise ValueError("expected a local time such as 2010-08-07 13:00")
    return dt.datetime.fromisoformat(value)


Local = Annotated[
    dt.datetime,
    BeforeValidator(local),
    WithJsonSchema(
        {"type": "string", "pattern": LOCAL, "patternErrorMessage": "a local time such as 2010-08-07 13:00"}
    ),
]
"""A time as the clock on the wall shows it in the calendar's zone."""


class Match(Part):
    """One time when the crowd comes: it gathers over ``ramp``, stays for ``length``, and leaves over ``ramp``."""

    match: Name = Field(description="A name of your own.")
    start: Local = Field(description="When the whole crowd is there, in the calendar's time zone.")
    crowd: Annotated[float, Field(gt=0, le=1e9)] = Field(description="Requests per second that are expected.")
    uncertainty: Annotated[float, Field(ge=0, le=10)] = Field(
        0.2, description="Share by which the crowd may be larger: capacity is there for crowd x (1 + uncertainty)."
    )
    length: Seconds = Field(3 * 3600, description="How long the whole crowd stays.")
    ramp: Seconds = Field(1800, description="How long it takes to gather, and to leave.")
    kind: Name | None = Field(
        None, description="What its crowd is alike to, such as semi-final: policy forecast learns from earlier ones."
    )
    rrule: str | None = Field(
        None,
        max_length=200,
        description="Comes again: an RRULE of RFC 5545 with COUNT or UNTIL, such as FREQ=DAILY;COUNT=5, on the wall "
        "clock of the calendar's zone.",
    )
    fold: Literal[1] | None = Field(
        None, description="1 where the clocks go back over `start` and the second time that they show it is meant."
    )
    finale: Seconds = Field(
        0, description="The last part of `length`, when bursts come: then capacity is kept above the load of now."
    )


class Timetable(Part):
    """Matches that stand in an iCalendar file; what every one of them has that the file does not say."""

    ical: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        description="Path of an iCalendar file (.ics), from the event file's folder; needs the extra [calendar]."
    )
    crowd: Annotated[float, Field(gt=0, le=1e9)] | None = Field(
        None, description="Requests per second of entries that have no X-CLOUDSENTRY-CROWD."
    )
    uncertainty: Annotated[float, Field(ge=0, le=10)] | None = Field(None, description="As of a match.")
    ramp: Seconds | None = Field(None, description="As of a match.")
    finale: Seconds | None = Field(None, description="As of a match.")
    kind: Name | None = Field(None, description="Of entries that have no X-CLOUDSENTRY-KIND.")


class Calendar(Part):
    """When the crowd comes."""

    timezone: str = Field("UTC", description="IANA time zone of the dates below.")
    first: Day = Field(alias="from", description="First day.")
    last: Day = Field(alias="until", description="Last day, included.")
    matches: list[Match] = Field(default_factory=list, description="The timetable.")

    def end(self) -> dt.datetime:
        """The end of the last day, in UTC."""
        after = dt.datetime.combine(self.last + dt.timedelta(days=1), dt.time())
        return instant(after, self.timezone)

    def demands(self) -> tuple[Demand, ...]:
        """The matches in UTC, by their start. Where the wall clock shows a time twice, the earlier one is meant."""
        found = (_demand(one, self.timezone) for match in self.matches for one in repeated(match))
        return tuple(sorted(found, key=lambda demand: (demand.start, demand.name)))


def _demand(match: Match, zone: str) -> Demand:
    # The length is time that passes, so it is added in UTC: on the wall clock a match over a change of the clocks
    # would be an hour too long or too short.
    return Demand(
        name=match.match,
        start=begin(match, zone),
        length=match.length,
        ramp=match.ramp,
        peak=match.crowd * (1 + match.uncertainty),
        finale=min(match.finale, match.length),
        kind=match.kind or "",
    )


OCCURRENCES = 400
"""Most times that one match may come again."""


def repeated(match: Match) -> tuple[Match, ...]:
    """The match, or every one that its rule makes of it, named by its day: 13:00 stays 13:00 over a change of clocks.

    Raises ValueError for a rule that is none, that has no end, or that makes more than `OCCURRENCES`.
    """
    if match.rrule is None:
        return (match,)
    return tuple(
        match.model_copy(update={"match": f"{match.match}-{start:%Y%m%d}", "start": start, "rrule": None})
        for start in starts(match.rrule, match.start)
    )


def starts(rule: str, first: dt.datetime) -> list[dt.datetime]:
    """The wall clock's times that a rule gives. Raises ValueError as `repeated` does."""
    if not re.search(r"\b(COUNT|UNTIL)=", rule, re.IGNORECASE):
        raise ValueError("a rule needs an end: COUNT or UNTIL")
    try:
        made = rrulestr(rule.removeprefix("RRULE:"), dtstart=first)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a rule of RFC 5545: {error}") from error
    found = list(itertools.islice(made, OCCURRENCES + 1))
    if not 0 < len(found) <= OCCURRENCES:
        raise ValueError(f"a rule makes 1 to {OCCURRENCES} matches")
    return found


def instant(when: dt.datetime, zone: str, fold: int = 0) -> dt.datetime:
    """A local time of an IANA zone in UTC; of two that the clocks show alike the earlier, with ``fold`` 1 the later."""
    return when.replace(tzinfo=zoneinfo.ZoneInfo(zone), fold=fold).astimezone(dt.UTC)


def begin(match: Match, zone: str) -> dt.datetime:
    """When a match starts, in UTC."""
    return instant(match.start, zone, match.fold or 0)


def exists(when: dt.datetime, zone: str) -> bool:
    """Whether the wall clock ever shows this time: in spring an hour is left out."""
    return instant(when, zone).astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None) == when
