"""What a run looks like while it goes on: bars on a terminal, lines elsewhere; and a look, on a terminal. On stderr."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudsentry.osc.base import say, terminal
from cloudsentry.records.reports import Listener, Note

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.status import Status

LOOKING = "looking at the clouds"

QUIET = 2.0
"""Longest silence, in seconds, while something is waited for."""
MOMENT = 1.0
"""Seconds that a look at the clouds may take before anything is drawn."""


@contextmanager
def looking() -> Iterator[None]:
    """A spinner over a look that takes longer than a moment, gone afterwards; on a terminal alone.

    A look at clouds that answer is over before it shows; one that does not answer is asked again for some ten seconds.
    """
    drawn: list[Status] = []

    def draw() -> None:
        from rich.console import Console

        drawn.append(Console(stderr=True).status(LOOKING))
        drawn[0].start()

    timer = threading.Timer(MOMENT, draw)
    if terminal():
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if timer.ident is not None:
            timer.join()
        for status in drawn:
            status.stop()


@contextmanager
def told() -> Iterator[Listener]:
    """A listener for one run; what it drew is left standing when the run is over."""
    if not terminal():
        say(f"{0:6.1f} s  {LOOKING}")
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.fields[cloud]} {task.fields[unit]}"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bars(progress, progress.add_task(LOOKING, total=None, cloud="", unit="", detail=""))


class Lines:
    """A line where a step has ended or is tried again; in between one every `QUIET` seconds, so that nobody wonders."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, Note] = {}
        self._last = 0.0

    def __call__(self, note: Note) -> None:
        """Say what the note says, or what is waited for."""
        with self._lock:
            if note.kind == "ended":
                self._waiting.pop(note.step, None)
            else:
                self._waiting[note.step] = note
            if note.kind in ("ended", "retry"):
                again = "again in a moment: " if note.kind == "retry" else ""
                self._say(note, f"{note.cloud} {note.unit}: {note.verb}: {again}{note.detail}")
            elif note.elapsed - self._last >= QUIET:
                first, *more = self._waiting.values()
                self._say(note, f"waiting for {_far(first)}{f' and {len(more)} more' if more else ''}")

    def _say(self, note: Note, text: str) -> None:
        self._last = note.elapsed
        say(f"{note.elapsed:6.1f} s  {text}")


def _far(note: Note) -> str:
    counts = f" {note.done}/{note.wanted}" if note.wanted else ""
    return f"{note.unit} {note.verb}{counts}"


class Bars:
    """One bar per step. May be called from several threads."""

    def __init__(self, progress: Progress, looking: TaskID) -> None:
        self._progress, self._looking = progress, looking
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __call__(self, note: Note) -> None:
        """Draw what the note says."""
        with self._lock:
            self._progress.update(self._looking, visible=False)
            if note.step not in self._tasks:
                self._tasks[note.step] = self._progress.add_task(
                    note.verb, total=note.wanted or 1, cloud=note.cloud, unit=note.unit, detail=""
                )
            task = self._tasks[note.step]
        if note.kind == "progress":
            self._progress.update(task, completed=note.done, total=note.wanted or 1, detail=note.detail)
        elif note.kind == "ended":
            self._end(task, note.detail)
        else:
            self._progress.update(task, detail=note.detail)

    def _end(self, task: TaskID, detail: str) -> None:
        self._progress.update(task, detail=detail)
        if detail == "done":
            self._progress.update(task, completed=self._progress.tasks[task].total)
        self._progress.stop_task(task)
