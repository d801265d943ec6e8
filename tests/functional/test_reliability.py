"""What speaks against an event, found on real clouds; and servers that a hypervisor cannot have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from benchmarks.reliability import preflight

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.lab
EVENT: dict[str, Any] = {
    "event": "test-reliability",
    "sites": {"nara": {"cloud": "private"}},
    "pools": {
        "front": {
            "site": "nara",
            "image": "tiny",
            "flavor": "m1.nano",
            "networks": ["front"],
            "pins": [{"hypervisor": "private-xeon1", "count": 2, "weight": 10}],
        }
    },
    "balancers": {"web": {"site": "nara", "network": "front", "drain": 0, "members": [{"pool": "front"}]}},
}


def written(folder: Path, body: dict[str, Any]) -> str:
    path = folder / "event.yaml"
    path.write_text(yaml.safe_dump(body, sort_keys=False))
    return str(path)


def changed(cloud: str = "private", **pool: Any) -> dict[str, Any]:
    body = deepcopy(EVENT)
    body["pools"]["front"].update(pool)
    body["sites"]["nara"]["cloud"] = cloud
    return body


DEFECTS = {
    "image": (changed(image="tinny"), "no image 'tinny'"),
    "flavor": (changed(flavor="m1.nono"), "no flavor 'm1.nono'"),
    "network": (changed(networks=["frnt"]), "no network 'frnt'"),
    "keypair": (changed(key_name="nobody"), "no keypair 'nobody'"),
    "hypervisor": (changed(pins=[{"hypervisor": "private-xeon9", "count": 1}]), "no hypervisor 'private-xeon9'"),
    "room": (changed(pins=[{"hypervisor": "private-xeon1", "count": 900}]), "hypervisor 'private-xeon1' has"),
    "plan": (changed(cloud="private-member"), "requested_destination"),
    "cloud": (changed(cloud="nowhere"), "there is no cloud 'nowhere'"),
}


def test_clouds_that_are_well_have_no_finding(lab: Lab, program: Program, tmp_path: Path) -> None:
    assert program.json("event", "check", written(tmp_path, EVENT)) == []


@pytest.mark.parametrize("check", DEFECTS)
def test_a_defect_is_found_with_what_to_do(check: str, lab: Lab, program: Program, tmp_path: Path) -> None:
    body, found = DEFECTS[check]
    rows = program.json("event", "check", written(tmp_path, body), code=1)
    assert any(row["Check"] == check and found in row["Found"] and row["Do"] for row in rows), rows


def test_defects_of_the_clouds_themselves_are_found_and_set_ups_that_are_well_raise_no_alarm(lab: Lab) -> None:
    """Every fourth of those of the benchmark, seeded in the clouds themselves where they are no words of the event."""
    told = preflight.figures(4)
    assert [one["defect"] for one in told["defects"] if not (one["found"] and one["do"])] == []
    assert [one for one in told["good"] if one["alarms"]] == []


@pytest.fixture
def failing(program: Program) -> Iterator[None]:
    """Every spawn of this file's servers on one hypervisor fails; nobody else's does."""
    (fault,) = program.json(
        "lab", "fault", "add", "private/private-xeon1", "fail", "--operation", "spawn", "--server", "^test-reliability"
    )
    yield
    program("lab", "fault", "clear", fault["ID"])


@pytest.mark.usefixtures("failing")
def test_servers_that_fail_to_spawn_stand_elsewhere_in_the_same_run(lab: Lab, program: Program, tmp_path: Path) -> None:
    path = written(tmp_path, changed(spill=[{"aggregate": "xeon"}]))
    try:
        report = program.json("event", "apply", path)
        assert (report["outcome"], report["left"]) == ("done", [])
        servers = lab.servers("test-reliability")
        assert Counter((one.status, one.hypervisor_hostname) for one in servers) == {("ACTIVE", "private-xeon2"): 2}
        assert sorted(lab.members("private", "test-reliability-web").values()) == [10, 10]
        assert program.json("event", "apply", path)["writes"] == 0
    finally:
        program("event", "destroy", path, "--yes")
