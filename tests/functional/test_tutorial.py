"""The tutorial, followed word by word on the lab: each command is run, and its output is what the page shows.

What differs from run to run (ids, addresses, seconds, numbers of calls) may differ. `CLOUDSENTRY_WRITE_TUTORIAL=1`
writes what was seen into the page instead of comparing it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tenacity

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.lab
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.rst"
FILE = "koshien-2010.yaml"
EVENT = "koshien-2010"
INDENT = "   "
PROGRESS = re.compile(r"^\s*\d+\.\d s  ")


@dataclass(frozen=True)
class Shown:
    """One command of the page: its line, and the lines below it."""

    line: int
    command: str
    output: tuple[str, ...]


@dataclass(frozen=True)
class Prose:
    """A paragraph of the page."""

    text: str


def steps(text: str) -> Iterator[Prose | Shown]:
    """Paragraphs and shown commands in the page's order."""
    lines = text.splitlines()
    at, paragraph = 0, []
    while at < len(lines):
        line = lines[at]
        if line.startswith(f"{INDENT}$ "):
            end = at + 1
            while end < len(lines) and not lines[end].startswith(f"{INDENT}$ "):
                if lines[end] and not lines[end].startswith(INDENT):
                    break
                end += 1
            output = [one[len(INDENT) :] for one in lines[at + 1 : end]]
            while output and not output[-1]:
                output.pop()
            yield Shown(line=at, command=line[len(INDENT) + 2 :], output=tuple(output))
            at = end
            continue
        if line:
            paragraph.append(line)
        elif paragraph:
            yield Prose(" ".join(paragraph))
            paragraph = []
        at += 1


def alike(lines: tuple[str, ...]) -> list[str]:
    """Without what may differ: ids, addresses, numbers, the widths of columns, and progress, which time decides."""
    kept = []
    for line in lines:
        if PROGRESS.match(line):
            continue
        line = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", line)
        line = re.sub(r"\d+(\.\d+)*", "N", line)
        kept.append(re.sub(r"[\s-]+", " ", line).strip())
    return kept


class Reader:
    """Somebody who does what the page says, in a folder of their own."""

    def __init__(self, program: Program, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.env = {
            **program.env,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "CLOUDSENTRY_STATE_DIR": str(folder / "state"),
            "CLIFF_FIT_WIDTH": "0",
            "COLUMNS": "220",
            "PYTHONUNBUFFERED": "1",  # the answer before the note below it
        }
        self.code = 0
        shutil.copy(ROOT / "etc" / "cloudsentry" / "events" / FILE, folder)

    def run(self, command: str) -> tuple[str, ...]:
        if command == "echo $?":
            return (str(self.code),)
        done = subprocess.run(
            ["bash", "-c", f"{command} 2>&1"],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.code = done.returncode
        assert "Traceback" not in done.stdout
        return tuple(done.stdout.rstrip("\n").splitlines())

    def settled(self, command: str) -> tuple[str, ...]:
        """As `run`; a status is looked at again while servers have not passed their first health checks."""
        again = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda lines: "event status" in command and "OFFLINE" in "".join(lines)),
            wait=tenacity.wait_fixed(1),
            stop=tenacity.stop_after_delay(30),
            retry_error_callback=lambda last: last.outcome.result() if last.outcome else (),
        )
        found: tuple[str, ...] = again(self.run, command)
        return found

    def change_three_numbers(self) -> None:
        """In the file, as an editor would: everything else stays as it is."""
        path = self.folder / FILE
        text = path.read_text(encoding="utf-8")
        for old, new in (
            (r"(hypervisor: public-hv1, count: )1\b", r"\g<1>2"),
            (r"(hypervisor: private-opteron1, count: )2(, weight: )2\b", r"\g<1>1\g<2>3"),
        ):
            text, changed = re.subn(old, new, text)
            assert changed == 1, f"{old} is in the file {changed} times"
        path.write_text(text, encoding="utf-8")

    def delete_a_server(self) -> None:
        """As a colleague might, with another client."""
        server = next(one for one in self.lab.servers(EVENT) if "xeon1" in one.name)
        private = self.lab.clouds["private"].compute
        private.delete_server(server)
        private.wait_for_delete(server)

    def pull_the_plug(self) -> None:
        """An apply is killed as soon as it says that it waits for a server."""
        process = subprocess.Popen(
            ["cloudsentry", "event", "apply", FILE],
            env=self.env,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if "create" in line:
                break
        process.kill()
        process.communicate()
        assert process.returncode == -9, "it was through before it could be killed"


def test_the_tutorial_is_true(program: Program, lab: Lab, tmp_path: Path) -> None:
    reader = Reader(program, lab, tmp_path)
    hands: dict[str, Callable[[], None]] = {
        "Change the three numbers": reader.change_three_numbers,
        "Delete one of the servers": reader.delete_a_server,
        "pull the plug": reader.pull_the_plug,
    }
    page = PAGE.read_text(encoding="utf-8")
    seen: dict[int, tuple[Shown, tuple[str, ...]]] = {}
    for step in steps(page):
        if isinstance(step, Prose):
            for words in [words for words in hands if words in step.text]:
                hands.pop(words)()
            continue
        seen[step.line] = (step, reader.settled(step.command))
        if not os.environ.get("CLOUDSENTRY_WRITE_TUTORIAL"):
            assert alike(seen[step.line][1]) == alike(step.output), f"tutorial.rst:{step.line + 1}: $ {step.command}"
    assert not hands, f"the page no longer asks for: {', '.join(hands)}"
    assert len(seen) >= 10
    assert lab.servers(EVENT) == []
    if os.environ.get("CLOUDSENTRY_WRITE_TUTORIAL"):
        write(page, seen)


def write(page: str, seen: dict[int, tuple[Shown, tuple[str, ...]]]) -> None:
    """What was seen, into the page, from its end so that line numbers stay true."""
    lines = page.splitlines()
    for at, (step, output) in sorted(seen.items(), reverse=True):
        told = [line for line in output if not PROGRESS.match(line)]
        lines[at + 1 : at + 1 + len(step.output)] = [f"{INDENT}{line}".rstrip() for line in told]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
