"""Steering from the user's door: an event on fake clouds that steers real fronts, a real PowerDNS and a real map."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.steering_rig import AWAY, FARM_ADDRESS, HOME, NAME, NARA_ADDRESS, ZONE, Rig

pytestmark = [pytest.mark.daemons, pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("steering"))
    try:
        made.begin()
        yield made
    finally:
        made.end()


def event(rig: Rig) -> dict[str, Any]:
    fronts = [{"host": "local", "file": str(file), "server": f"koshien{n}"} for n, file in enumerate(rig.files, 1)]
    return {
        "event": "cup",
        "sites": {"nara": {"cloud": "private"}},
        "pools": {
            "web": {
                "site": "nara",
                "driver": "fake",
                "image": "tiny",
                "flavor": "small",
                "networks": ["front"],
                "pins": [{"count": 2}],
            }
        },
        "balancers": {"front": {"site": "nara", "driver": "fake", "network": "front", "members": [{"pool": "web"}]}},
        "steering": {
            "images": {
                "driver": "reference",
                "home": "farm",
                "targets": {"farm": {"to": HOME}, "nara": {"to": AWAY, "share": 20}},
                "fronts": fronts,
                "socket": str(rig.socket),
                "backend": "farm",
            },
            "names": {
                "driver": "dns",
                "at": rig.api,
                "home": "farm",
                "targets": {"farm": {"to": FARM_ADDRESS}, "nara": {"balancer": "front", "share": 40}},
                "name": NAME,
                "zone": ZONE,
                "ttl": 1,
            },
            "networks": {
                "driver": "prefix",
                "home": "farm",
                "targets": {"farm": {"to": "stay"}, "nara": {"to": "cloud", "share": 30, "asns": [64503]}},
                "map": str(rig.map),
                "socket": str(rig.socket),
                "table": str(rig.table),
            },
        },
    }


class Shell:
    """The program, on a journal and fake clouds of its own."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.env = {
            **os.environ,
            "CLOUDSENTRY_FAKE_DIR": str(folder / "fake"),
            "CLOUDSENTRY_STATE_DIR": str(folder / "state"),
            "CLOUDSENTRY_BALANCER_DIR": str(folder / "hosts"),
            "CLOUDSENTRY_PDNS_KEY_FILE": str(rig.key),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

    def __call__(self, *words: str, code: int = 0) -> str:
        argv = [sys.executable, "-m", "cloudsentry.osc.shell", *words]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout + ("" if "-f" in words else done.stderr)

    def shares(self) -> dict[str, dict[str, tuple[float, str]]]:
        """Steering → target → (percent, state)."""
        found: dict[str, dict[str, tuple[float, str]]] = {}
        for row in json.loads(self("steer", "show", "cup", "-f", "json")):
            found.setdefault(row["Steering"], {})[row["Target"]] = (row["Share %"], row["State"])
        return found


def test_an_event_steers_its_clients_and_sends_them_home_again(rig: Rig, tmp_path: Path) -> None:
    file = tmp_path / "cup.yaml"
    file.write_text(yaml.safe_dump(event(rig)))
    shell = Shell(rig, tmp_path)
    before = ([path.read_bytes() for path in rig.files], rig.zone(), rig.map.read_bytes())
    shell("event", "validate", str(file))
    shell("event", "apply", str(file))
    shares = shell.shares()
    assert {name: one["nara"][0] for name, one in shares.items()} == {
        "images": pytest.approx(20, abs=1),
        "names": pytest.approx(40, abs=1),
        "networks": pytest.approx(30, abs=1),
    }
    assert {one["nara"][1] for one in shares.values()} == {"ACTIVE"}
    assert rig.references(300)["nara"] == pytest.approx(20, abs=2)
    assert rig.sent_to("127.2.3.4") == "nara"
    assert "nothing to do" in shell("event", "plan", str(file))

    plan = json.loads(shell("steer", "set", "cup", "images", "nara=62.5", "--dry-run", "-f", "json"))
    assert [(row["Action"], row["Unit"]) for row in plan] == [("change", "images")]
    assert rig.references(300)["nara"] == pytest.approx(20, abs=2)
    shell("steer", "set", "cup", "images", "nara=62.5")
    assert rig.references(300)["nara"] == pytest.approx(62.5, abs=2)
    assert "did you mean images" in shell("steer", "set", "cup", "image", "nara=1", code=2)
    assert "did you mean nara" in shell("steer", "set", "cup", "images", "nra=1", code=2)
    assert "no share" in shell("steer", "set", "cup", "images", "nara=many", code=2)
    assert "0 and 100" in shell("steer", "set", "cup", "images", "nara=101", code=2)

    shell("event", "destroy", "cup", "--yes")
    assert ([path.read_bytes() for path in rig.files], rig.zone(), rig.map.read_bytes()) == before
    assert rig.references(100) == {"farm": 100.0}
    assert not [path for path in (tmp_path / "hosts").rglob("*") if path.is_file()]


def test_a_steering_that_leaves_the_event_is_reverted_by_the_next_apply(rig: Rig, tmp_path: Path) -> None:
    body = event(rig)
    body["steering"] = {"images": body["steering"]["images"]}
    file = tmp_path / "cup.yaml"
    file.write_text(yaml.safe_dump(body))
    shell = Shell(rig, tmp_path)
    shell("event", "apply", str(file))
    assert rig.references(100)["nara"] > 10
    del body["steering"]
    file.write_text(yaml.safe_dump(body))
    shell("event", "apply", str(file))
    assert rig.references(100) == {"farm": 100.0}
    assert "nothing to do" in shell("event", "plan", str(file))
    assert NARA_ADDRESS not in rig.files[0].read_text()
    shell("event", "destroy", "cup", "--yes")
