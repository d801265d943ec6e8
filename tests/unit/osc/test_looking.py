"""A look at the clouds that takes long: told on a terminal, and nowhere else."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from cloudsentry.osc import progress


class Terminal(io.StringIO):
    """A stderr that people look at; ``told`` once they are told of the look."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        written = super().write(text)
        if progress.LOOKING in text:
            self.told.set()
        return written


def looked_at(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """In a test's body: pytest gives stderr back between a fixture and its test."""
    monkeypatch.setenv("TERM", "xterm")
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    return made


def test_a_long_look_is_told_on_a_terminal_and_leaves_nothing_there(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = looked_at(monkeypatch)
    monkeypatch.setattr(progress, "MOMENT", 0.0)
    with progress.looking():
        assert terminal.told.wait(20), "nothing was drawn"
    assert "\x1b[2K" in terminal.getvalue().rpartition(progress.LOOKING)[2], "the line is taken away"


def test_a_short_look_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = looked_at(monkeypatch)
    with progress.looking():
        pass
    assert terminal.getvalue() == ""


def test_a_look_that_fails_ends_its_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = looked_at(monkeypatch)
    monkeypatch.setattr(progress, "MOMENT", 0.0)
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="no route"), progress.looking():
        fail(terminal)
    for drawing in set(threading.enumerate()) - before:
        drawing.join(20)
        assert not drawing.is_alive(), "nobody draws any more"
    assert "\x1b[2K" in terminal.getvalue().rpartition(progress.LOOKING)[2], "the line is taken away"


def fail(terminal: Terminal) -> None:
    assert terminal.told.wait(20), "nothing was drawn"
    raise OSError("no route")


def test_elsewhere_nobody_waits_to_draw(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "MOMENT", 60.0)
    before = threading.active_count()
    with progress.looking():
        assert threading.active_count() == before
    assert capsys.readouterr() == ("", "")
