"""Matches that come again, and those of an iCalendar file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from cloudsentry.errors import UserError
from cloudsentry.scaling.ical import matches
from cloudsentry.spec.calendar import Calendar, starts

ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:1
SUMMARY:Quarter Final!
DTSTART;TZID=Europe/Berlin:20261023T190000
DTEND;TZID=Europe/Berlin:20261023T210000
RRULE:FREQ=DAILY;COUNT=4
EXDATE;TZID=Europe/Berlin:20261025T190000
X-CLOUDSENTRY-KIND:quarter
END:VEVENT
BEGIN:VEVENT
UID:2
SUMMARY:Final
DTSTART:20261101T120000Z
DURATION:PT3H
X-CLOUDSENTRY-CROWD:5000
END:VEVENT
BEGIN:VEVENT
UID:3
SUMMARY:Rained out
STATUS:CANCELLED
DTSTART:20261102T120000Z
END:VEVENT
BEGIN:VEVENT
UID:4
SUMMARY:Day of rest
DTSTART;VALUE=DATE:20261103
END:VEVENT
END:VCALENDAR
"""


def test_a_rule_stays_on_the_wall_clock_over_a_change_of_clocks() -> None:
    calendar = Calendar.model_validate(
        {
            "timezone": "Europe/Berlin",
            "from": "2026-10-23",
            "until": "2026-10-27",
            "matches": [
                {"match": "late", "start": "2026-10-24 19:00", "crowd": 9, "rrule": "FREQ=DAILY;COUNT=3", "kind": "k"}
            ],
        }
    )
    found = calendar.demands()
    assert [one.name for one in found] == ["late-20261024", "late-20261025", "late-20261026"]
    assert [one.start.hour for one in found] == [17, 18, 18], "summer time ends on the 25th"
    assert {one.kind for one in found} == {"k"}


@pytest.mark.parametrize(
    ("rule", "why"),
    [("FREQ=DAILY", "COUNT or UNTIL"), ("FREQ=NEVER;COUNT=2", "RFC 5545"), ("FREQ=DAILY;COUNT=9999", "1 to 400")],
)
def test_a_rule_without_an_end_or_sense_is_refused(rule: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        starts(rule, dt.datetime(2026, 8, 1))


def test_an_icalendar_s_entries_become_matches_of_the_event_s_zone(tmp_path: Path) -> None:
    (tmp_path / "t.ics").write_text(ICS)
    found = matches(tmp_path / "t.ics", "Asia/Tokyo", 800)
    assert [(one.match, one.start.isoformat(), one.crowd, one.length) for one in found] == [
        ("quarter-final-20261024", "2026-10-24T02:00:00", 800, 7200),
        ("quarter-final-20261025", "2026-10-25T02:00:00", 800, 7200),
        ("quarter-final-20261027", "2026-10-27T03:00:00", 800, 7200),
        ("final", "2026-11-01T21:00:00", 5000, 10800),
    ]
    assert found[0].kind == "quarter"


def test_what_tells_no_crowd_or_is_no_calendar_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "t.ics").write_text(ICS)
    with pytest.raises(UserError, match="no crowd is told"):
        matches(tmp_path / "t.ics", "UTC")
    (tmp_path / "no.ics").write_text("hello")
    with pytest.raises(UserError, match=r"no\.ics"):
        matches(tmp_path / "no.ics", "UTC", 1)
    with pytest.raises(UserError, match="No such file"):
        matches(tmp_path / "none.ics", "UTC", 1)
