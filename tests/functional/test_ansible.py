"""The collection through `ansible-playbook` and `ansible-inventory`, and what the clouds say of it afterwards."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.lab
PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
NAME = "test-ansible"
HOSTS = {"private-xeon1", "private-opteron1"}


@dataclass(frozen=True)
class Ansible:
    """Ansible as a user of the playbooks' folder runs it."""

    env: dict[str, str]
    folder: Path

    def run(self, program: str, *args: str, code: int = 0, **env: str) -> str:
        """What it says; the exit code is as expected, and nobody sees a traceback."""
        path = Path(sys.executable).with_name(program)
        asked = {**self.env, **env}
        done = subprocess.run(
            [path, *args],
            cwd=PLAYBOOKS,
            env=asked,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == code, f"{program} {args} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout

    def task(self, module: str, *, check: bool = False, diff: bool = False, failed: bool = False, **args: Any) -> Any:
        """What one task of a playbook returns."""
        path, told = self.folder / "play.yml", self.folder / "told.json"
        asked = {f"cloudsentry.burst.{module}": args, "check_mode": check, "diff": diff, "register": "told"}
        copy = {"content": "{{ told | to_json }}", "dest": str(told), "mode": "0600"}
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            "tasks": [{"block": [asked], "always": [{"ansible.builtin.copy": copy}]}],
        }
        path.write_text(yaml.safe_dump([play]))
        self.run("ansible-playbook", str(path), code=2 if failed else 0)
        return json.loads(told.read_text())


def standing(lab: Lab) -> list[tuple[str, str]]:
    """Id and last change of the event's servers and balancers, as the clouds have them."""
    balancers = [one for cloud in lab.clouds.values() for one in cloud.load_balancer.load_balancers()]
    ours = [*lab.servers(NAME), *(one for one in balancers if one.name.startswith(f"{NAME}-"))]
    return sorted((one.id, one.updated_at) for one in ours)


@pytest.fixture(scope="module")
def event() -> dict[str, Any]:
    """Two servers on two hypervisors, one balancer."""
    pins = [
        {"hypervisor": "private-xeon1", "count": 1, "weight": 10},
        {"hypervisor": "private-opteron1", "count": 1, "weight": 2},
    ]
    pool = {"site": "nara", "image": "tiny", "flavor": "m1.nano", "networks": ["front"], "pins": pins}
    balancer = {"site": "nara", "network": "front", "protocol": "HTTP", "port": 80, "drain": "1s"}
    return {
        "event": NAME,
        "sites": {"nara": {"cloud": "private"}},
        "pools": {"front": pool},
        "balancers": {"door": {**balancer, "members": [{"pool": "front", "port": 80}]}},
    }


