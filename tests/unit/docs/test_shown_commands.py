"""Every command that the documentation, the README and the commands' own examples show is one that there is.

Its words, options and arguments are taken by the very parser that a user meets; the tutorial is run word by word by
`tests/functional/test_tutorial.py`.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import pytest

from cloudsentry.osc import shell

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("docs/**/*.rst"), ROOT / "README.rst", *ROOT.glob("etc/**/*")])


def entries() -> dict[str, str]:
    """What setup.cfg calls a command, by its words."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options.entry_points"]["cloudsentry.commands"].strip().splitlines()
    pairs = (line.split(" = ") for line in lines)
    return {name.strip().replace("_", " "): where.strip() for name, where in pairs}


COMMANDS = entries()
FIRST = {words.split()[0] for words in COMMANDS}


def parser_of(words: str) -> argparse.ArgumentParser:
    module, _, name = COMMANDS[words].partition(":")
    command: Any = getattr(import_module(module), name)
    made: argparse.ArgumentParser = command(shell.Shell(), None, cmd_name=words).get_parser(f"cloudsentry {words}")
    return made


def logical(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Lines with their number, those that a backslash goes on joined."""
    number, held = 0, ""
    for index, line in enumerate(lines, 1):
        number = number or index
        held += line.rstrip("\\") if line.endswith("\\") else line
        if not line.endswith("\\"):
            yield number, held
            number, held = 0, ""


def in_pages() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        if page.is_file():
            for number, line in logical(page.read_text(encoding="utf-8").splitlines()):
                shown = re.match(r"^\s+(\$ )?(?:sudo )?(?:cloudsentry|openstack sentry) (.*)$", line)
                if shown and (shown[1] or shown[2].split()[0] in FIRST):
                    yield f"{page.relative_to(ROOT)}:{number}", shown[2]


def in_help() -> Iterator[tuple[str, str]]:
    for words, where in COMMANDS.items():
        module, _, name = where.partition(":")
        command: Any = getattr(import_module(module), name)
        epilog = getattr(command, "_epilog", None) or ""
        for line in epilog.replace("%(prog)s", f"cloudsentry {words}").splitlines():
            if shown := re.match(r"^\s+(?:cloudsentry|openstack sentry) (.*)$", line):
                yield f"{words} --help", shown[1]


def asked(line: str) -> list[str]:
    """The words of a shown command: without a comment, and up to where a shell takes over."""
    words = shlex.split(re.split(r"\s+#\s|\s[|>]\s?|\s&&\s|\s2>", line)[0], comments=False)
    return words[2:] if words[:1] == ["--config-file"] else words


class Refused(Exception):
    pass


def refuse(self: argparse.ArgumentParser, message: str) -> NoReturn:
    raise Refused(message)


CASES = sorted(set(in_pages()) | set(in_help()))


def test_pages_and_help_show_commands() -> None:
    assert len({place.split(":")[0] for place, _ in CASES}) > 20, "the pages are read"


@pytest.mark.parametrize(("place", "line"), CASES, ids=[f"{place} {line[:40]}" for place, line in CASES])
def test_a_shown_command_is_one_that_there_is(place: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = asked(line)
    if words[0] in ("complete", "help") or words[0].startswith("-"):
        return
    name = next((" ".join(words[:n]) for n in (3, 2, 1) if " ".join(words[:n]) in COMMANDS), None)
    assert name, f"{place}: no command {line!r}"
    monkeypatch.setattr(argparse.ArgumentParser, "error", refuse)
    rest = [word for word in words[len(name.split()) :] if word != "…"]
    try:
        parser_of(name).parse_args(rest)
    except Refused as refusal:
        pytest.fail(f"{place}: {line!r}: {refusal}")
    except SystemExit as end:
        if end.code:  # not --help, not --version
            pytest.fail(f"{place}: {line!r} ends with {end.code}")


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(words: str) -> None:
    parser = parser_of(words)
    told = parser.format_help()
    assert "example" in told.lower() or re.search(r"such as `", told), f"{words}: its help shows no example"
