"""Calibration on the lab: the two kinds of hypervisor are told apart by nothing but load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from cloudsentry.lab.inside import quotas

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.slow
NAME = "test-calibrate"
QUOTAS = 5.0
"""A server on a Xeon has half a core, one on an Opteron a tenth (`cloudsentry.lab.layout`)."""
NOISE = 0.25
"""On two cores the client, the servers and the clouds' own services share what the quotas are parts of."""
BOUND = 0.5
"""A server that used up its quota in so many of its periods was bound by that, not by who else was at work."""
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


def throttled(lab: Lab) -> tuple[int, int]:
    """(periods, periods whose quota was used up) of the Xeon's server, as the kernel counts them."""
    (server,) = (one for one in lab.servers(NAME) if one.compute_host == "private-xeon1")
    lines = (Path(quotas.group("private-xeon1", server.id)) / "cpu.stat").read_text().splitlines()
    found = {name: int(value) for name, value in map(str.split, lines)}
    return found["nr_periods"], found["nr_throttled"]


def test_the_quotas_ratio_is_found_and_becomes_the_weights(farm: str, program: Program, lab: Lab) -> None:
    told = program.json("calibrate", farm, "web", "--from", "netns:lab-private", "--dry-run")
    assert {(row["Unit"], row["Servers"]) for row in told} == {("web@private-xeon1", 1), ("web@private-opteron1", 1)}
    program("weights", "set", farm, "front", "--measured", code=2)

    periods, full = throttled(lab)
    words = ("--from", "netns:lab-private", "--seconds", "1", "--rounds", "3")
    rows = {row["Unit"]: row for row in program.json("calibrate", farm, "web", *words)}
    xeon, opteron = rows["web@private-xeon1"], rows["web@private-opteron1"]
    ratio = xeon["Responses/s"] / opteron["Responses/s"]
    ended = throttled(lab)
    bound = (ended[1] - full) / max(1, ended[0] - periods)
    # A machine that is busy otherwise can only make the faster kind look slower: it never gets to its quota.
    least = QUOTAS * (1 - NOISE) if bound >= BOUND else 1.0
    assert least < ratio < QUOTAS * (1 + NOISE), f"{rows}; quota used up in {bound:.0%} of the periods"
    assert xeon["Mbit/s"] == pytest.approx(xeon["Responses/s"] * 25.75 * 8.192 / 1000, rel=0.1)
    assert xeon["Weight"] / opteron["Weight"] == pytest.approx(xeon["Responses/s"] / opteron["Responses/s"], rel=0.03)

    assert program.json("weights", "set", farm, "front", "--measured")["outcome"] == "done"
    assert sorted(lab.members("private", f"{farm}-front").values()) == [opteron["Weight"], xeon["Weight"]]
