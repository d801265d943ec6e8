"""MariaDB and RabbitMQ: never somebody else's, and no start on top of a half-done stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudsentry.errors import SentryError, UserError
from cloudsentry.lab import configs, daemons, processes, waiting
from cloudsentry.lab.layout import PRIVATE, PUBLIC, Layout
from cloudsentry.lab.processes import Process

ONE = Process(pid=4711, start=99)


@pytest.fixture
def lab(tmp_path: Path) -> Layout:
    lab = Layout(root=configs.folder(tmp_path / "lab"), clouds=(PRIVATE, PUBLIC))
    configs.infra_files(lab, configs.passwords(lab))
    return lab


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that would have been started; nothing of the lab runs."""
    commands: list[list[str]] = []
    monkeypatch.setattr(daemons, "_spawn", lambda lab, daemon, command, env: commands.append(command))
    monkeypatch.setattr(processes, "marked", lambda root, *more: ())
    return commands


def test_a_port_of_somebody_else_is_told_before_anything_starts(
    lab: Layout, spawned: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "listening", lambda port: port == 15910)
    with pytest.raises(UserError, match="port 15910 of"):
        daemons.claim(lab)


def test_the_labs_own_ports_are_no_obstacle(lab: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "marked", lambda root, *more: (ONE,))
    monkeypatch.setattr(waiting, "listening", lambda port: True)
    daemons.claim(lab)


def test_a_running_daemon_is_not_started_again(
    lab: Layout, spawned: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "marked", lambda root, *more: (ONE,))
    daemons.start(lab, daemons.BUS)
    assert spawned == []


def test_a_database_with_data_is_started_on_it(lab: Layout, spawned: list[list[str]]) -> None:
    (lab.infra / "mysql").mkdir()
    daemons.start(lab, daemons.DATABASE)
    assert spawned == [["mariadbd", f"--defaults-file={lab.infra}/my.cnf"]]


def test_a_stop_that_was_interrupted_is_finished_before_the_start(
    lab: Layout, spawned: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    living = [ONE]
    monkeypatch.setattr(processes, "marked", lambda root, *more: tuple(living))

    def killed(doomed: tuple[Process, ...], *, grace_s: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(processes, "end", killed)
        with pytest.raises(KeyboardInterrupt):
            daemons.stop(lab)
    monkeypatch.setattr(processes, "end", lambda doomed, *, grace_s: living.clear())
    daemons.start(lab, daemons.BUS)
    assert len(spawned) == 1
    living.append(ONE)
    daemons.start(lab, daemons.BUS)
    assert len(spawned) == 1


def test_the_bus_starts_empty(lab: Layout, spawned: list[list[str]]) -> None:
    old = configs.folder(lab.infra / "rabbit" / "mnesia") / "queue"
    old.touch()
    daemons.start(lab, daemons.BUS)
    assert not old.exists()


def test_a_daemon_that_died_is_not_waited_for(
    lab: Layout, spawned: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "listening", lambda port: False)
    with pytest.raises(SentryError, match="rabbitmq ended while starting"):
        daemons.wait(lab, daemons.BUS)


def test_no_password_is_on_a_command_line(lab: Layout, spawned: list[list[str]]) -> None:
    (lab.infra / "mysql").mkdir()
    for daemon in daemons.PORTS:
        daemons.start(lab, daemon)
    known = configs.passwords(lab)
    line = str(spawned)
    assert known.db_password not in line
    assert known.bus_password not in line


def test_a_wait_says_what_did_not_come() -> None:
    with pytest.raises(waiting.LabTimeout, match="the moon: not within 0 s"):
        waiting.until(lambda: False, "the moon", deadline_s=0, every_s=0)


def test_a_wait_ends_with_its_probes_error() -> None:
    def probe() -> bool:
        raise SentryError("it died")

    with pytest.raises(SentryError, match="it died"):
        waiting.until(probe, "anything", deadline_s=60)
