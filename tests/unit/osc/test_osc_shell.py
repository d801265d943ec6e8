"""The program itself: names, help, light imports, plugins of others that are broken."""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
from importlib import metadata
from typing import Any

import pytest

from cloudsentry.osc import plugin, shell
from cloudsentry.osc.shell import main, nearest

HEAVY = (
    "openstack",
    "keystoneauth1",
    "pydantic",
    "sqlalchemy",
    "rich",
    "tooz",
    "cloudsentry.drivers",
    "cloudsentry.sentry",
)


def imported_by(statement: str) -> list[str]:
    code = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return answer.stdout.splitlines()


def test_what_every_openstack_call_imports_is_nothing() -> None:
    modules = imported_by("import cloudsentry.osc.plugin")
    assert [name for name in modules if name.startswith(HEAVY) or name.startswith("cliff")] == []


def test_help_imports_no_sdk_and_no_driver() -> None:
    statement = "from cloudsentry.osc.shell import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert [name for name in imported_by(statement) if name.startswith(HEAVY)] == []


@pytest.mark.parametrize("argv", [["--help"], ["help"], []])
def test_help_lists_every_command(argv: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert not end.value.code
    out = capsys.readouterr().out
    for entry in metadata.entry_points(group=shell.NAMESPACE):
        assert f"  {entry.name.replace('_', ' ')} " in out


def test_help_behind_a_command_is_that_commands(capsys) -> None:
    assert main(["event", "status", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: cloudsentry event status")


def test_both_doors_have_the_same_commands_but_the_labs() -> None:
    ours = {entry.name: entry.value for entry in metadata.entry_points(group=shell.NAMESPACE)}
    theirs = {entry.name: entry.value for entry in metadata.entry_points(group="openstack.sentry.v1")}
    assert theirs == {f"sentry_{name}": value for name, value in ours.items() if not name.startswith("lab_")}


@pytest.mark.parametrize("name", [entry.name for entry in metadata.entry_points(group="openstack.sentry.v1")])
def test_every_command_of_both_doors_loads_and_has_an_example_and_needs_no_login(name: str) -> None:
    kind = metadata.entry_points(group="openstack.sentry.v1")[name].load()
    assert kind.auth_required is False
    parser = kind(argparse.Namespace(stdout=sys.stdout), None).get_parser(f"openstack {name.replace('_', ' ')}")
    assert "example" in parser.format_help().lower()


def test_an_unknown_command_names_its_nearest(capsys) -> None:
    assert main(["evnt", "aply"]) == 2
    err = capsys.readouterr().err
    assert err.index("event apply") < err.index("event status")
    assert "Traceback" not in err


def test_a_lone_first_word_names_its_kin() -> None:
    assert set(nearest("event", ["event plan", "event apply", "lab up"])) == {"event apply", "event plan"}


def test_a_noun_alone_lists_all_its_commands(capsys) -> None:
    assert main(["event"]) == 2
    told = capsys.readouterr().err
    assert all(f"  event {verb} " in told for verb in ("apply", "destroy", "plan", "status", "validate"))
    assert "weights show" not in told


def test_a_word_like_no_command_is_answered_without_guesses(capsys) -> None:
    assert main(["zzzzzz"]) == 2
    assert capsys.readouterr().err == "There is no command 'zzzzzz'. `cloudsentry --help` lists them all.\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["event", "apply"],
        ["event", "watch", "cup", "--every", "0"],
        ["event", "watch", "cup", "--times", "-1"],
        ["explain", "cup", "--limit", "0"],
        ["migrate", "plan", "cup", "front", "--at-once", "0"],
        ["calibrate", "cup", "front", "--from", "nowhere"],
        ["--log-file", "/nowhere/x.log", "event", "list"],
        ["--nope"],
    ],
)
def test_bad_arguments_end_with_two(argv: list[str], capsys) -> None:
    try:
        code = main(argv)
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_unknown_column_ends_with_two(hall, plan, capsys) -> None:
    hall.answers = {"plan": plan}
    assert main(["event", "plan", "cup.yaml", "-c", "Colour"]) == 2
    assert "Colour" in capsys.readouterr().err


def test_a_broken_plugin_is_one_line_and_hides_nobody(monkeypatch, capsys) -> None:
    broken = metadata.EntryPoint(name="event_broken", value="no_such_module:Thing", group=shell.NAMESPACE)
    real = metadata.entry_points(group=shell.NAMESPACE)
    monkeypatch.setattr(shell.metadata, "entry_points", lambda group: [*real, broken])
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert "event broken" in out
    assert "cannot be loaded: No module named 'no_such_module'" in out
    assert "event apply" in out
    assert main(["event", "broken"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_configuration_file_that_is_not_there_is_the_users_matter(tmp_path, capsys) -> None:
    assert main(["--config-file", str(tmp_path / "none.conf"), "run", "list"]) == 2
    assert "none.conf" in capsys.readouterr().err


def test_bash_completion_knows_the_commands(capsys) -> None:
    assert main(["complete"]) == 0
    out = capsys.readouterr().out
    assert "cmds_event='apply audit check destroy import-calendar list " in out
    assert "--out" in out


def test_the_plugins_options_reach_the_hall(monkeypatch) -> None:
    parser = plugin.build_option_parser(argparse.ArgumentParser())
    options = parser.parse_args(["--sentry-config-file", "x.conf"])
    seen = []
    monkeypatch.setattr("cloudsentry.osc.base.open_hall", seen.append)
    plugin.make_client(argparse.Namespace(_cli_options=argparse.Namespace(config=vars(options))))
    assert seen == ["x.conf"]
    assert options.os_sentry_api_version == plugin.DEFAULT_API_VERSION


def test_log_lines_are_json_objects_where_asked(tmp_path) -> None:
    path = tmp_path / "log"
    assert main(["--log-json", "--log-file", str(path), "event", "schema"]) == 0
    (point, *_) = metadata.entry_points(group="cloudsentry.pool")
    logging.getLogger("cloudsentry.test").warning("odd: %s", point)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["message"] for line in lines if line["name"] == "cloudsentry.test"] == [f"odd: {point}"]


def test_json_logs_without_oslo_log_say_what_to_install(hall, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "oslo_log.formatters", None)
    with pytest.raises(SystemExit) as end:
        main(["--log-json", "event", "list"])
    assert end.value.code == 2
    assert "cloudsentry[log]" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["event", "--help"], ["help", "event"], ["event", "-h"]])
