"""A look at the clouds that takes long: told on a terminal, and nowhere else."""

from __future__ import annotations

import io
import sys
import time

import pytest

from cloudsentry.osc import progress


class Terminal(io.StringIO):
    """A stderr that people look at."""

    def isatty(self) -> bool:
        return True


def looked_at(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """In a test's body: pytest gives stderr back between a fixture and its test."""
    monkeypatch.setenv("TERM", "xterm")
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    return made


def drawn(terminal: Terminal, then: str = "") -> None:
    """Wait until something is; fail with ``then``."""
    end = time.monotonic() + 20
    while progress.LOOKING not in terminal.getvalue():
        assert time.monotonic() < end, "nothing was drawn"
        time.sleep(0.01)
    assert not then, then


def test_a_long_look_is_told_on_a_terminal_and_leaves_nothing_there(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = looked_at(monkeypatch)
    monkeypatch.setattr(progress, "MOMENT", 0.0)
    with progress.looking():
        drawn(terminal)
    assert "\x1b[2K" in terminal.getvalue().rpartition(progress.LOOKING)[2], "the line is taken away"


def test_a_short_look_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = looked_at(monkeypatch)
    with progress.looking():
        pass
    assert terminal.getvalue() == ""


def test_a_look_that_fails_ends_its_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = looked_at(monkeypatch)
    monkeypatch.setattr(progress, "MOMENT", 0.0)
    with pytest.raises(AssertionError, match="was drawn in vain"), progress.looking():
        drawn(terminal, then="was drawn in vain")
    seen = terminal.getvalue()
    time.sleep(0.3)
    assert terminal.getvalue() == seen, "nobody draws any more"


def test_elsewhere_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "MOMENT", 0.0)
    with progress.looking():
        time.sleep(0.3)
    assert capsys.readouterr() == ("", "")
