"""The commands of an event, from the command line to the exit code."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cloudsentry.errors import Busy, DriverError, Fault, Moving, Owned, PlanStale, SpecError
from cloudsentry.osc.shell import main
from cloudsentry.records.moving import Move
from cloudsentry.records.plans import Plan
from cloudsentry.records.reports import Note, Report, Status, SteerLine, StepReport, StretchLine

NOW = dt.datetime(2026, 8, 21, tzinfo=dt.UTC)

ENDED = Note(kind="ended", step="a", unit="nara-hv1", cloud="private", verb="create", detail="done", elapsed=3.2)


def test_plan_tells_each_step_its_why_and_the_drift_that_no_step_mends(hall, plan: Plan, capsys) -> None:
    other = replace(plan.drift[0], unit="osaka-hv1", what="1 server of another template")
    hall.answers = {"plan": replace(plan, drift=(*plan.drift, other))}
    assert main(["event", "plan", "cup.yaml"]) == 0
    out, err = capsys.readouterr()
    assert "1 server: id-1" in out
    assert "1 more than wanted" in out
    assert "drift: private osaka-hv1: 1 server of another template" in err
    assert "3 of 2 servers" not in err, "the step's reason tells it"
    assert "1 step: 1 to remove; 2 servers wanted" in err
    assert hall.asked[0] == ("load", ("cup.yaml",))


def test_plan_as_json_is_rows_alone_and_the_same_twice(hall, plan: Plan, capsys) -> None:
    hall.answers = {"plan": plan}
    texts = []
    for _ in range(2):
        assert main(["event", "plan", "cup.yaml", "-f", "json"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        texts.append(out)
    assert texts[0] == texts[1]
    assert list(json.loads(texts[0])[0]) == ["Action", "Unit", "Cloud", "What", "Why"]


def test_nothing_to_do_is_said_and_is_no_failure(hall, plan: Plan, capsys) -> None:
    hall.answers = {"plan": replace(plan, steps=(), drift=())}
    assert main(["event", "plan", "cup.yaml"]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == ""
    assert "nothing to do" in err
    assert main(["event", "plan", "cup.yaml", "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_plan_of_clouds_that_did_not_answer_is_never_nothing_to_do(hall, plan: Plan, form: str, capsys) -> None:
    dark = replace(plan.drift[0], unit="osaka", cloud="public", kind="unseen", what="public: GET: no connection")
    hall.answers = {"plan": replace(plan, steps=(), drift=(dark,))}
    assert main(["event", "plan", "cup.yaml", "-f", form]) == 1
    err = capsys.readouterr().err
    assert "not seen: public osaka: GET: no connection\n" in err, "the cloud is named once, in all formats"
    assert form == "json" or "nothing to do where it was seen; not all was seen: public" in err


def test_a_destroy_plan_is_asked_for_as_such_and_not_saved(hall, plan: Plan, tmp_path: Path, capsys) -> None:
    hall.answers = {"plan": plan}
    assert main(["event", "plan", "cup.yaml", "--destroy"]) == 0
    assert hall.asked[-1] == ("plan", (None, "destroy"))
    assert main(["event", "plan", "cup.yaml", "--destroy", "--out", str(tmp_path / "p")]) == 2
    assert not (tmp_path / "p").exists()


def test_apply_answers_with_stable_keys_and_real_numbers(hall, report: Report, capsys) -> None:
    hall.answers, hall.notes = {"apply": report}, (ENDED,)
    assert main(["event", "apply", "cup.yaml", "-f", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "run": 7,
        "event": "cup",
        "goal": "apply",
        "outcome": "done",
        "seconds": 4.25,
        "writes": 2,
        "reads": 9,
        "steps": {"done": 2, "failed": 0, "skipped": 0},
        "servers": {"wanted": 2, "active": 2, "misplaced": 0},
        "left": [],
    }
    assert err.splitlines() == ["   0.0 s  looking at the clouds", "   3.2 s  private nara-hv1: create: done"]


def test_a_failed_apply_says_which_step_what_is_left_and_how_to_go_on(hall, report: Report, capsys) -> None:
    bad = StepReport(id="a", unit="nara-hv1", cloud="private", verb="create", outcome="failed", error="no room on hv1")
    hall.answers = {"apply": replace(report, outcome="failed", steps=(bad,), left=("create:nara-hv1: no room",))}
    assert main(["event", "apply", "cup.yaml"]) == 1
    err = capsys.readouterr().err
    assert "failed: private nara-hv1: create: no room on hv1" in err
    assert "run `cloudsentry event apply cup.yaml` again" in err


def test_a_stopped_apply_says_that_nothing_is_lost(hall, report: Report, capsys) -> None:
    hall.answers = {"apply": replace(report, outcome="stopped")}
    assert main(["event", "apply", "cup.yaml"]) == 1
    assert "stopped; nothing is lost: run `cloudsentry event apply cup.yaml` again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (PlanStale("the clouds have moved on"), 3, "Make a new plan"),
        (Owned("event cup is held by run 6"), 1, "held by run 6"),
        (DriverError("no answer", cloud="private", status=500), 1, "private: no answer"),
        (KeyboardInterrupt(), 130, "Nothing is lost"),
        (ZeroDivisionError("oops"), 1, "internal error: ZeroDivisionError: oops (run with --debug for the traceback)"),
    ],
)
def test_every_end_has_its_code_and_a_sentence_and_no_traceback(hall, capsys, error, code: int, told: str) -> None:
    hall.answers = {"apply": error}
    assert main(["event", "apply", "cup.yaml"]) == code
    err = capsys.readouterr().err
    assert told in err
    assert "Traceback" not in err


def test_debug_shows_the_traceback_as_well(hall, capsys) -> None:
    hall.answers = {"apply": ZeroDivisionError("oops")}
    assert main(["--debug", "event", "apply", "cup.yaml"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_every_fault_of_a_file_is_told_one_a_line(hall, capsys) -> None:
    faults = tuple(Fault(file="cup.yaml", line=line, column=3, message=f"fault {line}") for line in (2, 9))
    hall.answers = {"load": SpecError(faults)}
    assert main(["event", "plan", "cup.yaml"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["cup.yaml:2:3: fault 2", "cup.yaml:9:3: fault 9"]
    assert len(lines) == 3


def test_status_shows_servers_and_below_them_balancers_and_drift(hall, status: Status, capsys) -> None:
    hall.answers = {"status": status}
    assert main(["event", "status", "cup"]) == 0
    out, err = capsys.readouterr()
    assert "cup-nara-1" in out
    assert " no " in out  # not where it is pinned
    assert "VIP 10.1.0.9, ACTIVE ONLINE, members: 1 × weight 10, 1 × weight 2" in err
    assert "cup-nara-1 is on hv2" in err
    assert "cup (revision 3): drifted; 1 of 2 servers active, 1 misplaced, 1 difference" in err


def test_status_rows_can_be_members_or_drift_and_types_survive_json(hall, status: Status, capsys) -> None:
    hall.answers = {"status": status}
    seen = {}
    for option in ("", "--balancers", "--drift"):
        assert main(["event", "status", "cup", *filter(None, [option]), "-f", "json"]) == 0
        seen[option] = json.loads(capsys.readouterr().out)
    assert (seen[""][0]["Placed"], seen[""][0]["Weight"]) == (False, None)
    assert [row["Weight"] for row in seen["--balancers"]] == [10, 2]
    assert seen["--drift"] == [
        {"Kind": "misplaced", "Cloud": "private", "Unit": "nara-hv1", "What": "cup-nara-1 is on hv2"}
    ]


def test_watch_goes_on_when_a_cloud_does_not_answer(hall, status: Status, capsys) -> None:
    hall.answers = {"status": Busy("try later", cloud="private")}
    assert main(["event", "watch", "cup", "--every", "0.01", "--times", "2"]) == 0
    assert capsys.readouterr().out == "private: try later\n" * 2
    hall.answers = {"status": status, "under_way": ()}
    assert main(["event", "watch", "cup", "--every", "0.01", "--times", "1"]) == 0
    assert "drifted" in capsys.readouterr().out


def test_watch_tells_stretches_steering_and_moves_once_and_again_when_they_change(hall, status: Status, capsys) -> None:
    end = StretchLine(
        cloud="public", unit="link", driver="gateway", state="ACTIVE", joined=True, offer="", objects=2,
        alive=False, loss=100.0,
    )  # fmt: skip
    steer = SteerLine(
        unit="images", driver="dns", cloud="local", target="osaka", to="", wanted=30.0, share=0.0, state="CHANGED"
    )
    move = Move(
        id=7, event="cup", server="vm-1", source="private", target="public", mover="live", phase="copy",
        started=NOW, updated=NOW,
    )  # fmt: skip
    hall.answers = {
        "status": replace(status, stretches=(end,), steers=(steer,)), "under_way": (move,), "resting": ("public nova",)
    }  # fmt: skip
    assert main(["event", "watch", "cup", "--every", "0.01", "--times", "2"]) == 0
    out = capsys.readouterr().out
    told = out.splitlines()
    assert told[:4] == [
        "stretch link at public: ACTIVE, joined, far end SILENT, 100 % lost",
        "steering images: osaka gets 0 % of 30 % wanted, CHANGED",
        "move 7 of vm-1 from private to public: copy, open",
        "public nova",
    ]
    assert told[4] == told[5]
    assert len(told) == 6, "what has not changed is not said twice"


def test_ctrl_c_is_the_way_to_end_a_watch(hall, capsys) -> None:
    hall.answers = {"status": KeyboardInterrupt()}
    assert main(["event", "watch", "cup"]) == 0


def test_destroy_without_a_terminal_needs_yes(hall, capsys) -> None:
    assert main(["event", "destroy", "cup"]) == 2
    assert hall.asked == []
    assert "--yes" in capsys.readouterr().err


def test_destroy_proves_that_nothing_is_left(hall, report: Report, capsys) -> None:
    hall.answers = {"destroy": replace(report, goal="destroy")}
    assert main(["event", "destroy", "cup", "--yes"]) == 0
    assert "nothing marked cup is left: servers 0, server groups 0, balancers 0" in capsys.readouterr().err


def test_destroy_that_left_something_proves_nothing(hall, report: Report, capsys) -> None:
    hall.answers = {"destroy": replace(report, goal="destroy", outcome="failed", left=("private: server cup-1 (x)",))}
    assert main(["event", "destroy", "cup", "--yes"]) == 1
    err = capsys.readouterr().err
    assert "left: private: server cup-1 (x)" in err
    assert "nothing marked" not in err


@pytest.mark.parametrize(
    ("typed", "code", "verbs"), [("cup\n", 0, ["plan_destroy", "destroy"]), ("yes\n", 2, ["plan_destroy"])]
)
def test_destroy_asks_on_a_terminal_for_the_name(
    hall, plan: Plan, report: Report, capsys, monkeypatch, typed: str, code: int, verbs: list[str]
) -> None:
    hall.answers = {"plan_destroy": plan, "destroy": replace(report, goal="destroy")}
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin.readline", lambda: typed, raising=False)
    assert main(["event", "destroy", "cup"]) == code
    assert [verb for verb, _ in hall.asked] == verbs
    assert "remove private nara-hv1: 1 server: id-1" in capsys.readouterr().err


def test_a_long_wait_is_told_every_two_seconds_and_not_more_often(hall, report: Report, capsys) -> None:
    waits = tuple(replace(ENDED, kind="progress", done=1, wanted=2, elapsed=second / 2) for second in range(1, 11))
    hall.answers, hall.notes = {"apply": report}, waits
    assert main(["event", "apply", "cup.yaml"]) == 0
    assert capsys.readouterr().err.splitlines()[1:] == [
        "   2.0 s  waiting for nara-hv1 create 1/2",
        "   4.0 s  waiting for nara-hv1 create 1/2",
    ]


@pytest.mark.parametrize(("refusals", "code"), [((), 0), (("cloud osaka has no image 'tiny'",), 1)])
def test_a_move_that_is_refused_is_no_good_plan(hall, monkeypatch, refusals: tuple[str, ...], code: int) -> None:
    from cloudsentry.osc import migrate

    line = SimpleNamespace(
        server="a", source="nara", target="osaka", mover="image", why="", copy_mb=0, seconds=0, gap=0, refusals=refusals
    )
    migration = SimpleNamespace(plan=lambda asked: (line,), close=lambda: None)
    monkeypatch.setattr(migrate, "_migration", lambda command: migration)
    assert main(["migrate", "plan", "cup", "a", "--to", "osaka"]) == code


def test_an_event_that_another_process_has_is_told_once_that_nothing_was_changed(hall, capsys) -> None:
    hall.answers = {"apply": Owned("event cup is being worked on by process 7 on vm: nothing was changed")}
    assert main(["event", "apply", "cup.yaml"]) == 1
    err = capsys.readouterr().err
    assert err.lower().count("nothing was changed") == 1
    assert "Wait for the other process" in err


def test_a_move_that_was_left_open_sends_nobody_to_a_process_that_is_not_there(hall, capsys) -> None:
    hall.answers = {"apply": Moving("event cup is held by move 4, which is open at copy: `migrate retry 4` first")}
    assert main(["event", "apply", "cup.yaml"]) == 1
    err = capsys.readouterr().err
    assert err.endswith("`migrate retry 4` first\nNothing was changed.\n")
