"""Fresh fake clouds and a journal of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudsentry.drivers.balancer.fake.cloud import FakeBalancers
from cloudsentry.drivers.pool.fake.cloud import FakeCloud
from cloudsentry.drivers.stretch.fake.cloud import FakeStretches
from cloudsentry.sentry import Sentry

from .house import clouds, hall


@pytest.fixture(autouse=True)
def _worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CLOUDSENTRY_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("CLOUDSENTRY_FAKE_DIR", raising=False)
    clouds()
    FakeStretches.forget()
    yield
    FakeCloud.forget()
    FakeBalancers.forget()
    FakeStretches.forget()


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    made = hall()
    yield made
    made.close()
