"""A module of the collection as a task, without Ansible around it."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args  # while sockets are free: Ansible tries one when loaded

from cloudsentry.drivers.pool.fake import FakeCloud

PLUGINS = "ansible_collections.cloudsentry.burst.plugins"
CLOUD = "ansible-test"


@dataclass
class Answer:
    """What a task returned, and whether it failed."""

    failed: bool
    body: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.body[key]


@dataclass
class Tasks:
    """Runs a module as Ansible does: arguments as JSON in, one JSON document out."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, module: str, *, check: bool = False, diff: bool = False, **arguments: Any) -> Answer:
        found = importlib.import_module(f"{PLUGINS}.modules.{module}")
        given = {**arguments, "_ansible_check_mode": check, "_ansible_diff": diff}
        self.capsys.readouterr()
        with patch_module_args(given), pytest.raises(SystemExit) as end:
            found.main()
        out, err = self.capsys.readouterr()
        assert "Traceback" not in out + err
        body = json.loads(out)
        assert bool(body.get("failed")) == bool(end.value.code)
        return Answer(failed=bool(body.get("failed")), body=body)


def made() -> int:
    """Servers that stand on the cloud."""
    return sum(len(servers) for servers in FakeCloud.named(CLOUD).state.servers.values())
