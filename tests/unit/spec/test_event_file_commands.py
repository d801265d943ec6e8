"""`cloudsentry event validate` and `event schema`: what is printed where, and the exit codes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudsentry.osc import shell
from cloudsentry.spec.schema import schema

ROOT = Path(__file__).parents[3]
KOSHIEN = str(ROOT / "etc" / "cloudsentry" / "events" / "koshien-2010.yaml")
BAD = ROOT / "tests" / "unit" / "bad_events"


@pytest.fixture(autouse=True)
def _no_handlers_left() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_valid_file_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.main(["event", "validate", KOSHIEN]) == 0
    assert capsys.readouterr().out == (
        f"{KOSHIEN}: event koshien-2010 is valid: 2 sites, 2 pools with 8 servers, 2 balancers\n"
    )


def test_a_valid_file_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.main(["event", "validate", "-f", "json", KOSHIEN]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"File": KOSHIEN, "Event": "koshien-2010", "Sites": 2, "Pools": 2, "Servers": 8, "Balancers": 2}
    ]


def test_the_faults_of_all_files_are_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    bad, none = str(BAD / "wrong-type.yaml"), str(BAD / "no-such-file.yaml")
    assert shell.main(["event", "validate", KOSHIEN, bad, none]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"{bad}:12:34: expected an integer from 0 to 1000, found 'two'\n" in told.err
    assert f"{none}: cannot be read: No such file or directory\n" in told.err


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.main(["event", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()
