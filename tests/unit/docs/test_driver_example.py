"""The driver that the documentation shows is a driver, is short, and passes its own tests."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "ticketshop"


@pytest.mark.enable_socket  # its tests are a process of their own
def test_its_own_tests_pass() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(EXAMPLE), str(EXAMPLE)],
        env={"PYTHONPATH": f"{EXAMPLE}:{ROOT}", "PATH": "/usr/bin:/bin"},
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("....."), "all five ran"


def test_it_takes_less_than_a_hundred_lines_and_one_entry_point() -> None:
    config = ConfigParser()
    config.read(EXAMPLE / "setup.cfg")
    assert config["options.entry_points"]["cloudsentry.signal"].strip() == "ticketshop = ticketshop:TicketShopSignal"
    lines = [line for name in ("ticketshop.py", "setup.cfg") for line in (EXAMPLE / name).read_text().splitlines()]
    assert len(lines) < 100
