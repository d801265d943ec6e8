"""The lab's commands: what they print for people and for eval."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cloudsentry.errors import UserError
from cloudsentry.lab import commands, layout, lifecycle, services
from cloudsentry.lab.lifecycle import Outcome
from cloudsentry.lab.progress import PlainProgress


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    monkeypatch.setenv("CLOUDSENTRY_LAB_DIR", str(tmp_path / "my lab"))
    return SimpleNamespace(stdout=io.StringIO(), stderr=io.StringIO())


def test_env_survives_the_shell(app: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "my lab"
    folder.mkdir()
    (folder / "clouds.yaml").touch()
    commands.LabEnv(app, None).take_action(Namespace())
    words = [shlex.split(line) for line in app.stdout.getvalue().splitlines()]
    assert ["export", f"OS_CLIENT_CONFIG_FILE={folder}/clouds.yaml"] in words


def test_env_without_a_lab_says_how_to_get_one(app: SimpleNamespace) -> None:
    with pytest.raises(UserError, match="lab up"):
        commands.LabEnv(app, None).take_action(Namespace())
    assert app.stdout.getvalue() == ""


@pytest.mark.parametrize(("uid", "said"), [(0, False), (1000, True)])
def test_up_tells_time_kind_of_start_and_what_is_missing(
    app: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, uid: int, said: bool
) -> None:
    monkeypatch.setattr(commands.os, "geteuid", lambda: uid)
    monkeypatch.setattr(lifecycle, "up", lambda *_, **__: Outcome(seconds=12.34, cold=False, memory_mb=2100))
    commands.LabUp(app, None).take_action(Namespace(fresh=False))
    told = app.stderr.getvalue()
    assert "ready in 12.3 s (warm start), 2100 MB" in told
    assert (commands.CONTROL_PLANE_ONLY in told) is said


def test_status_lists_the_services_columns(app: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    row = services.Status(cloud="private", service="nova-api", state="up", pid=7, memory_mb=50, endpoint="http://x")
    monkeypatch.setattr(services, "status", lambda lab: (row,))
    columns, rows = commands.LabStatus(app, None).take_action(Namespace())
    assert dict(zip(columns, next(iter(rows)), strict=True)) == {
        "Cloud": "private",
        "Service": "nova-api",
        "State": "up",
        "PID": 7,
        "Memory": 50,
        "Endpoint": "http://x",
    }


def test_an_unknown_service_is_refused_before_anything_is_touched(app: SimpleNamespace) -> None:
    with pytest.raises(UserError, match="no service"):
        commands.LabService(app, None).take_action(Namespace(action="kill", cloud="public", service="nova-nova"))
    assert not layout.layout().root.exists()


def test_plain_progress_is_one_line_per_stage() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.begin("schemas")
    progress.end("schemas", 19.97)
    assert stream.getvalue() == "  20.0 s  schemas\n"


def test_the_commands_module_alone_imports_no_sdk() -> None:
    heavy = "any(name in sys.modules for name in ('openstack', 'keystoneauth1'))"
    code = f"import sys, cloudsentry.lab.commands; sys.exit({heavy})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
