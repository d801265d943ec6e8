"""What an operator is told by a rehearsal and by a shifted match."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from cloudsentry.errors import UserError
from cloudsentry.osc.shift import seconds
from cloudsentry.rehearse import Rehearsal, Verdict, parsed
from cloudsentry.rehearse.record import Recorder
from cloudsentry.render import report_html
from cloudsentry.scaling.shift import planned
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import load_text
from tests.unit.scale.stage import settings

TEXT = """
event: cup
calendar:
  timezone: Europe/Berlin
  from: 2026-10-24
  until: 2026-10-24
  matches:
    - {match: first, start: 2026-10-24 12:00, crowd: 900, length: 1h, ramp: 20m, finale: 15m}
    - {match: last, start: 2026-10-24 20:00, crowd: 900, length: 1h, ramp: 20m, finale: 15m}
sites: {nara: {cloud: private}}
pools:
  front:
    site: nara
    image: tiny
    flavor: nano
    networks: [front]
    pins: [{hypervisor: xeon1, count: 2, weight: 10}]
scaling:
  front: {policy: target, least: 2, most: %d, per_server: 250, signal: {driver: fake, query: "1"}}
"""


def event(most: int = 12) -> Event:
    return load_text(TEXT % most, "cup.yaml")


def rehearsed(folder: Path, chaos: str = "", most: int = 12) -> Verdict:
    return Rehearsal(event(most), settings(folder), kinds=parsed(chaos)).play()


def test_a_day_that_goes_well_is_a_go(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path)
    assert verdict.go, verdict.reasons
    assert [(line.match, line.ready) for line in verdict.matches] == [("first", True), ("last", True)]


def test_pins_that_hold_too_few_are_a_no_go_that_says_so(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, most=3)
    assert not verdict.go
    assert "front answers 750 requests/s at the most, too few for first, last" in verdict.reasons


def test_lost_servers_are_brought_back_and_the_match_is_named(tmp_path: Path) -> None:
    verdict = rehearsed(tmp_path, "server-lost")
    (hit,) = (line for line in verdict.matches if line.faults)
    assert (hit.match, hit.faults) == ("first", ("server-lost",))
    assert verdict.matches[1].short == 0


def test_spares_and_steering_are_rehearsed_too_and_nothing_real_hears_of_it(tmp_path: Path) -> None:
    text = TEXT % 12
    text = text.replace("    pins:", "    spares: {count: 1}\n    pins:")
    text += """
steering:
  images:
    driver: reference
    at: local
    home: farm
    file: %s
    fronts: [{host: local}]
    targets: {farm: {to: farm.example}, cloud: {to: cloud.example, share: 10}}
""" % (tmp_path / "images.js")
    verdict = Rehearsal(load_text(text, "cup.yaml"), settings(tmp_path)).play()
    assert verdict.go, verdict.reasons
    assert not (tmp_path / "images.js").exists()


def test_the_report_is_of_the_event_s_own_days_and_says_that_nothing_of_it_was_measured(tmp_path: Path) -> None:
    rehearsal = Rehearsal(event(), settings(tmp_path), kinds=("server-lost",), keep=tmp_path / "kept", reported=True)
    found = rehearsal.report(rehearsal.play())
    assert found.notes[0].startswith("A rehearsal: clouds in memory")
    assert "server-lost" in found.notes[0]
    assert {line.started.date() for line in found.runs} == {dt.date(2026, 10, 24)}
    assert [line.kept for line in found.leads] == [True, True]
    assert [cloud.cloud for cloud in found.clouds] == ["private"], "as the event calls it"
    whole, *of_the_day = found.figures
    assert all("Synthesised" in figure.source for figure in found.figures)
    crowd, front = whole.curves
    assert max(value for _, value in crowd.points) > 900 * 0.5
    assert max(value for _, value in front.points) >= 900 * 1.2, "what was announced was there"
    assert [figure.unit for figure in of_the_day] == ["sessions", "Mbit/s", "%"]
    assert {curve.name for figure in of_the_day for curve in figure.curves} == {"xeon1"}
    assert (tmp_path / "kept" / "journal.sqlite").exists()
    assert "A rehearsal" in report_html.report(found)


def test_what_is_asked_of_a_hypervisor_beyond_what_it_answers_is_trouble_and_not_traffic() -> None:
    recorder, start = Recorder(), dt.datetime(2026, 10, 24, tzinfo=dt.UTC)
    recorder.note(start, 300, {"front": {"xeon1": 100.0, "opteron1": 50.0}})
    _, sessions, traffic, used = recorder.figures()
    assert [curve.points[0][1] for curve in used.curves] == [200, 200]
    assert [curve.points[0][1] for curve in traffic.curves] == [50 * 8 * 0.025, 100 * 8 * 0.025]
    assert [round(curve.points[0][1] / 10.667) for curve in sessions.curves] == [50, 100]


def test_a_fault_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UserError, match="no fault 'rain'; known: all, busy"):
        parsed("busy,rain")


def test_an_event_without_matches_cannot_be_rehearsed(tmp_path: Path) -> None:
    bare = event().model_copy(update={"calendar": None})
    with pytest.raises(UserError, match="nothing to rehearse"):
        Rehearsal(bare, settings(tmp_path))


def test_a_shifted_match_moves_all_that_hangs_on_it() -> None:
    shift = planned(event(), "last", 45 * 60)
    assert {move.after - move.before for move in shift.moves} == {dt.timedelta(minutes=45)}
    assert [move.what for move in shift.moves] == [
        "last: all servers ready",
        "last starts",
        "last ends",
        "last: servers may go",
    ]
    assert shift.moves[0].servers == 5, "900 and a fifth more at 250 each"
    assert shift.event.calendar is not None
    first, last = shift.event.calendar.demands()
    assert (first.start.hour, last.start.strftime("%H:%M")) == (10, "18:45")


def test_a_shift_over_the_change_of_the_clocks_passes_real_time_and_adds_the_day() -> None:
    shift = planned(event(), "last", 10 * 3600)
    assert shift.event.calendar is not None
    assert shift.event.calendar.matches[1].start == dt.datetime(2026, 10, 25, 5, 0)
    assert shift.event.calendar.last == dt.date(2026, 10, 25)


def test_later_matches_of_the_day_move_along_when_asked() -> None:
    moved = {move.what.partition(" ")[0].rstrip(":") for move in planned(event(), "first", 600, later=True).moves}
    assert moved == {"first", "last"}


def test_a_match_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UserError, match=r"no match 'semi' \(it has: first, last\)"):
        planned(event(), "semi", 60)


@pytest.mark.parametrize(("text", "found"), [("+45m", 2700), ("-10m", -600), ("+1h30m", 5400), ("+1d", 86400)])
def test_times(text: str, found: float) -> None:
    assert seconds(text) == found


@pytest.mark.parametrize("text", ["45m", "+", "+0m", "+5", "-m", "+1y", "++1m"])
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError):
        seconds(text)
