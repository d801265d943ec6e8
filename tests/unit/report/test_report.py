"""An event's report out of its journal: what a reader would miss if it were wrong."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from scale.stage import START, Stage

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.errors import UserError
from cloudsentry.history import figures
from cloudsentry.history.report import clouds_of, gave_way, history, incidents_of, leads_of
from cloudsentry.journal import Journal
from cloudsentry.journal.moves import Moves
from cloudsentry.records.history import History
from cloudsentry.records.moving import Move
from cloudsentry.records.scaling import Ask
from cloudsentry.render import report_html, report_json, report_md
from cloudsentry.render.report_plots import broken
from cloudsentry.scaling.scale import Call
from cloudsentry.spec.load import load_text

HOUR = dt.timedelta(hours=1)
XEON, OPTERON = ("nara", "front@xeon1"), ("nara", "front@opteron1")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    made.applied()
    return made


def told(stage: Stage) -> History:
    return history(stage.sentry, "summer")


def test_runs_servers_and_decisions_are_those_of_the_event(stage: Stage) -> None:
    call = Call(
        event="summer", pool="front", ask=Ask(to=6, source="alert <b>Slow</b>"), source="hook:x", digest="1", again=9
    )
    stage.scaler.ask(call)
    stage.scaler.carry_out("summer", 60)
    stage.sentry.destroy("summer")
    found = told(stage)
    assert history(stage.sentry, "summer").made == found.made, "what is gone has ended, whenever it is reported"
    assert [(run.goal, run.outcome, run.active) for run in found.runs] == [
        ("apply", "done", 3),
        ("apply", "done", 7),
        ("destroy", "done", 0),
    ]
    (cloud,) = found.clouds
    assert (cloud.cloud, cloud.most) == ("scale-test", 7)
    assert [level.active for level in cloud.levels][-1] == 0
    assert found.decisions[0].wanted == 6
    assert found.incidents == ()
    assert sum(line.share or 0 for line in found.shares) == pytest.approx(100)


def test_server_hours_are_the_area_under_the_active_servers() -> None:
    levels = [
        (START, {XEON: 2}, {}),
        (START + HOUR, {XEON: 2}, {XEON: 2}),
        (START + 2 * HOUR, {XEON: 2, OPTERON: 4}, {XEON: 2, OPTERON: 4}),
        (START + 4 * HOUR, {}, {XEON: 0, OPTERON: 0}),
    ]
    (cloud,) = clouds_of(levels, START + 9 * HOUR)
    assert cloud.hours == 2 * 1 + 6 * 2
    assert [(level.wanted, level.active) for level in cloud.levels] == [(2, 0), (2, 2), (6, 6), (0, 0)]


@pytest.mark.parametrize(("minutes", "kept"), [(16, True), (14, False), (None, False)])
def test_a_lead_time_is_kept_when_the_servers_were_there_so_long_before_the_start(
    stage: Stage, minutes: int | None, kept: bool
) -> None:
    event = load_text(stage.text, "summer.yaml")
    (demand,) = event.calendar.demands() if event.calendar else ()
    ready = [] if minutes is None else [(demand.start - minutes * HOUR / 60, {}, {XEON: 3, OPTERON: 2})]
    (line,) = leads_of(event, ready, demand.start + HOUR)
    assert (line.needed, line.kept) == (5, kept)
    assert line.lead == (None if minutes is None else minutes * 60)
    assert leads_of(event, ready, demand.start - HOUR / 3)[0].kept is None, "not to be judged before it is due"


def test_what_failed_is_an_incident_with_its_cause(stage: Stage) -> None:
    with FakeCloud.named("scale-test").work() as state:
        state.faults.append(FaultRule("CreateServers", 1, "denied"))
    more = stage.text.replace("hypervisor: xeon1, count: 1", "hypervisor: xeon1, count: 3")
    assert stage.sentry.apply(load_text(more, "summer.yaml")).outcome == "failed"
    found = told(stage)
    step = next(one for one in found.incidents if one.kind == "step")
    assert "front@xeon1 on scale-test" in step.what
    assert "denied" in step.cause
    assert any(one.kind == "run" and "failed" in one.what for one in found.incidents)
    assert found.clouds[0].levels[-1].active == 3, "servers that never came are not counted"


def test_a_run_that_gave_way_to_a_larger_one_is_no_incident_and_one_that_was_stopped_is(stage: Stage) -> None:
    (run,) = told(stage).runs
    row = Journal(stage.sentry.settings.journal.connection).run(run.run)
    first = dataclasses.replace(row, outcome="stopped")
    larger = dataclasses.replace(row, id=row.id + 1, revision=row.revision + 1)
    stranger = dataclasses.replace(larger, pid=row.pid + 1)
    assert gave_way([first, larger]) == {row.id}
    assert gave_way([first, stranger]) == gave_way([first]) == frozenset()
    assert incidents_of([first, larger], (), ()) == ()
    assert [one.kind for one in incidents_of([first, stranger], (), ())] == ["run"]


def test_of_hundreds_of_decisions_people_read_those_that_changed_something(stage: Stage) -> None:
    stage.scaler.tick("summer")
    (held,) = told(stage).decisions
    many = dataclasses.replace(told(stage), decisions=(held,) * 299 + (dataclasses.replace(held, wanted=99),) * 3)
    assert report_md.report(many).count("\n| 20") - len(many.runs) <= 10
    assert "299 that did not are left out" in report_md.report(many)
    assert len(json.loads(report_json.report(many))["decisions"]) == 302


def test_an_unknown_event_is_said_to_be_unknown(stage: Stage) -> None:
    with pytest.raises(UserError, match="no event 'winter'"):
        history(stage.sentry, "winter")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_one_file_with_plots_and_nothing_of_the_journal_is_markup(stage: Stage) -> None:
    found = dataclasses.replace(told(stage), title="<script>alert(1)</script> & co")
    text = report_html.report(found)
    page = _Page()
    page.feed(text)
    assert "<script>alert(1)</script> & co" in page.text
    assert not {"script", "img", "link", "iframe", "object"} & set(page.tags)
    assert page.tags.count("svg") == 2
    assert len(page.ids) == len(set(page.ids)), "two plots in one page share no id"
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', text)) <= set(page.ids)
    assert not re.search(r'(?:src|href)="(?!#)', text), "nothing is fetched"
    assert text == report_html.report(found), "the same history gives the same bytes"


def _answer(path: Path, *series: tuple[dict[str, str], list[tuple[float, str]]]) -> Path:
    result = [{"metric": labels, "values": values} for labels, values in series]
    path.write_text(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}))
    return path


def test_what_a_monitor_kept_of_the_day_is_drawn_with_its_gaps(stage: Stage, tmp_path: Path) -> None:
    at = START.timestamp()
    seen = [(at + 60 * n, str(100 + n)) for n in range(10) if not 3 <= n < 8] + [(at + 240, "NaN")]
    path = _answer(tmp_path / "sessions.json", ({"hypervisor": "xeon<1>"}, seen), ({"instance": "opteron1"}, []))
    figure = figures.read("TCP sessions", path)
    found = dataclasses.replace(told(stage), figures=(figure,))
    assert [(curve.name, len(curve.points)) for curve in figure.curves] == [("opteron1", 0), ("xeon<1>", 5)]
    _, values = broken(figure.curves[1])
    assert [math.isnan(value) for value in values] == [False, False, False, True, False, False], "a gap is no load"
    text = report_html.report(found)
    page = _Page()
    page.feed(text)
    assert page.tags.count("svg") == 3
    assert "xeon<1>" in page.text
    assert "| xeon&lt;1&gt; |" in report_md.report(found)


@pytest.mark.parametrize("text", ["", "[]", '{"data": {"result": [{"metric": {}, "values": [[1]]}]}}', '{"data": 1}'])
def test_a_file_that_is_no_answer_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(UserError, match="no answer of Prometheus"):
        figures.read("x", tmp_path / "bad.json")
    with pytest.raises(UserError, match="cannot be read"):
        figures.read("x", tmp_path / "none.json")


def test_a_move_stands_beside_what_was_predicted_of_it(stage: Stage) -> None:
    moves = Moves(stage.settings.journal.connection)
    moves.add(
        Move(
            event="summer",
            server="vm-1",
            source="a",
            target="b",
            mover="libvirt",
            memo={"predicted": {"total": 12.5, "downtime": 0.25}},
            started=START,
            updated=START,
        )
    )
    moves.close()
    text = report_md.report(told(stage))
    (row,) = [line for line in text.splitlines() if "vm-1" in line]
    assert "| 12 s |" in row
    assert "| 250 ms |" in row


def test_markdown_tables_survive_what_is_in_them(stage: Stage) -> None:
    found = told(stage)
    run = dataclasses.replace(found.runs[0], goal="a|b\nc <i>")
    lines = report_md.report(dataclasses.replace(found, runs=(run,))).splitlines()
    (row,) = [line for line in lines if "a\\|b" in line]
    head = next(line for line in lines if line.startswith("| Run "))
    assert row.replace("\\|", "").count("|") == head.count("|")
    assert "<i>" not in row


def test_json_keeps_its_keys_and_its_times_have_a_zone(stage: Stage) -> None:
    told_ = json.loads(report_json.report(told(stage)))
    keys = "event title state revision began made runs clouds shares leads incidents decisions moves figures notes"
    assert list(told_) == [*keys.split(), "hours"]
    assert dt.datetime.fromisoformat(told_["runs"][0]["started"]).tzinfo is not None
