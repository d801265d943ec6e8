"""Sizes of pools from the user's door: listed against what stands, set as a whole or place by place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudsentry import resize
from cloudsentry.conf import ExecutorSettings, JournalSettings, OwnershipSettings, Settings
from cloudsentry.drivers.balancer.fake import FakeBalancers
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.errors import UserError
from cloudsentry.sentry import Sentry
from cloudsentry.spec.load import load_text
from cloudsentry.testing.clock import JumpClock

EVENT = """
event: summer
sites: {nara: {cloud: resize-test}}
pools:
  web:
    site: nara
    driver: fake
    image: tiny
    flavor: nano
    networks: [front]
    pins:
      - {hypervisor: xeon1, count: 2, weight: 10}
      - {hypervisor: opteron1, count: 1, weight: 2, most: 3}
  still:
    site: nara
    driver: fake
    image: tiny
    flavor: nano
    networks: [front]
    pins: [{hypervisor: xeon2, count: 1}]
balancers:
  front: {site: nara, driver: fake, network: front, members: [{pool: web}]}
scaling:
  still: {policy: calendar, least: 1, most: 2, per_server: 100}
calendar:
  from: 2010-08-07
  until: 2010-08-21
  timezone: Asia/Tokyo
  matches: [{match: final, start: 2010-08-21 13:00, length: 2h, crowd: 100}]
"""

Open = Callable[[], Sentry]


@pytest.fixture
def hall(tmp_path: Path) -> Open:
    FakeCloud.forget()
    FakeBalancers.forget()
    settings = Settings(
        state=tmp_path,
        journal=JournalSettings(connection=f"sqlite:///{tmp_path / 'journal.sqlite'}"),
        ownership=OwnershipSettings(backend_url=f"file://{tmp_path / 'locks'}", lease=30),
        executor=ExecutorSettings(settle=0.0),
    )

    def opened() -> Sentry:
        return Sentry(settings, clock=JumpClock())

    assert opened().apply(load_text(EVENT, "summer.yaml")).outcome == "done"
    return opened


def standing(hall: Open) -> dict[str, tuple[int, int]]:
    return {line.unit: (line.wanted, line.active) for line in resize.pools(hall(), "summer")}


def test_a_pool_grows_over_its_pins_in_proportion_and_is_listed_so(hall: Open) -> None:
    assert resize.set_sizes(hall(), "summer", {"web": 6}).outcome == "done"
    assert standing(hall) == {"still@xeon2": (1, 1), "web@opteron1": (2, 2), "web@xeon1": (4, 4)}


def test_one_place_shrinks_and_the_others_stay(hall: Open) -> None:
    before = {line.id for line in hall().status("summer").servers}
    report = resize.set_sizes(hall(), "summer", {"web@xeon1": 1})
    assert report.outcome == "done"
    assert standing(hall) == {"still@xeon2": (1, 1), "web@opteron1": (1, 1), "web@xeon1": (1, 1)}
    assert {line.id for line in hall().status("summer").servers} < before


def test_two_writers_at_once_both_land(hall: Open) -> None:
    together = threading.Barrier(2)
    ended: list[str] = []

    def write(unit: str, count: int) -> None:
        together.wait()
        ended.append(resize.set_sizes(hall(), "summer", {unit: count}, wait=30).outcome)

    writers = [threading.Thread(target=write, args=pair) for pair in {"web@xeon1": 3, "web@opteron1": 2}.items()]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert ended == ["done", "done"]
    assert standing(hall) == {"still@xeon2": (1, 1), "web@opteron1": (2, 2), "web@xeon1": (3, 3)}


def test_a_destroyed_event_wants_none_and_is_not_resized(hall: Open) -> None:
    hall().destroy("summer")
    assert set(standing(hall).values()) == {(0, 0)}
    with pytest.raises(UserError, match="was destroyed"):
        resize.set_sizes(hall(), "summer", {"web": 2})


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"wb": 2}, "did you mean web"),
        ({"web@xeon": 2}, "did you mean web@xeon1"),
        ({"web": 1001}, "within 0 and 1000"),
        ({"web": -1}, "within 0 and 1000"),
        ({"web@opteron1": 4}, "allows 3 servers at most"),
        ({"web": 3, "web@xeon1": 3}, "as a whole already"),
        ({"still": 3}, "scales it between 1 and 2"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(hall: Open, wanted: dict[str, int], told: str) -> None:
    with pytest.raises(UserError, match=told):
        resize.set_sizes(hall(), "summer", wanted)
    assert hall().event("summer")[1] == 1
