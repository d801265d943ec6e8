"""Extra innings, an early end, rain: what becomes of the timetable."""

from __future__ import annotations

import pytest

from cloudsentry.errors import UserError
from cloudsentry.scaling.shift import planned
from cloudsentry.spec.event import Event
from rehearse.test_rehearse import event


def lengths(found: Event) -> dict[str, float]:
    assert found.calendar is not None
    return {demand.name: demand.length for demand in found.calendar.demands()}


def test_extra_innings_keep_the_servers_longer_and_an_early_end_lets_them_go() -> None:
    before = lengths(event())["last"]
    longer = planned(event(), "last", 0, longer=1800)
    assert lengths(longer.event)["last"] == before + 1800
    ends = next(move for move in longer.moves if "servers may go" in move.what)
    assert (ends.after - ends.before).total_seconds() == 1800
    assert lengths(planned(event(), "last", 0, longer=-600).event)["last"] == before - 600


def test_a_match_that_is_rained_out_is_no_longer_in_the_timetable() -> None:
    found = planned(event(), "last", 0, off=True)
    assert "last" not in lengths(found.event)
    assert any("servers may go" in move.what for move in found.moves)


def test_a_match_cannot_end_before_it_starts() -> None:
    with pytest.raises(UserError, match="it cannot last"):
        planned(event(), "last", 0, longer=-80000)


def test_one_of_a_recurring_match_is_moved_by_itself() -> None:
    plain = event()
    assert plain.calendar is not None
    matches = [
        one.model_copy(update={"rrule": "FREQ=DAILY;COUNT=3"}) if one.match == "last" else one
        for one in plain.calendar.matches
    ]
    daily = plain.model_copy(update={"calendar": plain.calendar.model_copy(update={"matches": matches})})
    assert daily.calendar is not None
    names = [demand.name for demand in daily.calendar.demands() if demand.name.startswith("last-")]
    moved = planned(daily, names[1], 600).event
    assert moved.calendar is not None
    starts = {demand.name: demand.start for demand in moved.calendar.demands()}
    old = {demand.name: demand.start for demand in daily.calendar.demands()}
    assert {name for name in starts if starts[name] != old[name]} == {names[1]}
