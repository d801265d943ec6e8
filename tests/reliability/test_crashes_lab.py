"""A sample of what `tox -e lab-exhaustive` does whole: one event round its operations on the lab, struck in each.

The sample is drawn anew each time, and printed; CLOUDSENTRY_SEED draws it again.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_lane import KILLS, Clouds, Lane, Point, Verdict

pytestmark = pytest.mark.lab

WRITES = {
    "provision": [("private/nova-api", "POST", 2), ("public/nova-api", "POST", 1), ("private/octavia-api", "POST", 1)],
    "re-weight": [("private/octavia-api", "PUT", 1)],
    "grow": [("private/nova-api", "POST", 1), ("private/octavia-api", "PUT", 1)],
    "shrink": [("private/nova-api", "DELETE", 1), ("public/nova-api", "DELETE", 1), ("private/octavia-api", "PUT", 1)],
    "destroy": [("private/nova-api", "DELETE", 2), ("private/octavia-api", "DELETE", 1)],
}
"""The writes that each operation makes for certain: (API, method, how many)."""
LINES = ("begin", "intent", "step_ended", "run_ended")
REFUSED = Point(
    operation="provision", fault="429, Retry-After 3", place="private/octavia-api", method="PUT", nth=1
)  # where the event stands re-weighted, this sets the weights back


def drawn(draw: random.Random, operation: str) -> Point:
    """A kill before, after or during one of the operation's writes, or at a line of its journal."""
    place, method, count = draw.choice([*WRITES[operation], ("journal", draw.choice(LINES), 1)])
    fault = draw.choice([fault for fault in KILLS if place != "journal" or "during" not in fault])
    return Point(operation=operation, fault=fault, place=place, method=method, nth=draw.randint(1, count))


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Lane]:
    folder = Path(os.environ.get("CLOUDSENTRY_LAB_DIR") or "~/.local/share/cloudsentry/lab").expanduser()
    subprocess.run([Path(sys.executable).with_name("cloudsentry"), "lab", "up"], check=True, capture_output=True)
    made = Lane(clouds=Clouds(folder), folder=tmp_path, name="test-crashes", vlan=None)
    yield made
    made.run(made.words("destroy"))


def test_killed_in_each_operation_and_told_to_come_later(lane: Lane) -> None:
    """Nothing is lost, doubled or left; and what is refused with Retry-After is not asked again before."""
    seed = int(os.environ.get("CLOUDSENTRY_SEED") or time.time_ns() % 10**6)
    print(f"CLOUDSENTRY_SEED={seed}")
    draw = random.Random(seed)
    for operation in WRITES:
        _held(lane, drawn(draw, operation), seed)
        if operation == "re-weight":
            _obeyed(lane, seed)


def _held(lane: Lane, point: Point, seed: int) -> Verdict:
    verdict = lane.case(point)
    print(point, verdict)
    assert verdict.struck, f"seed {seed}: {point} struck nothing"
    assert verdict.good, f"seed {seed}: {point}: {verdict}"
    return verdict


def _obeyed(lane: Lane, seed: int) -> None:
    """By the API's own log: refused once, and carried out no sooner than was told; by the very same run."""
    log = lane.clouds.lab.folder("private") / "log" / "access.octavia-api.log"
    since = log.stat().st_size
    assert _held(lane, REFUSED, seed).alone
    with log.open() as file:
        file.seek(since)
        puts = [line.split() for line in file if " PUT " in line and f"event/{lane.name} " in line]
    mine = [(dt.datetime.fromisoformat(words[0]), words[3]) for words in puts]
    assert [status for _, status in mine] == ["429", "202"]
    assert (mine[1][0] - mine[0][0]).total_seconds() >= 3.0
