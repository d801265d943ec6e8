"""One event driven from the command line, from Ansible and by an alarm: the clouds list the same afterwards."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from test_ansible import Ansible
from test_hook import EVENT, NAME, Hook, alertmanager

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.lab
Door = Callable[[Path], None]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "event.yaml"
    path.write_text(yaml.safe_dump(EVENT, sort_keys=False))
    return path


@pytest.fixture
def doors(program: Program, tmp_path: Path) -> dict[str, Door]:
    """Each brings the event up with two servers, and one more."""
    env = {**program.env, "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"), "ANSIBLE_HOME": str(tmp_path / "home")}
    ansible = Ansible(env={**env, "ANSIBLE_NOCOLOR": "1"}, folder=tmp_path)

    def by_command(file: Path) -> None:
        program("event", "apply", str(file))
        program("pool", "set", NAME, "front=3")

    def by_ansible(file: Path) -> None:
        ansible.task("event", file=str(file))
        ansible.task("pool", event=NAME, sizes={"front": 3})

    def by_alarm(file: Path) -> None:
        program("event", "apply", str(file))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        hook = Hook(program, port)
        try:
            hook.ready()
            alarm = alertmanager()
            alarm["alerts"][0]["fingerprint"] = "three-doors"  # the same one again would be no new alarm
            status, said = hook.curl("/v1/hooks/alertmanager", alarm)
            assert status == 202, said
            (decided,) = said["decisions"]
            assert hook.ended(decided["href"])["state"] == "done"
        finally:
            hook.process.terminate()
            hook.process.communicate(timeout=60)

    return {"command": by_command, "ansible": by_ansible, "alarm": by_alarm}


def listing(lab: Lab) -> Any:
    """What the clouds have of the event, but for ids, addresses, and the sign by which a later server is told apart."""
    servers = [
        (
            re.sub("-[0-9a-f]{4}$", "", one.name),
            one.hypervisor_hostname,
            one.flavor["original_name"],
            one.status,
            sorted(one.addresses),
        )
        for one in lab.servers(NAME)
    ]
    return servers, sorted(lab.members("private", f"{NAME}-front").values())


def test_three_doors_lead_to_equal_listings(
    lab: Lab, program: Program, file: Path, doors: dict[str, Door], tmp_path: Path
) -> None:
    found = {}
    for name, door in doors.items():
        try:
            door(file)
            found[name] = listing(lab)
        finally:
            program("event", "destroy", NAME, "--yes")
        assert lab.servers(NAME) == []
    assert len(found["command"][0]) == 3
    assert found["command"] == found["ansible"] == found["alarm"]