@pytest.fixture
def file(event: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "event.yaml"
    path.write_text(yaml.safe_dump(event, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def ansible(lab: Lab, program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ansible]:
    """Ansible with a journal of its own; what the tests leave is taken down by the program."""
    folder = tmp_path_factory.mktemp("ansible")
    env = {**program.env, "CLOUDSENTRY_STATE_DIR": str(folder / "state"), "ANSIBLE_LOCAL_TEMP": str(folder / "tmp")}
    made = Ansible(env={**env, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(folder / "home")}, folder=folder)
    os.environ.pop("ANSIBLE_CONFIG", None)
    yield made
    if standing(lab):
        made.task("event", name=NAME, state="absent")


def test_check_mode_and_the_first_and_second_run(lab: Lab, ansible: Ansible, file: Path) -> None:
    planned = ansible.task("event", file=str(file), check=True, diff=True)
    assert (planned["changed"], len(planned["event"]["plan"]["steps"])) == (True, 4)
    assert "private-xeon1" in planned["diff"]["prepared"]
    assert standing(lab) == []

    applied = ansible.task("event", file=str(file), diff=True)
    assert (applied["changed"], applied["diff"]) == (True, planned["diff"])
    servers = lab.servers(NAME)
    assert {server.hypervisor_hostname for server in servers} == HOSTS
    assert {server.status for server in servers} == {"ACTIVE"}
    assert sorted(lab.members("private", f"{NAME}-door").values()) == [2, 10]
    (balancer,) = lab.clouds["private"].load_balancer.load_balancers(name=f"{NAME}-door")
    assert applied["event"]["vips"] == {"door": balancer.vip_address}

    before = standing(lab)
    again = ansible.task("event", file=str(file))
    assert (again["changed"], again["event"]["report"]["writes"]) == (False, 0)
    assert standing(lab) == before


@pytest.fixture
def applied(ansible: Ansible, file: Path) -> Path:
    """The event as its file has it, whatever the test before has made of it."""
    assert ansible.task("event", file=str(file))["event"]["status"]["state"] == "up"
    return file


def test_event_info_lists_the_clouds_own_servers(lab: Lab, ansible: Ansible, applied: Path) -> None:
    told = ansible.task("event_info", name=NAME)
    assert told["changed"] is False
    assert {one["id"]: one["hypervisor"] for one in told["event"]["status"]["servers"]} == {
        server.id: server.hypervisor_hostname for server in lab.servers(NAME)
    }
    assert [one["name"] for one in ansible.task("event_info")["events"]] == [NAME]


def test_the_inventory_groups_servers_by_event_pool_cloud_and_hypervisor(
    lab: Lab, ansible: Ansible, applied: Path, tmp_path: Path
) -> None:
    source = tmp_path / "cloudsentry.yaml"
    source.write_text("plugin: cloudsentry.burst.servers\ngroups:\n  fast: cloudsentry_weight > 5\n")
    told = json.loads(ansible.run("ansible-inventory", "-i", str(source), "--list"))
    by_host = {server.hypervisor_hostname: server for server in lab.servers(NAME)}
    names = {server.name for server in by_host.values()}
    for group in ("event_test_ansible", "pool_front", "cloud_private"):
        assert set(told[group]["hosts"]) == names
    assert told["hypervisor_private_xeon1"]["hosts"] == [by_host["private-xeon1"].name] == told["fast"]["hosts"]
    graph = ansible.run("ansible", "-i", str(source), "fast", "-c", "local", "-m", "debug", "-a", "var=ansible_host")
    assert by_host["private-xeon1"].addresses["front"][0]["addr"] in graph


def test_an_inventory_of_an_event_that_nobody_knows_says_so(ansible: Ansible, applied: Path, tmp_path: Path) -> None:
    source = tmp_path / "cloudsentry.yaml"
    source.write_text("plugin: cloudsentry.burst.servers\nevents: [winter]\n")
    strict = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", "ANSIBLE_LOG_PATH": str(tmp_path / "log")}
    ansible.run("ansible-inventory", "-i", str(source), "--list", code=1, **strict)
    assert "no event 'winter' in the journal" in (tmp_path / "log").read_text()


def test_a_faulty_file_fails_with_the_command_lines_own_message(ansible: Ansible, program: Program, file: Path) -> None:
    file.write_text(file.read_text().replace("weight: 10", "weght: 10"))
    answer = ansible.task("event", file=str(file), failed=True)
    assert "did you mean 'weight'?" in answer["msg"]
    assert program("event", "apply", str(file), code=2).startswith(answer["msg"])


def test_a_place_that_is_not_there_is_refused_as_on_the_command_line(
    ansible: Ansible, program: Program, file: Path
) -> None:
    file.write_text(file.read_text().replace("private-xeon1", "private-xeon9"))
    answer = ansible.task("event", file=str(file), check=True, failed=True)
    assert "private-xeon9" in answer["msg"]
    assert answer["msg"] in program("event", "plan", str(file), code=1)


def test_drain_takes_one_units_weight_and_puts_it_back(lab: Lab, ansible: Ansible, applied: Path) -> None:
    asked = ("drain.yml", "-e", f"event={NAME}", "-e", "balancer=door", "-e", "unit=front@private-opteron1")
    assert "changed=1" in ansible.run("ansible-playbook", *asked, "--check")
    assert sorted(lab.members("private", f"{NAME}-door").values()) == [2, 10]
    assert "changed=1" in ansible.run("ansible-playbook", *asked)
    assert sorted(lab.members("private", f"{NAME}-door").values()) == [0, 10]
    assert "changed=0" in ansible.run("ansible-playbook", *asked)
    ansible.run("ansible-playbook", *asked, "-e", "weight=2")
    assert sorted(lab.members("private", f"{NAME}-door").values()) == [2, 10]


def test_the_migrate_playbook_moves_a_server_to_another_hypervisor(lab: Lab, ansible: Ansible, applied: Path) -> None:
    server = next(one for one in lab.servers(NAME) if one.hypervisor_hostname == "private-xeon1")
    asked = ("migrate.yml", "-e", f"event={NAME}", "-e", f"what={server.name}", "-e", "to=private")
    asked = (*asked, "-e", '{"hypervisors": ["private-xeon2"]}')
    assert "by live" in ansible.run("ansible-playbook", *asked, "--check")
    assert "not confirmed; nothing was changed" in ansible.run("ansible-playbook", *asked, code=2)
    assert next(one for one in lab.servers(NAME) if one.id == server.id).hypervisor_hostname == "private-xeon1"
    ansible.run("ansible-playbook", *asked, "-e", "yes=true")
    assert next(one for one in lab.servers(NAME) if one.id == server.id).hypervisor_hostname == "private-xeon2"
    back = ansible.task("migration", event=NAME, what=server.name, to="private", hypervisors=["private-xeon1"])
    assert [move["state"] for move in back["moves"]] == ["done"]


def test_the_rehearse_playbook_gives_the_verdict(ansible: Ansible, event: dict[str, Any], tmp_path: Path) -> None:
    final = {"match": "final", "start": "2010-08-08 13:00", "length": "1h", "crowd": 100}
    calendar = {"from": "2010-08-08", "until": "2010-08-08", "timezone": "Asia/Tokyo", "matches": [final]}
    scaling = {"front": {"policy": "calendar", "least": 1, "most": 4, "per_server": 100}}
    path = tmp_path / "day.yaml"
    path.write_text(yaml.safe_dump({**event, "event": "one-day", "calendar": calendar, "scaling": scaling}))
    assert "GO" in ansible.run("ansible-playbook", "rehearse.yml", "-e", f"event_file={path}")
    scaling["front"]["per_server"] = 1
    path.write_text(yaml.safe_dump({**event, "event": "one-day", "calendar": calendar, "scaling": scaling}))
    assert "NO-GO" in ansible.run("ansible-playbook", "rehearse.yml", "-e", f"event_file={path}", code=2)


def test_the_farm_is_made_ready_for_steering_and_served_files_stay(ansible: Ansible, tmp_path: Path) -> None:
    page, state, home = tmp_path / "images.js", tmp_path / "state", tmp_path / "home"
    page.write_text('var server = "images.example.net";')
    home.mkdir()
    (home / ".ssh").mkdir(mode=0o700)
    farm = tmp_path / "farm.ini"
    everywhere = f"[all:vars]\nansible_connection=local\nansible_python_interpreter={sys.executable}\n"
    farm.write_text(f"[fronts]\nlocalhost\n[balancer]\nlocalhost\n{everywhere}")
    told = {"farm_file": str(page), "farm_name": "images.example.net", "farm_state": str(state)}
    told |= {"farm_home": str(home), "farm_key": "ssh-ed25519 AAAA sentry", "farm_socket": str(tmp_path / "admin.sock")}
    asked = ("-i", str(farm), "site-farm.yml", "-e", json.dumps(told))
    assert "level admin" in ansible.run("ansible-playbook", *asked, code=2)
    with socket.socket(socket.AF_UNIX) as admin:
        admin.bind(told["farm_socket"])
        assert "reference" in ansible.run("ansible-playbook", *asked)
        assert "changed=0" in ansible.run("ansible-playbook", *asked)
    assert page.read_text() == 'var server = "images.example.net";'
    assert (home / ".ssh" / "authorized_keys").read_text() == "ssh-ed25519 AAAA sentry\n"
    assert state.stat().st_mode & 0o777 == 0o700
    other = (*asked, "-e", "farm_name=other.example.net")
    assert "nothing to rewrite" in ansible.run("ansible-playbook", *other, code=2)


def test_the_event_playbook_asks_and_does_nothing_without_a_yes(lab: Lab, ansible: Ansible, applied: Path) -> None:
    asked = ("event.yml", "-e", f"event_file={applied}", "-e", "state=absent")
    before = standing(lab)
    assert "- private door" in ansible.run("ansible-playbook", *asked, "--check")
    assert "not confirmed; nothing was changed" in ansible.run("ansible-playbook", *asked, code=2)
    assert standing(lab) == before


def test_the_event_playbook_takes_down_and_leaves_nothing(lab: Lab, ansible: Ansible, applied: Path) -> None:
    ports = lab.ports(NAME)
    asked = ("event.yml", "-e", f"event_file={applied}", "-e", "state=absent", "-e", "yes=true")
    assert f"{NAME} (revision" in ansible.run("ansible-playbook", *asked)
    assert standing(lab) == []
    assert lab.left(ports) == set()
    assert ansible.task("event", name=NAME, state="absent")["changed"] is False
