"""Two sites with real hypervisors and real guests, and the program as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.migration.sites import Link, Sites
from cloudsentry.clouds import hypervisors


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Both of them, over a path of 40 ms."""
    made = Sites(tmp_path_factory.mktemp("sites"))
    made.up(Link(rtt_ms=40))
    os.environ[hypervisors.VARIABLE] = str(made.config)
    try:
        yield made
    finally:
        made.clear()
        del os.environ[hypervisors.VARIABLE]


@dataclass
class Door:
    """`cloudsentry` with a state folder of its own."""

    state: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "CLOUDSENTRY_STATE_DIR": str(self.state), "OS_EXECUTOR__SETTLE": "1"}

    def argv(self, *words: str) -> list[str]:
        return [str(Path(sys.executable).with_name("cloudsentry")), *words]

    def run(self, *words: str, code: int = 0) -> str:
        """What it writes; it must end with that code."""
        done = subprocess.run(
            self.argv(*words), capture_output=True, text=True, check=False, env=self.environment, timeout=600
        )
        assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout

    def json(self, *words: str, code: int = 0) -> Any:
        """Its answer as data."""
        return json.loads(self.run(*words, "-f", "json", code=code))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Left running."""
        return subprocess.Popen(
            self.argv(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=self.environment
        )


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path / "state")


@pytest.fixture
def event(tmp_path: Path) -> Path:
    """One guest at home."""
    body = {
        "event": "cup",
        "sites": {"home": {"cloud": "home"}},
        "pools": {
            "front": {
                "site": "home",
                "driver": "libvirt",
                "image": "tiny",
                "flavor": "m1.128",
                "networks": ["front"],
                "pins": [{"hypervisor": "xeon1", "count": 1}],
            }
        },
    }
    path = tmp_path / "cup.yaml"
    path.write_text(yaml.safe_dump(body), encoding="utf-8")
    return path
