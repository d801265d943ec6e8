"""When the crowd comes: days, matches, and what a match's local time is in UTC."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from typing import Annotated

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
    finale: Seconds = Field(
        0, description="The last part of `length`, when bursts come: then capacity is kept above the load of now."
    )


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
        found = (_demand(match, self.timezone) for match in self.matches)
        return tuple(sorted(found, key=lambda demand: (demand.start, demand.name)))


def _demand(match: Match, zone: str) -> Demand:
    # The length is time that passes, so it is added in UTC: on the wall clock a match over a change of the clocks
    # would be an hour too long or too short.
    return Demand(
        name=match.match,
        start=instant(match.start, zone),
        length=match.length,
        ramp=match.ramp,
        peak=match.crowd * (1 + match.uncertainty),
        finale=min(match.finale, match.length),
    )


def instant(when: dt.datetime, zone: str) -> dt.datetime:
    """A local time of an IANA zone in UTC; the earlier one where the clocks went back over it."""
    return when.replace(tzinfo=zoneinfo.ZoneInfo(zone), fold=0).astimezone(dt.UTC)


def exists(when: dt.datetime, zone: str) -> bool:
    """Whether the wall clock ever shows this time: in spring an hour is left out."""
    return instant(when, zone).astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None) == when
