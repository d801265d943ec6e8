"""The collection's modules: what a play is told, and what became of the clouds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_tasks import CLOUD, Tasks, made

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.errors import SpecError
from cloudsentry.spec.load import load

STEPS = ["+ front", "~ front", "+ web@opteron1", "+ web@xeon1"]


@pytest.fixture
def file(tmp_path: Path, summer: dict[str, Any]) -> str:
    path = tmp_path / "summer.yaml"
    path.write_text(yaml.safe_dump(summer, sort_keys=False))
    return str(path)


def signed(diff: dict[str, str]) -> list[str]:
    """Sign and unit of each line of a diff."""
    lines = (line.split(f" {CLOUD} ") for line in diff["prepared"].splitlines())
    return sorted((f"{sign} {rest.split(':')[0]}" for sign, rest in lines), key=lambda line: (line[2:], line))


def test_check_mode_is_the_plan_and_makes_nothing(task: Tasks, file: str) -> None:
    answer = task("event", file=file, check=True)
    assert answer["changed"] is True
    assert [step["action"] for step in answer["event"]["plan"]["steps"]].count("create") == 3
    assert answer["event"]["status"]["state"] == "absent"
    assert signed(answer["diff"]) == sorted(STEPS, key=lambda line: (line[2:], line))
    assert made() == 0


def test_a_first_run_makes_and_a_second_changes_nothing(task: Tasks, file: str) -> None:
    first = task("event", file=file)
    assert first["changed"] is True
    assert first["event"]["report"]["outcome"] == "done"
    assert first["event"]["status"]["counts"] == {"wanted": 4, "active": 4, "misplaced": 0}
    assert first["event"]["vips"]["front"]
    assert "diff" not in first.body
    writes = FakeCloud.named(CLOUD).state.writes
    again = task("event", file=file, diff=True)
    assert (again["changed"], again["diff"], again["event"]["report"]["writes"]) == (False, {"prepared": ""}, 0)
    assert FakeCloud.named(CLOUD).state.writes == writes
    assert task("event", file=file, check=True)["changed"] is False


def test_diff_mode_tells_what_was_done(task: Tasks, file: str) -> None:
    assert signed(task("event", file=file, diff=True)["diff"]) == sorted(STEPS, key=lambda line: (line[2:], line))


def test_absent_takes_down_once_by_the_events_name(task: Tasks, file: str) -> None:
    task("event", file=file)
    assert task("event", name="summer", state="absent", check=True)["changed"] is True
    assert made() == 4
    gone = task("event", name="summer", state="absent")
    assert (gone["changed"], gone["event"]["status"]["state"], gone["event"]["report"]["left"]) == (True, "absent", [])
    assert task("event", name="summer", state="absent")["changed"] is False
    assert task("event", name="summer")["changed"] is True, "its newest revision, applied again"


def test_faults_of_a_file_fail_with_the_same_lines_as_on_the_command_line(task: Tasks, file: str) -> None:
    path = Path(file)
    path.write_text(path.read_text().replace("weight: 10", "weght: 10").replace("count: 2", "count: two", 1))
    with pytest.raises(SpecError) as told:
        load(file)
    answer = task("event", file=file)
    assert (answer.failed, answer["msg"]) == (True, str(told.value))
    assert (answer["error"]["kind"], answer["error"]["exit_code"]) == ("SpecError", 2)
    assert [fault["line"] for fault in answer["error"]["faults"]] == [fault.line for fault in told.value.faults]


def test_an_event_written_inline_is_the_same_event(task: Tasks, summer: dict[str, Any], file: str) -> None:
    assert task("event", definition=summer)["changed"] is True
    assert task("event", file=file)["changed"] is False
    summer["pools"]["web"]["pins"][0]["weght"] = 3
    answer = task("event", definition=summer)
    assert answer.failed
    assert "unknown key 'weght'; did you mean 'weight'?" in answer["msg"]
    assert '(at "weght": 3' in answer["msg"], "nobody has the lines of an inline event before their eyes"


@pytest.mark.parametrize("wrong", [{}, {"pins": []}])
def test_user_data_is_not_told_again(task: Tasks, summer: dict[str, Any], wrong: dict[str, Any]) -> None:
    summer["pools"]["web"].update({"user_data": "#!/bin/sh\necho hunter2\n", **wrong})
    answer = task("event", definition=summer, diff=True)
    assert answer.failed == bool(wrong)
    assert "invocation" in answer.body
    assert "hunter2" not in json.dumps(answer.body)


def test_refusals_are_told_one_by_one(task: Tasks, summer: dict[str, Any]) -> None:
    pins = summer["pools"]["web"]["pins"]
    pins[0]["hypervisor"], pins[1]["hypervisor"] = "xeon8", "xeon9"
    answer = task("event", definition=summer, check=True)
    assert (answer.failed, answer["error"]["kind"]) == (True, "PlanError")
    assert answer["msg"].splitlines() == answer["error"]["refusals"]
    assert ["xeon8" in answer["msg"], "xeon9" in answer["msg"]] == [True, True]


def test_a_run_that_does_not_come_to_its_end_fails_and_says_what_it_changed(task: Tasks, file: str) -> None:
    FakeCloud.named(CLOUD).faults.append(FaultRule(verb="CreateServers", kind="denied"))
    answer = task("event", file=file)
    assert (answer.failed, answer["changed"], answer["error"]["kind"]) == (True, True, "failed")
    assert answer["event"]["report"]["outcome"] == "failed"
    assert "run `this task` again" in answer["msg"]
    assert task("event", file=file)["event"]["status"]["state"] == "up"


def test_what_nobody_thought_of_is_one_line(task: Tasks, border: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(config_file: object) -> None:
        raise ZeroDivisionError("at\nnight")

    monkeypatch.setattr(border, "opened", broken)
    assert task("event_info")["msg"] == "internal error: ZeroDivisionError: at night"


def test_a_python_without_cloudsentry_is_named(task: Tasks, border: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(border, "MISSING", border.missing_required_lib("cloudsentry"))
    for module, given in {
        "event": {"name": "summer"},
        "event_info": {},
        "pool": {"event": "summer", "sizes": {"web": 1}},
        "weights": {"event": "summer", "balancer": "front", "weights": {"web@xeon1": 1}},
    }.items():
        answer = task(module, **given)
        assert answer.failed
        assert "Python library (cloudsentry)" in answer["msg"]


def test_event_info_tells_servers_members_and_why_they_have_their_weight(task: Tasks, file: str) -> None:
    task("event", file=file)
    event = task("event_info", name="summer")["event"]
    servers = event["status"]["servers"]
    assert sorted((one["pool"], one["hypervisor"], one["weight"]) for one in servers) == [
        ("web", "opteron1", 2),
        ("web", "opteron1", 2),
        ("web", "xeon1", 10),
        ("web", "xeon1", 10),
    ]
    (balancer,) = event["status"]["balancers"]
    assert {member["address"] for member in balancer["members"]} == {one["address"] for one in servers}
    assert {line["why"] for line in event["weights"]} == {
        "the weight of pin web@xeon1",
        "the weight of pin web@opteron1",
    }


def test_event_info_lists_what_the_journal_knows(task: Tasks, file: str) -> None:
    assert task("event_info")["events"] == []
    task("event", file=file)
    task("event", name="summer", state="absent")
    (known,) = task("event_info")["events"]
    assert (known["name"], known["state"], known["runs"]) == ("summer", "gone", 2)


def test_event_info_of_an_event_that_nobody_knows_says_so(task: Tasks) -> None:
    answer = task("event_info", name="winter")
    assert (answer.failed, answer["error"]["exit_code"]) == (True, 2)
    assert "no event 'winter' in the journal" in answer["msg"]


def test_weights_are_planned_set_once_and_told(task: Tasks, file: str) -> None:
    task("event", file=file)
    wish = {"event": "summer", "balancer": "front", "weights": {"web@opteron1": "0"}}
    planned = task("weights", check=True, **wish)
    assert (planned["changed"], signed(planned["diff"])) == (True, ["~ front"])
    assert sorted(line["weight"] for line in planned["weights"]) == [2, 2, 10, 10]
    done = task("weights", diff=True, **wish)
    assert (done["changed"], signed(done["diff"])) == (True, ["~ front"])
    assert sorted(line["weight"] for line in done["weights"]) == [0, 0, 10, 10]
    assert task("weights", **wish)["changed"] is False


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"web@xeon1": True}, "a weight is within 0 and 256, not True"),
        ({"web@xeon1": "many"}, "a weight is within 0 and 256, not 'many'"),
        ({"web@xeon1": 257}, "web@xeon1: a weight is within 0 and 256, not 257"),
        ({"web@xeno1": 1}, "did you mean web@xeon1"),
    ],
)
def test_weights_that_cannot_be_are_refused(task: Tasks, file: str, weights: dict[str, Any], told: str) -> None:
    task("event", file=file)
    answer = task("weights", event="summer", balancer="front", weights=weights)
    assert answer.failed
    assert told in answer["msg"]


def test_sizes_are_planned_set_once_and_told(task: Tasks, file: str) -> None:
    task("event", file=file)
    wish = {"event": "summer", "sizes": {"web@xeon1": "3", "web@opteron1": 0}}
    planned = task("pool", check=True, **wish)
    assert (planned["changed"], made()) == (True, 4)
    assert "+ web@xeon1" in signed(planned["diff"])
    done = task("pool", diff=True, **wish)
    assert (done["changed"], made()) == (True, 3)
    assert {line["unit"]: (line["wanted"], line["active"]) for line in done["pools"]} == {
        "web@opteron1": (0, 0),
        "web@xeon1": (3, 3),
    }
    assert task("pool", **wish)["changed"] is False


def test_sizes_that_cannot_be_are_refused(task: Tasks, file: str) -> None:
    task("event", file=file)
    for sizes, told in (({"web": "many"}, "a size is within 0 and 1000"), ({"wob": 1}, "did you mean web")):
        answer = task("pool", event="summer", sizes=sizes)
        assert answer.failed
        assert told in answer["msg"]


def test_two_servers_of_one_name_are_two_hosts(border: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible.inventory.data import InventoryData
    from ansible_collections.cloudsentry.burst.plugins.inventory import servers

    line = {"cloud": "private", "pool": "web", "hypervisor": "", "event": "summer", "unit": "web@any", "name": "twin"}
    lines = [{**line, "status": "ACTIVE", "id": f"id-{n}", "weight": None, "address": f"10.0.0.{n}"} for n in (1, 2)]
    monkeypatch.setattr(border, "servers", lambda config_file, names: lines)
    monkeypatch.setattr(servers.InventoryModule, "_read_config_data", lambda self, path: {})
    monkeypatch.setattr(servers.InventoryModule, "get_option", lambda self, name: None)
    inventory = InventoryData()
    servers.InventoryModule().parse(inventory, None, "cloudsentry.yaml")
    assert sorted(inventory.hosts) == ["id-1", "id-2"]
    assert [group for group in inventory.groups if group.startswith("hypervisor")] == []
    assert inventory.get_host("id-2").get_vars()["ansible_host"] == "10.0.0.2"


def test_a_calibration_that_is_young_enough_is_not_made_again(task: Tasks, file: str) -> None:
    task("event", file=file)
    wish = {"event": "summer", "pool": "web", "driver": "fake"}
    planned = task("calibration", check=True, diff=True, **wish)
    assert (planned["changed"], planned["capacities"]) == (True, [])
    assert "web@xeon1: measured" in planned["diff"]["prepared"]
    first = task("calibration", **wish)
    assert first["changed"] is True
    assert set(first["weights"]) == {"web@xeon1", "web@opteron1"}
    again = task("calibration", **wish)
    assert (again["changed"], again["capacities"]) == (False, first["capacities"])
    assert task("calibration", max_age=0, **wish)["changed"] is True


def test_a_calibration_of_a_pool_that_nobody_knows_is_refused(task: Tasks, file: str) -> None:
    task("event", file=file)
    assert "has no pool 'wob'" in task("calibration", event="summer", pool="wob", driver="fake")["msg"]


@pytest.fixture
def stretched(tmp_path: Path, summer: dict[str, Any]) -> str:
    """The event with a stretch to a second cloud."""
    summer["sites"]["osaka"] = {"cloud": f"{CLOUD}-far"}
    summer["stretches"] = {"link": {"driver": "fake", "between": ["nara", "osaka"]}}
    path = tmp_path / "stretched.yaml"
    path.write_text(yaml.safe_dump(summer, sort_keys=False))
    return str(path)


def test_a_stretch_is_told_and_its_lack_fails(task: Tasks, stretched: str) -> None:
    task("event", file=stretched)
    told = task("stretch", event="summer", stretch="link")
    assert (told["changed"], told["findings"], {end["unit"] for end in told["ends"]}) == (False, [], {"link"})
    assert len({end["cloud"] for end in told["ends"]}) == 2
    task("event", name="summer", state="absent")
    gone = task("stretch", event="summer")
    assert gone.failed
    assert "link" in gone["msg"]
    assert "has no stretch 'lnik'" in task("stretch", event="summer", stretch="lnik")["msg"]


def test_a_move_is_planned_made_once_and_told(task: Tasks, stretched: str) -> None:
    task("event", file=stretched)
    (server, *_) = task("event_info", name="summer")["event"]["status"]["servers"]
    wish = {"event": "summer", "what": server["name"], "to": "osaka", "mover": "fake"}
    planned = task("migration", check=True, **wish)
    assert (planned["changed"], planned["plan"][0]["target"]) == (True, f"{CLOUD}-far")
    done = task("migration", diff=True, **wish)
    assert [move["state"] for move in done["moves"]] == ["done"]
    assert server["name"] in done["diff"]["prepared"]
    again = task("migration", **wish)
    assert (again["changed"], again["moves"]) == (False, [])
    number = done["moves"][0]["id"]
    assert task("migration", event="summer", move=number, state="retried")["changed"] is False
    refused = task("migration", event="summer", move=number, state="undone")
    assert refused.failed
    assert f"move {number} is done" in refused["msg"]


def test_a_move_that_cannot_be_made_is_refused_in_check_mode_too(task: Tasks, file: str) -> None:
    task("event", file=file)
    for check in (True, False):
        answer = task("migration", check=check, event="summer", what="wob", to="nara")
        assert answer.failed
        assert "wob" in answer["msg"]
