"""The collection's modules run in this process, on a hall whose clouds are in memory."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_tasks import CLOUD, PLUGINS, Tasks

from cloudsentry.conf import ExecutorSettings, JournalSettings, OwnershipSettings, Settings
from cloudsentry.drivers.balancer.fake import FakeBalancers
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.sentry import Sentry
from cloudsentry.testing.clock import JumpClock

sys.path.append(str(Path(__file__).parents[3] / "playbooks" / "collections"))

Opened = Callable[[Any], Sentry]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Another process's hall, as far as the journal and the locks are concerned."""
    FakeCloud.forget()
    FakeBalancers.forget()
    settings = Settings(
        state=tmp_path,
        journal=JournalSettings(connection=f"sqlite:///{tmp_path / 'journal.sqlite'}"),
        ownership=OwnershipSettings(backend_url=f"file://{tmp_path / 'locks'}", lease=30),
        executor=ExecutorSettings(settle=0.0),
    )
    return lambda config_file: Sentry(settings, clock=JumpClock())


@pytest.fixture
def border(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The collection's module_utils/sentry, opening that hall."""
    found = importlib.import_module(f"{PLUGINS}.module_utils.sentry")
    monkeypatch.setattr(found, "opened", opened)
    return found


@pytest.fixture
def task(border: Any, capsys: pytest.CaptureFixture[str]) -> Tasks:
    return Tasks(capsys)


@pytest.fixture
def summer() -> dict[str, Any]:
    """An event of four servers behind one balancer, as plain data."""
    pins = [{"hypervisor": "xeon1", "count": 2, "weight": 10}, {"hypervisor": "opteron1", "count": 2, "weight": 2}]
    pool = {"driver": "fake", "site": "nara", "image": "tiny", "flavor": "nano", "networks": ["front"], "pins": pins}
    balancer = {"site": "nara", "driver": "fake", "network": "front", "members": [{"pool": "web"}]}
    return {
        "event": "summer",
        "sites": {"nara": {"cloud": CLOUD}},
        "pools": {"web": pool},
        "balancers": {"front": balancer},
    }