def test_help_for_a_noun_lists_its_commands(argv: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert not left.value.code
    out = capsys.readouterr().out
    assert out.startswith("usage: cloudsentry event COMMAND")
    assert "event apply " in out
    assert "pool list" not in out


def test_a_wrong_argument_is_told_with_what_was_expected(capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main(["event", "report", "x", "--figure", "a"])
    assert left.value.code == 2
    assert "argument --figure: expected TITLE=FILE, found 'a'" in capsys.readouterr().err


def started(*words: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
    argv = [sys.executable, "-m", "cloudsentry.osc.shell", *words]
    return subprocess.run(argv, text=True, check=False, timeout=60, **streams)


def test_a_full_disk_below_the_answer_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = started("event", "schema", stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "the answer cannot be written: No space left on device\n")


def test_a_full_disk_below_the_log_is_one_line_and_stops_nothing() -> None:
    done = started("--log-file", "/dev/full", "event", "schema", capture_output=True)
    assert done.returncode == 0
    assert json.loads(done.stdout)
    assert done.stderr.splitlines() == ["the log /dev/full cannot be written: [Errno 28] No space left on device"]


@pytest.mark.parametrize(("closed", "code"), [(1, 0), (2, 2)])
def test_closed_streams_are_no_error_of_their_own(closed: int, code: int) -> None:
    argv = ("event", "schema") if closed == 1 else ("event", "nosuch")
    done = started(*argv, capture_output=True, preexec_fn=lambda: os.close(closed))
    assert (done.returncode, done.stdout, done.stderr) == (code, "", ""), "talk never goes to where answers go"
