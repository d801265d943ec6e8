"""What the machine's suite has too old comes from its own mirror's backports."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloudsentry.errors import UserError
from cloudsentry.lab import backports, packages

INDEX = """https://mirror.test/debian/ bookworm-updates main Debian
https://tools.test/ stable main Tools
https://mirror.test/debian/ bookworm main Debian
"""


def _machine(monkeypatch: pytest.MonkeyPatch, *, installed: str = "", candidate: str = "", index: str = INDEX) -> None:
    def asked(command: list[str]) -> str:
        answers = {"dpkg-query": installed, "apt-cache": f"p:\n  Candidate: {candidate}\n", "apt-get": index}
        return answers[command[0]]

    monkeypatch.setattr(backports, "_asked", asked)


def test_the_source_is_the_mirror_that_the_machine_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(monkeypatch)
    suite, text = backports.source()
    assert suite == "bookworm-backports"
    assert text.startswith(
        "Types: deb\nURIs: https://mirror.test/debian/\nSuites: bookworm-backports\nComponents: main\n"
    )


def test_a_machine_without_debian_s_archive_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(monkeypatch, index="https://tools.test/ stable main Tools\n")
    with pytest.raises(UserError, match="qemu-system-x86 1:10"):
        backports.source()


@pytest.mark.parametrize(
    ("installed", "outdated"), [("1:7.2+dfsg-7", True), ("1:10.0.2+ds-2~bpo12+1", False), ("", True)]
)
def test_an_old_qemu_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, installed: str, outdated: bool) -> None:
    _machine(monkeypatch, installed=installed)
    assert backports.outdated("qemu-system-x86") is outdated
    assert not backports.outdated("libvirt-daemon")


def test_backports_are_added_only_where_the_suite_is_too_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[str] = []
    monkeypatch.setattr(packages, "logged", lambda command, log, env: ran.append(" ".join(command)))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(packages.shutil, "which", lambda program, path="": f"/usr/bin/{program}")
    monkeypatch.setattr(backports, "SOURCES", tmp_path / "backports.sources")
    wanted = packages.GROUPS["migration"]
    _machine(monkeypatch, candidate="1:10.1")
    packages.install_debian(tmp_path / "apt.log", wanted)
    assert not any("backports" in line for line in ran)
    ran.clear()
    _machine(monkeypatch, candidate="1:7.2")
    packages.install_debian(tmp_path / "apt.log", wanted)
    assert any("-t bookworm-backports qemu-system-x86 qemu-utils" in line for line in ran)
    assert "bookworm-backports" in backports.SOURCES.read_text(encoding="ascii")
