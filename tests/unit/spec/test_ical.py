"""Matches that stand in an iCalendar file: as entries, and in the place of an event's own list."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from cloudsentry.errors import SpecError
from cloudsentry.spec.event import Event
from cloudsentry.spec.ical import Wanted, matches
from cloudsentry.spec.load import dump, from_dict, load, load_text

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


EVENT = """event: cup
calendar:
  timezone: Europe/Berlin
  from: 2026-10-20
  until: 2026-11-05
  matches: {ical: plans/cup.ics, crowd: 800, ramp: 20m, uncertainty: 0.5}
sites: {nara: {cloud: private}}
pools:
  front:
    site: nara
    image: tiny
    flavor: nano
    networks: none
    pins: [{hypervisor: xeon1, count: 2}]
"""


def entry(*lines: str) -> str:
    """A calendar with one entry."""
    return "\n".join(("BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:1", *lines, "END:VEVENT", "END:VCALENDAR"))


def found(text: str, zone: str = "Europe/Berlin", **each: object) -> list[dict[str, Any]]:
    return matches(text, "t.ics", Wanted(zone=zone, each=each or {"crowd": 1.0}))


def fault(text: str, **each: object) -> str:
    with pytest.raises(SpecError) as raised:
        found(text, **each)
    (only,) = raised.value.faults
    return str(only)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans/cup.ics").write_text(ICS)
    (tmp_path / "cup.yaml").write_text(EVENT)
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(SpecError) as raised:
        load(folder / "cup.yaml")
    (only,) = raised.value.faults
    return str(only).removeprefix(f"{folder}/")


def test_entries_become_matches_of_the_event_s_zone() -> None:
    made = found(ICS, "Asia/Tokyo", crowd=800.0)
    assert [(one["match"], one["start"], one["crowd"], one["length"]) for one in made] == [
        ("quarter-final-20261024", "2026-10-24 02:00:00", 800, 7200),
        ("quarter-final-20261025", "2026-10-25 02:00:00", 800, 7200),
        ("quarter-final-20261027", "2026-10-27 03:00:00", 800, 7200),
        ("final", "2026-11-01 21:00:00", 5000, 10800),
    ]
    assert made[0]["kind"] == "quarter"


def test_an_event_names_the_file_from_its_own_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    event = load(f"{folder.name}/cup.yaml")
    assert event.calendar is not None
    assert [(one.name, one.start.strftime("%d %H:%M"), one.peak) for one in event.calendar.demands()] == [
        ("quarter-final-20261023", "23 17:00", 1200),
        ("quarter-final-20261024", "24 17:00", 1200),
        ("quarter-final-20261026", "26 18:00", 1200),
        ("final", "01 12:00", 7500),
    ]
    assert {one.ramp for one in event.calendar.matches} == {1200}
    again: Event = from_dict(dump(event))
    assert again == event, "the journal keeps the matches, not the file's name"


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    twice = entry(
        "SUMMARY:Night", "DTSTART:20261024T233000Z", "DURATION:PT1H", "RDATE:20261025T003000Z,20261025T013000Z"
    )
    made = found(twice)
    assert [(one["start"][-8:], one.get("fold")) for one in made] == [
        ("01:30:00", None),
        ("02:30:00", None),
        ("02:30:00", 1),
    ]
    text = EVENT.replace("{ical: plans/cup.ics, crowd: 800, ramp: 20m, uncertainty: 0.5}", "[%s, %s]") % tuple(
        f"{{match: {one['match']}, start: '{one['start']}', crowd: 1, fold: 1}}" for one in made[1:]
    )
    calendar = load_text(text, "cup.yaml").calendar
    assert calendar is not None
    assert {one.start for one in calendar.demands()} == {dt.datetime(2026, 10, 25, 1, 30, tzinfo=dt.UTC)}


def test_a_match_over_the_change_of_the_clocks_lasts_as_long_as_it_does() -> None:
    spring = entry("DTSTART;TZID=Europe/Berlin:20260329T010000", "DTEND;TZID=Europe/Berlin:20260329T040000")
    assert found(spring)[0]["length"] == 7200
    floating = entry("DTSTART:20261025T010000", "DTEND:20261025T040000")
    assert found(floating)[0]["length"] == 4 * 3600


def test_two_of_one_name_at_one_time_keep_apart() -> None:
    two = ICS.replace("SUMMARY:Final", "SUMMARY:Match").replace("SUMMARY:Rained out\nSTATUS:CANCELLED", "SUMMARY:Match")
    two = two.replace("20261102T120000Z", "20261101T120000Z")
    names = [one["match"] for one in found(two)]
    assert len(set(names)) == len(names) == 5


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["DTSTART:2026-10-24"], "t.ics:5:1: 'entry': Expected datetime, date, or time. Got: '2026-10-24'"),
        (["SUMMARY:A"], "t.ics:3:1: 'A': it has no DTSTART"),
        (["DTSTART;TZID=Mars/Phobos:20261024T100000"], "t.ics:5:1: 'entry': the zone Mars/Phobos is not known, and "),
        (["DTSTART:20261024T100000", "DTEND:20261024T090000"], "t.ics:6:1: 'entry': it lasts -1 day, 23:00:00: "),
        (["DTSTART:20261024T100000", "RRULE:FREQ=DAILY"], "t.ics:6:1: 'entry': it comes more than 400 times"),
        (["DTSTART:20260329T023000"], "t.ics:5:1: 'entry': the clocks of Europe/Berlin skip 02:30 on 2026-03-29"),
        (["DTSTART:20261024T100000", "X-CLOUDSENTRY-CROWD:lots"], "t.ics:6:1: 'entry': expected a number of requests"),
        (["DTSTART:20261024T100000", "no colon"], "t.ics:3:1: 'entry': Content line could not be parsed"),
        (["DTSTART;VALUE=DATE:20261024"], "t.ics:1:1: no entry with a time"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(lines: list[str], told: str) -> None:
    assert fault(entry(*lines)).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hello", "t.ics:1:1: not a line of iCalendar: 'hello'"),
        ("", "t.ics:1:1: not an iCalendar file"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261024T100000\n", "t.ics:3:1: the file ends within an entry"),
    ],
)
def test_what_is_no_calendar_is_one_line(text: str, told: str) -> None:
    assert fault(text).startswith(told)


def test_a_crowd_is_needed_from_somewhere() -> None:
    assert fault(entry("SUMMARY:A", "DTSTART:20261024T100000"), ramp=1.0).startswith("t.ics:3:1: 'A': no crowd is told")


def test_a_match_on_none_of_the_event_s_days_is_told_in_the_calendar_s_file(folder: Path) -> None:
    (folder / "cup.yaml").write_text(EVENT.replace("until: 2026-11-05", "until: 2026-10-28"))
    assert refused(folder) == (
        "plans/cup.ics:16:1: 'Final': 2026-11-01 13:00 is not on one of the event's days, 2026-10-20 to 2026-10-28"
    )


@pytest.mark.parametrize(
    ("was", "is_", "told"),
    [
        (
            "plans/cup.ics",
            "plans/none.ics",
            "cup.yaml:6:19: the calendar plans/none.ics cannot be read: No such ",
        ),
        ("plans/cup.ics", "plans", "cup.yaml:6:19: the calendar plans cannot be read: Is a directory"),
        ("ical: plans/cup.ics, ", "", "cup.yaml:6:3: the key 'ical' is missing"),
        ("crowd: 800", "crowds: 800", "cup.yaml:6:34: unknown key 'crowds'; did you mean 'crowd'?"),
        ("crowd: 800", "crowd: '800'", "cup.yaml:6:41: expected a number"),
        ("Europe/Berlin", "Europe/Berlim", "cup.yaml:3:13: "),
    ],
)
def test_what_is_wrong_in_the_event_is_told_in_the_event(folder: Path, was: str, is_: str, told: str) -> None:
    (folder / "cup.yaml").write_text(EVENT.replace(was, is_))
    assert refused(folder).startswith(told)


def test_a_text_without_a_folder_has_no_other_file() -> None:
    with pytest.raises(SpecError, match="only where the event is a file itself"):
        load_text(EVENT, "cup.yaml")
