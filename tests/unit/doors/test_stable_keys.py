"""What `-f json` answers has the keys that scripts were written against: none is renamed and none is lost.

`CLOUDSENTRY_WRITE_KEYS=1` writes what is there now; whoever does that has read the difference.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudsentry.conf import ExecutorSettings, JournalSettings, OwnershipSettings, Settings
from cloudsentry.drivers.balancer.fake import FakeBalancers
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.osc import shell
from cloudsentry.sentry import Sentry
from cloudsentry.testing import JumpClock

KEYS = Path(__file__).with_name("keys.json")
NAME = "summer"
EVENT: dict[str, Any] = {
    "event": NAME,
    "sites": {"nara": {"cloud": "keys-nara"}, "osaka": {"cloud": "keys-osaka"}},
    "calendar": {
        "from": "2010-08-07",
        "until": "2010-08-21",
        "timezone": "Asia/Tokyo",
        "matches": [{"match": "final", "start": "2010-08-21 13:00", "length": "2h", "crowd": 100}],
    },
    "pools": {
        "web": {
            "driver": "fake",
            "site": "nara",
            "image": "tiny",
            "flavor": "nano",
            "networks": ["front"],
            "pins": [{"hypervisor": "xeon1", "count": 2, "weight": 10}],
        }
    },
    "balancers": {"door": {"driver": "fake", "site": "nara", "network": "front", "members": [{"pool": "web"}]}},
    "stretches": {"link": {"driver": "fake", "between": ["nara", "osaka"]}},
    "scaling": {"web": {"policy": "calendar", "least": 1, "most": 4, "per_server": 100}},
}

COMMANDS = (
    "event validate FILE",
    "event check FILE",
    "event plan FILE",
    "event apply FILE",
    "event status summer",
    "event status summer --drift",
    "event list",
    "event show summer",
    "event audit",
    "event tick summer --dry-run",
    "event tick summer",
    "explain summer",
    "pool list summer",
    "pool set summer web=3 --dry-run",
    "pool set summer web=3",
    "weights show summer",
    "weights set summer door web@xeon1=7",
    "stretch list summer",
    "stretch show summer link",
    "stretch check summer",
    "migrate plan summer web --to keys-osaka --mover fake",
    "migrate list",
    "run list",
    "run show 1",
    "event rollback summer",
    "event destroy summer --yes",
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The event's file; every command's hall stands on one journal and on clouds in memory."""
    FakeCloud.forget()
    FakeBalancers.forget()
    settings = Settings(
        state=tmp_path,
        journal=JournalSettings(connection=f"sqlite:///{tmp_path / 'journal.sqlite'}"),
        ownership=OwnershipSettings(backend_url=f"file://{tmp_path / 'locks'}", lease=30),
        executor=ExecutorSettings(settle=0.0),
    )
    monkeypatch.setattr(shell, "open_hall", lambda config_file: Sentry(settings, clock=JumpClock()))
    path = tmp_path / "summer.yaml"
    path.write_text(yaml.safe_dump(EVENT, sort_keys=False))
    yield str(path)
    FakeCloud.forget()
    FakeBalancers.forget()


def keys(answer: Any) -> list[str]:
    """The keys of a dictionary, or of every row of a list."""
    rows = answer if isinstance(answer, list) else [answer]
    return sorted({key for row in rows for key in row})


def test_no_key_of_any_answer_is_renamed_or_lost(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    known: dict[str, list[str]] = json.loads(KEYS.read_text(encoding="utf-8")) if KEYS.exists() else {}
    found: dict[str, list[str]] = {}
    for command in COMMANDS:
        capsys.readouterr()
        code = shell.main([*command.replace("FILE", file).split(), "-f", "json"])
        out, err = capsys.readouterr()
        assert code in (0, 1), f"{command}: {err}"
        assert "Traceback" not in err
        answer = json.loads(out)
        if answer == []:  # no row: the columns still have their names
            shell.main([*command.replace("FILE", file).split(), "-f", "csv"])
            answer = [dict.fromkeys(next(csv.reader(capsys.readouterr().out.splitlines())))]
        found[command] = keys(answer)
    if os.environ.get("CLOUDSENTRY_WRITE_KEYS"):
        KEYS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        return
    assert found.keys() == known.keys()
    for command, names in known.items():
        assert set(names) <= set(found[command]), f"{command}: {set(names) - set(found[command])} is gone"
