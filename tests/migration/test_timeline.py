"""What the experiment makes of what it hears: the pieces of a gap, and when a migration is proved never to end."""

from __future__ import annotations

from typing import Any

from benchmarks.migration.measure import STALLED
from benchmarks.migration.table import pieces
from benchmarks.migration.timeline import Event, _of_network, _of_qemu, times
from cloudsentry.drivers.mover.libvirt.watching import Job, rounds

LINE = '2026-11-23 17:02:04.250000+0000: event MIGRATION for domain \'guest.1d9655aa\': {"status":"completed"}'


def _heard(*told: tuple[float, str, str, str]) -> tuple[Event, ...]:
    return tuple(Event(at=at, where=where, name=name, detail=detail) for at, where, name, detail in told)


def test_the_gap_falls_into_its_pieces_and_an_attempt_that_was_given_up_counts_for_nothing() -> None:
    found = times(
        _heard(
            (1.0, "home", "MIGRATION", "setup"),
            (1.1, "home", "MIGRATION", "active"),
            (1.1, "home", "MIGRATION_PASS", "1"),
            (9.0, "home", "MIGRATION", "cancelled"),
            (10.0, "home", "MIGRATION", "setup"),
            (10.5, "home", "MIGRATION", "active"),
            (10.5, "home", "MIGRATION_PASS", "1"),
            (12.5, "home", "MIGRATION_PASS", "2"),
            (13.0, "home", "STOP", ""),
            (13.3, "away", "MIGRATION", "completed"),
            (13.32, "home", "MIGRATION", "completed"),
            (13.4, "away", "RESUME", ""),
            (13.42, "client", "announced", ""),
        ),
        13.5,
        (0.5, 0.04),
    )
    assert (found.first, found.memory) == (2.0, 2.82)
    assert (found.paused, found.handed, found.announced, found.answered) == (0.3, 0.1, 0.02, 0.08)


def test_after_post_copy_the_pause_ends_when_the_target_runs() -> None:
    found = times(
        _heard(
            (1.0, "home", "MIGRATION", "active"),
            (3.0, "home", "STOP", ""),
            (3.01, "home", "MIGRATION", "postcopy-active"),
            (3.07, "away", "RESUME", ""),
            (5.0, "away", "MIGRATION", "completed"),
            (5.1, "home", "MIGRATION", "completed"),
        ),
        3.6,
        (0.5, 0.04),
    )
    assert (found.paused, found.handed, found.announced, found.memory) == (0.07, 0.0, None, 4.1)


def test_lines_of_virsh_and_tcpdump_are_understood_and_others_left() -> None:
    event = _of_qemu(LINE, "home")
    assert event is not None
    assert (event.name, event.detail, event.at % 60) == ("MIGRATION", "completed", 4.25)
    assert _of_qemu("events received: 3", "home") is None
    heard = _of_network("1795453324.733717 ARP, Reverse Request who-is 52:54:0a:62:00:0a tell 52:54:0a:62:00:0a")
    assert heard is not None
    assert (heard.where, heard.at) == ("client", 1795453324.733717)
    assert _of_network("\n") is None


def test_only_rounds_in_a_row_that_gain_nothing_prove_that_a_migration_never_ends() -> None:
    def after(*left: int) -> dict[str, Any]:
        seen: dict[str, Any] = {"round": 0, "least": 0, "stalled": 0}
        for number, each in enumerate(left, 1):
            seen |= rounds(seen, Job(round=number, left=each))
            seen |= rounds(seen, Job(round=number, left=each // 2))
        return seen

    assert after(200, 100, 50, 25, 12)["stalled"] == 0
    assert after(*[200] * (STALLED + 1))["stalled"] == STALLED
    assert after(*[200] * STALLED, 100)["stalled"] == 0


def test_the_middle_of_each_path_and_way_is_shown() -> None:
    def one(paused: float) -> dict[str, Any]:
        seen = {"paused": paused, "handed": 0.05, "announced": None, "answered": 0.1, "memory": 3.0}
        parameters = {"postcopy": False}
        return {"total": 4.0, "rtt_ms": 40.0, "way": "defaults", "begun": 1, "times": seen, "parameters": parameters}

    assert pieces([one(0.2), one(0.3), one(0.7)]) == [("defaults, 40 ms", "3", "1000", "300", "50", "—", "100")]
