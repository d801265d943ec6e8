"""The program as a process of its own that can be stopped before its first line, and killed at a line of its journal.

The process is forked from one that has imported everything already: the second and a half that a start costs is
nothing that a fault could strike, and there are thousands of starts.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METHODS = ("revise", "begin", "intent", "step_ended", "run_ended", "event_gone")
"""The journal's writers."""

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "cloudsentry.osc.shell",
        "cloudsentry.osc.event",
        "cloudsentry.sentry",
        "cloudsentry.journal",
        "cloudsentry.journal.ownership",
        "cloudsentry.drivers.pool.nova",
        "cloudsentry.drivers.balancer.octavia",
        "cloudsentry.drivers.stretch.vlan",
        "openstack.config",
        "openstack.connection",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """Killed before or after the ``nth`` call of a method of the journal; ``nth`` 0 only counts, into ``told``."""

    method: str = ""
    nth: int = 0
    after: bool = False
    told: str = ""


class Program:
    """`cloudsentry WORD…`, started. What it prints is in files."""

    def __init__(
        self, words: list[str], env: Mapping[str, str], folder: Path, *, stopped: bool = False, trap: Trap | None = None
    ) -> None:
        self._files = folder / "out.txt", folder / "err.txt"
        target = (words, dict(env), *map(str, self._files), stopped, trap)
        self._process = _CONTEXT.Process(target=_run, args=target)
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid
        while stopped and _state(self.pid) != "T":
            time.sleep(0.005)

    def go_on(self) -> None:
        """After having been stopped."""
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> tuple[int, str, str]:
        """Wait for its end: exit code (-9 where it was killed), stdout, stderr."""
        self._process.join(600)
        code = self._process.exitcode
        assert code is not None, "the program does not end"
        out, err = (file.read_text() for file in self._files)
        return code, out, err


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "T"  # it has ended: whoever waits for it will see


def _run(words: list[str], env: dict[str, str], out: str, err: str, stopped: bool, trap: Trap | None) -> None:
    """In the new process."""
    for number, path, mode in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        os.dup2(os.open(path, mode | (os.O_CREAT | os.O_TRUNC if mode else 0), 0o600), number)
    os.environ.clear()
    os.environ.update(env)
    if stopped:
        os.kill(os.getpid(), signal.SIGSTOP)
    code = 1
    try:
        from cloudsentry.osc.shell import main

        count = Counter[str]()
        if trap:
            for method in [trap.method] if trap.method else METHODS:
                _arm(method, trap.nth, after=trap.after, count=count)
        code = main(words)
        if trap and trap.told:
            Path(trap.told).write_text(json.dumps(count))
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _arm(method: str, nth: int, *, after: bool, count: Counter[str]) -> None:
    from cloudsentry.journal import Journal

    plain = getattr(Journal, method)

    def trap(self: Journal, *args: Any, **named: Any) -> Any:
        count[method] += 1
        if count[method] == nth and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = plain(self, *args, **named)
        if count[method] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(Journal, method, trap)
