"""Who is ours: the processes of the lab, known by pid *and* start time, or by the lab's mark in their environment.

A recycled pid, another database or another broker is never touched.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cloudsentry.lab import waiting

# In the environment of everything that the lab starts, hence of all that those start.
MARK = "CLOUDSENTRY_LAB_PROCESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that lived when it was looked at. `start`: clock ticks since boot (field 22 of /proc/<pid>/stat)."""

    pid: int
    start: int

    @property
    def alive(self) -> bool:
        """Still the same process, and not a zombie."""
        return _start(self.pid) == self.start

    @property
    def pss_kb(self) -> int:
        """Proportional set size in KiB; 0 when the process has gone."""
        with suppress(OSError):
            for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1])
        return 0

    @property
    def cmdline(self) -> str:
        with suppress(OSError):
            raw = Path(f"/proc/{self.pid}/cmdline").read_bytes()
            return raw.replace(b"\0", b" ").decode(errors="replace").strip()
        return ""

    def send(self, number: signal.Signals) -> None:
        """Signal it if it is still that process."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _start(pid: int) -> int:
    """Start time of a running process, 0 if there is none (a zombie counts as none)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in ("Z", "X") else int(fields[19])


def look(pid: int) -> Process | None:
    """The process that has this pid now."""
    start = _start(pid)
    return Process(pid=pid, start=start) if start else None


def known(path: Path, command: str) -> Process | None:
    """The living process whose "pid start" stands in `path` and whose command line holds `command`; else None."""
    try:
        pid, start = (int(word) for word in path.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return None
    process = Process(pid=pid, start=start)
    return process if start and process.alive and command in process.cmdline else None


def remember(path: Path, process: Process) -> None:
    """Write the identity that `known` reads, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(f"{process.pid} {process.start}", encoding="ascii")
    part.replace(path)


def marked(root: Path, *more: str) -> tuple[Process, ...]:
    """Every living process that the lab in `root` started, directly or not; never the caller.

    `more` are further "NAME=value" entries that its environment must hold.
    """
    marks = {f"{MARK}={root}".encode(), *(entry.encode() for entry in more)}
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            if marks <= set((entry / "environ").read_bytes().split(b"\0")) and (process := look(int(entry.name))):
                found.append(process)
    return tuple(found)


def end(processes: Iterable[Process], *, grace_s: float) -> None:
    """None of them lives when this returns: SIGTERM, at most `grace_s` seconds, SIGKILL. 0 kills at once."""
    left = [process for process in processes if process.alive]
    if grace_s:
        for process in left:
            process.send(signal.SIGTERM)
        with suppress(waiting.LabTimeout):
            waiting.until(lambda: not any(p.alive for p in left), "processes to end", deadline_s=grace_s)
    for process in left:
        process.send(signal.SIGKILL)
    waiting.until(lambda: not any(p.alive for p in left), "killed processes to go", deadline_s=10)


def environment(root: Path) -> dict[str, str]:
    """The environment of all that the lab starts: the mark, and nothing of the caller's."""
    return {
        MARK: str(root),
        "LAB_DIR": str(root),
        "HOME": str(root),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(root / "inside"),
        "PYTHONWARNINGS": "ignore",
        "PYTHONNOUSERSITE": "1",
    }
