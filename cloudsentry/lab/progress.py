"""How people see the lab come up: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console
from rich.status import Status


class PlainProgress:
    """One line per finished stage that took time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, name: str) -> None:
        """Nothing to show yet."""

    def end(self, name: str, seconds: float) -> None:
        print(f"{seconds:6.1f} s  {name}", file=self._stream, flush=True)


class RichProgress:
    """A spinner with the stage at work, and a line per finished one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None

    def begin(self, name: str) -> None:
        self._status = self._console.status(name)
        self._status.start()

    def end(self, name: str, seconds: float) -> None:
        if self._status:
            self._status.stop()
        self._console.print(f"[dim]{seconds:6.1f} s[/dim]  {name}", highlight=False)


def progress(stream: TextIO | None = None) -> PlainProgress | RichProgress:
    """What fits the stream (default: standard error)."""
    stream = stream or sys.stderr
    return RichProgress(Console(file=stream)) if stream.isatty() else PlainProgress(stream)
