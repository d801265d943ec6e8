"""What is ours and what is not: identity by pid and start time, and by the lab's mark."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudsentry.lab import processes
from cloudsentry.lab.processes import Process

SLEEP = "import signal; signal.pause()"
STUBBORN = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", SLEEP]) as started:
        yield started
        started.kill()


def _look(pid: int) -> Process:
    found = processes.look(pid)
    assert found is not None
    return found


def test_a_remembered_process_is_known_again(child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    processes.remember(tmp_path / "x.pid", _look(child.pid))
    assert processes.known(tmp_path / "x.pid", "signal.pause") == _look(child.pid)


def test_a_recycled_pid_is_nobodys(child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    (tmp_path / "x.pid").write_text(f"{child.pid} 1", encoding="ascii")
    assert processes.known(tmp_path / "x.pid", "signal.pause") is None


def test_another_command_under_the_pid_is_not_ours(child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    processes.remember(tmp_path / "x.pid", _look(child.pid))
    assert processes.known(tmp_path / "x.pid", "inside/launch.py") is None


@pytest.mark.parametrize("content", ["", "12", "a b", "0 0"])
def test_a_broken_pid_file_names_nobody(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.pid").write_text(content, encoding="ascii")
    assert processes.known(tmp_path / "x.pid", "") is None


def test_a_zombie_does_not_live(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", SLEEP])
    found = _look(child.pid)
    processes.end([found], grace_s=5)
    assert Path(f"/proc/{child.pid}").exists()  # nobody has waited for it
    assert not found.alive
    child.wait()


def test_a_signal_does_not_reach_the_next_owner_of_a_pid(child: subprocess.Popen[bytes]) -> None:
    Process(pid=child.pid, start=1).send(signal.SIGKILL)
    processes.end([Process(pid=child.pid, start=1)], grace_s=0)
    assert _look(child.pid).alive


def test_who_ignores_sigterm_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        processes.end([_look(child.pid)], grace_s=0.2)
        assert child.wait() == -signal.SIGKILL


def test_the_mark_finds_children_of_this_lab_only(tmp_path: Path) -> None:
    env = os.environ | processes.environment(tmp_path / "a")
    with subprocess.Popen(
        [sys.executable, "-c", f"print(flush=True); {SLEEP}"], env=env, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert [found.pid for found in processes.marked(tmp_path / "a")] == [child.pid]
        assert processes.marked(tmp_path / "b") == ()
        assert processes.marked(tmp_path / "a", "CLOUDSENTRY_LAB_PART=mariadb") == ()
        child.kill()
