"""Matches that come again."""

from __future__ import annotations

import datetime as dt

import pytest

from cloudsentry.spec.calendar import Calendar, starts


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
