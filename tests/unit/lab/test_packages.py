"""What must be installed: who installs it, what is told otherwise, and when pip runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from cloudsentry.errors import SentryError, UserError
from cloudsentry.lab import packages
from cloudsentry.lab.layout import PRIVATE, PUBLIC, Layout


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been run."""
    ran: list[str] = []
    monkeypatch.setattr(packages, "logged", lambda command, log, env: ran.append(" ".join(command)))
    return ran


@pytest.fixture
def lab(tmp_path: Path) -> Layout:
    return Layout(root=tmp_path, clouds=(PRIVATE, PUBLIC))


def _as(monkeypatch: pytest.MonkeyPatch, uid: int, *absent: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(packages, "_present", lambda program: program not in absent)
    monkeypatch.setattr(packages.shutil, "which", lambda program: f"/usr/bin/{program}")


def test_nothing_is_done_where_all_is_installed(
    monkeypatch: pytest.MonkeyPatch, commands: list[str], tmp_path: Path
) -> None:
    _as(monkeypatch, 0)
    packages.install_debian(tmp_path / "apt.log", packages.needed())
    assert commands == []


def test_root_installs_exactly_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, commands: list[str], tmp_path: Path
) -> None:
    _as(monkeypatch, 0, "mariadbd", "haproxy")
    packages.install_debian(tmp_path / "apt.log", packages.needed())
    assert commands[0].startswith("apt-get update")
    assert "--no-install-recommends mariadb-server haproxy " in commands[1]


def test_others_are_told_the_command_that_starts_no_daemon(
    monkeypatch: pytest.MonkeyPatch, commands: list[str], tmp_path: Path
) -> None:
    _as(monkeypatch, 1000, "mariadbd", "rabbitmq-server")
    with pytest.raises(UserError, match=r"RUNLEVEL=1 .*apt-get install .*mariadb-server rabbitmq-server$"):
        packages.install_debian(tmp_path / "apt.log", packages.needed())
    assert commands == []


def test_who_is_not_root_needs_no_data_plane(
    monkeypatch: pytest.MonkeyPatch, commands: list[str], tmp_path: Path
) -> None:
    _as(monkeypatch, 1000, "haproxy", "wrk", "busybox", "gcc")
    packages.install_debian(tmp_path / "apt.log", packages.needed())
    assert packages.missing(packages.needed()) == ()


def test_a_new_environment_is_made_then_filled(lab: Layout, commands: list[str]) -> None:
    lab.venv.mkdir()
    packages.install_environment(lab)
    assert "-m venv --clear" in commands[0]
    assert commands[1].endswith(f"-r {packages.REQUIREMENTS}")
    assert packages.environment_is_current(lab)


def test_pip_runs_again_only_when_the_pins_change(
    lab: Layout, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.venv.mkdir()
    packages.install_environment(lab)
    commands.clear()
    packages.install_environment(lab)
    assert commands == []
    monkeypatch.setattr(packages, "_works", lambda command, env: True)
    monkeypatch.setattr(packages, "fingerprint", lambda: "other pins")
    packages.install_environment(lab)
    assert len(commands) == 1
    assert " install " in commands[0]


def test_an_interrupted_pip_leaves_no_current_environment(lab: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.venv.mkdir()

    def fails(command: list[str], log: Path, env: Mapping[str, str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(packages, "logged", fails)
    with pytest.raises(KeyboardInterrupt):
        packages.install_environment(lab)
    assert not packages.environment_is_current(lab)


def test_every_requirement_is_pinned_once() -> None:
    lines = packages.REQUIREMENTS.read_text(encoding="utf-8").split()
    assert all(line.count("==") == 1 for line in lines)
    names = [line.split("==")[0].lower().replace("_", "-") for line in lines]
    assert len(set(names)) == len(names)
    assert {"nova", "neutron", "keystone", "glance", "octavia", "openstack-placement"} <= set(names)


def test_a_failed_command_is_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log" / "x.log"
    with pytest.raises(SentryError, match="no space left"):
        packages.logged(["sh", "-c", "echo first; echo no space left; echo; exit 3"], log, os.environ)


def test_a_missing_program_is_the_users_to_install(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not installed"):
        packages.logged(["no-such-program"], tmp_path / "x.log", {"PATH": str(tmp_path)})
