"""Calibration on the lab: the two kinds of hypervisor are told apart by nothing but load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.slow
NAME = "test-calibrate"
QUOTAS = 5.0
"""A server on a Xeon has half a core, one on an Opteron a tenth (`cloudsentry.lab.layout`)."""
NEAR = 0.1
"""The issue's own bound for the ratio that is found."""
PINS = ({"hypervisor": "private-xeon1", "count": 1}, {"hypervisor": "private-opteron1", "count": 1})


@pytest.fixture(scope="module")
def farm(lab: Lab, program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server of each kind behind a balancer, weighed alike."""
    pool = {"site": "nara", "image": "tiny", "flavor": "m1.nano", "networks": ["front"], "pins": list(PINS)}
    body = {
        "event": NAME,
        "sites": {"nara": {"cloud": "private"}},
        "pools": {"web": pool},
        "balancers": {"front": {"site": "nara", "network": "front", "members": [{"pool": "web"}]}},
    }
    path = Path(tmp_path_factory.mktemp("events")) / "calibrate.yaml"
    path.write_text(yaml.safe_dump(body))
    assert program.json("event", "apply", str(path))["outcome"] == "done"
    yield NAME
    program("event", "destroy", str(path), "--yes")


def test_the_quotas_ratio_is_found_and_becomes_the_weights(farm: str, program: Program, lab: Lab) -> None:
    told = program.json("calibrate", farm, "web", "--from", "netns:lab-private", "--dry-run")
    assert {(row["Unit"], row["Servers"]) for row in told} == {("web@private-xeon1", 1), ("web@private-opteron1", 1)}
    program("weights", "set", farm, "front", "--measured", code=2)

    rows = {row["Unit"]: row for row in program.json("calibrate", farm, "web", "--from", "netns:lab-private")}
    xeon, opteron = rows["web@private-xeon1"], rows["web@private-opteron1"]
    assert xeon["Mbit/s"] == pytest.approx(xeon["Responses/s"] * 25.75 * 8.192 / 1000, rel=0.1)
    if "machine" in (xeon["Limit"], opteron["Limit"]):
        # No room for the load at all: then no number is given out as if it were known.
        assert xeon["Weight"] is None
        program("weights", "set", farm, "front", "--measured", code=2)
        return
    assert xeon["Responses/s"] / opteron["Responses/s"] == pytest.approx(QUOTAS, rel=NEAR), rows
    assert xeon["Weight"] / opteron["Weight"] == pytest.approx(xeon["Responses/s"] / opteron["Responses/s"], rel=0.03)

    assert program.json("weights", "set", farm, "front", "--measured")["outcome"] == "done"
    assert sorted(lab.members("private", f"{farm}-front").values()) == [opteron["Weight"], xeon["Weight"]]


def test_servers_that_are_booted_for_it_are_measured_and_gone_again(lab: Lab, program: Program, tmp_path: Path) -> None:
    pool = {"site": "nara", "image": "tiny", "flavor": "m1.nano", "networks": ["front"]}
    body = {
        "event": "test-boot",
        "sites": {"nara": {"cloud": "private"}},
        "pools": {"web": {**pool, "pins": [{"hypervisor": "private-opteron2", "count": 1}]}},
    }
    path = tmp_path / "boot.yaml"
    path.write_text(yaml.safe_dump(body))
    asked = ("calibrate", str(path), "web", "--boot", "2", "--from", "netns:lab-private", "--rounds", "1")
    rows = program.json(*asked)
    assert [(row["Unit"], row["Servers"]) for row in rows] == [("web@private-opteron2", 1), ("web@private-opteron2", 2)]
    assert all(row["Responses/s"] > 50 for row in rows)
    assert not lab.servers("test-boot-cal")
