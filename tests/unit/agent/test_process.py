"""The agent as a service manager has it: a process that SIGTERM ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from scale.stage import EVENT

PROGRAM = str(Path(sys.executable).with_name("cloudsentry"))


def test_sigterm_ends_it_cleanly_after_it_has_kept_the_event(tmp_path: Path) -> None:
    env = {**os.environ, "CLOUDSENTRY_STATE_DIR": str(tmp_path / "state"), "CLOUDSENTRY_FAKE_DIR": str(tmp_path)}
    file = tmp_path / "summer.yaml"
    file.write_text(EVENT)
    subprocess.run([PROGRAM, "event", "apply", str(file)], env=env, check=True, capture_output=True)
    agent = subprocess.Popen([PROGRAM, "agent", "--every", "3600"], env=env, stderr=subprocess.PIPE, text=True)
    assert agent.stderr is not None
    assert "a pass every 3600 s" in agent.stderr.readline()
    agent.send_signal(signal.SIGTERM)
    _, told = agent.communicate(timeout=60)
    assert agent.returncode == 0
    assert told == "agent: stopped\n"
