"""Alarms, as Alertmanager and Aodh send them, to a real hook process: what the clouds have afterwards."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.lab

NAME = "test-hook"
TOKEN = "a-token-of-this-test"
EVENT = {
    "event": NAME,
    "sites": {"nara": {"cloud": "private"}},
    "pools": {
        "front": {
            "site": "nara",
            "image": "tiny",
            "flavor": "m1.nano",
            "networks": ["front"],
            "pins": [
                {"hypervisor": "private-xeon1", "count": 1, "weight": 10},
                {"hypervisor": "private-opteron1", "count": 1, "weight": 2, "most": 1},
            ],
        }
    },
    "balancers": {"front": {"site": "nara", "network": "front", "drain": "1s", "members": [{"pool": "front"}]}},
    "scaling": {"front": {"least": 2, "most": 4, "per_server": 500, "cooldown": 0}},
}
SECONDS = 180.0


class Hook:
    """A hook process, and curl."""

    def __init__(self, program: Program, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        env = {**program.env, "OS_HOOK__ALERTMANAGER_TOKEN": digest, "OS_HOOK__AODH_TOKEN": digest}
        env["OS_HOOK__RATE"] = "1000/minute"
        self.process = type(program)(env=env).start("hook", "--listen", f"127.0.0.1:{port}")

    def curl(self, path: str, body: Any = None, user: str = "") -> tuple[int, Any]:
        """The status and the JSON of an answer."""
        args = ["curl", "-s", "-w", "\n%{http_code}", "--max-time", "30"]
        args += ["-u", user] if user else ["-H", f"Authorization: Bearer {TOKEN}"]
        if body is not None:
            args += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        out = subprocess.run([*args, self.base + path], capture_output=True, text=True, check=False).stdout
        text, _, code = out.rpartition("\n")
        return int(code), json.loads(text) if text else None

    def ready(self) -> None:
        end = time.monotonic() + 30
        while self.curl("/healthz")[0] != 200:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end, "the hook does not answer"
            time.sleep(0.1)

    def ended(self, href: str) -> Any:
        """The decision, when it has ended."""
        end = time.monotonic() + SECONDS
        while True:
            _, said = self.curl(href)
            if said["state"] not in ("queued", "running"):
                return said
            assert time.monotonic() < end, f"still {said['state']}"
            time.sleep(0.5)


@pytest.fixture(scope="module")
def event(lab: Lab, program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("hook") / "event.yaml"
    path.write_text(yaml.safe_dump(EVENT, sort_keys=False))
    assert program.json("event", "apply", str(path))["outcome"] == "done"
    yield path
    program("event", "destroy", NAME, "--yes")


@pytest.fixture
def hook(event: Path, program: Program) -> Iterator[Hook]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Hook(program, port)
    made.ready()
    yield made
    made.process.send_signal(signal.SIGTERM)
    out, err = made.process.communicate(timeout=60)
    assert made.process.returncode == 0
    assert "Traceback" not in out + err
    assert TOKEN not in out + err


def alertmanager() -> dict[str, Any]:
    labels = {
        "alertname": "FrontIsSlow",
        "cloudsentry_event": NAME,
        "cloudsentry_pool": "front",
        "cloudsentry_scale": "+1",
    }
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": "answers take longer than a second"},
        "startsAt": "2010-08-17T05:41:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph",
        "fingerprint": "c48a0a8a2b6f9d1e",
    }
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "cloudsentry",
        "groupLabels": {},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": [alert],
    }


def standing(lab: Lab) -> list[str]:
    """Hypervisors of the servers that serve; every one of them is a member with weight, and no other is."""
    servers = lab.servers(NAME)
    assert {server.status for server in servers} == {"ACTIVE"}
    addresses = {item["addr"] for server in servers for item in server.addresses["front"]}
    members = lab.members("private", f"{NAME}-front")
    assert set(members) == addresses
    assert all(members.values())
    return sorted(server.hypervisor_hostname for server in servers)


def test_alarms_scale_a_pool_up_once_and_down_again(lab: Lab, hook: Hook, program: Program) -> None:
    assert standing(lab) == ["private-opteron1", "private-xeon1"]

    answers = [hook.curl("/v1/hooks/alertmanager", alertmanager()) for _ in range(100)]
    assert answers[0][0] == 202
    (said,) = answers[0][1]["decisions"]
    assert (said["current"], said["wanted"]) == (2, 3)
    assert [answer["decisions"][0]["repeated"] for _, answer in answers] == [False] + 99 * [True]
    done = hook.ended(said["href"])
    assert (done["state"], done["why"][0]) == ("done", "alert FrontIsSlow asks for +1, 3 servers")
    assert standing(lab) == ["private-opteron1", "private-xeon1", "private-xeon1"]
    assert program.json("run", "show", str(done["run"]))

    aodh = {
        "alarm_id": "f0a8",
        "alarm_name": "front is idle",
        "severity": "low",
        "current": "alarm",
        "previous": "ok",
        "reason": "Transition to alarm due to 1 samples inside threshold, most recent: 3.0",
        "reason_data": {"disposition": "inside", "count": 1, "most_recent": 3.0, "type": "threshold"},
    }
    address = f"/v1/hooks/aodh?event={NAME}&pool=front&scale=-1"
    status, answer = hook.curl(address, aodh, user=f"cloudsentry:{TOKEN}")
    assert status == 202
    assert hook.ended(answer["decisions"][0]["href"])["state"] == "done"
    assert standing(lab) == ["private-opteron1", "private-xeon1"]

    told = program.json("explain", NAME)
    assert [(row["Servers"], row["Wanted"], row["State"]) for row in told] == [(3, 2, "done"), (2, 3, "done")]


def test_who_has_no_token_changes_nothing(lab: Lab, hook: Hook) -> None:
    before = standing(lab)
    assert hook.curl("/v1/hooks/alertmanager", alertmanager(), user="cloudsentry:guess")[0] == 401
    assert standing(lab) == before


def test_a_tick_follows_a_signal_that_is_not_there_by_holding(lab: Lab, event: Path, program: Program) -> None:
    """The address answers nobody: capacity is held, and the reason is told."""
    signal_ = {"url": "http://127.0.0.1:9", "query": "sum(rate(requests_total[1m]))", "timeout": 1}
    scaling = {"front": {**EVENT["scaling"]["front"], "policy": "target", "signal": signal_}}  # type: ignore[index]
    path = event.with_name("blind.yaml")
    path.write_text(yaml.safe_dump({**EVENT, "scaling": scaling}, sort_keys=False))
    assert program.json("event", "apply", str(path))["outcome"] == "done"
    (row,) = program.json("event", "tick", NAME)
    assert (row["Servers"], row["Wanted"], row["Rule"], row["State"]) == (2, 2, "missing", "held")
    assert "the capacity is held" in " ".join(row["Why"])
