"""Weights from the user's door: shown with their reason, set without losing anybody's."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cloudsentry.conf import ExecutorSettings, JournalSettings, OwnershipSettings, Settings
from cloudsentry.drivers.balancer.fake import FakeBalancers
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.errors import Owned, UserError
from cloudsentry.executor import Clock
from cloudsentry.journal.ownership import owned
from cloudsentry.sentry import Sentry
from cloudsentry.spec.load import load_text
from cloudsentry.testing.clock import JumpClock
from cloudsentry.weights import weigh

EVENT = """
event: summer
sites: {nara: {cloud: weigh-test}}
pools:
  web:
    site: nara
    driver: fake
    image: tiny
    flavor: nano
    networks: [front]
    pins:
      - {hypervisor: xeon1, count: 2, weight: 10}
      - {hypervisor: opteron1, count: 2, weight: 2}
      - {hypervisor: xeon2, count: 1, weight: 3}
balancers:
  front: {site: nara, driver: fake, network: front, members: [{pool: web}]}
"""


class Hall:
    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            state=folder,
            journal=JournalSettings(connection=f"sqlite:///{folder / 'journal.sqlite'}"),
            ownership=OwnershipSettings(backend_url=f"file://{folder / 'locks'}", lease=30),
            executor=ExecutorSettings(settle=0.0),
        )

    def open(self) -> Sentry:
        """Another process, as far as the journal and the locks are concerned."""
        return Sentry(self.settings, clock=JumpClock())


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    FakeCloud.forget()
    FakeBalancers.forget()
    made = Hall(tmp_path)
    assert made.open().apply(load_text(EVENT, "summer.yaml")).outcome == "done"
    return made


def weights(hall: Hall) -> list[int]:
    return sorted(line.weight for line in weigh.weights(hall.open(), "summer"))


def test_every_weight_is_shown_with_its_share_and_its_reason(hall: Hall) -> None:
    lines = weigh.weights(hall.open(), "summer")
    assert [line.weight for line in lines] == [line.wanted for line in lines]
    assert sum(line.share or 0 for line in lines) == pytest.approx(100, abs=0.1)
    (single,) = [line for line in lines if line.weight == 3]
    assert single.share == pytest.approx(100 * 3 / 27, abs=0.01)
    assert "web@xeon2" in single.why


def test_weights_set_are_a_new_revision_and_one_write(hall: Hall) -> None:
    before = FakeBalancers.named("weigh-test").state.writes
    report = weigh.set_weights(hall.open(), "summer", "front", {"web@xeon1": 20, "web@opteron1": 5})
    assert report.outcome == "done"
    assert [step.id for step in report.steps] == ["front/members"]
    assert FakeBalancers.named("weigh-test").state.writes == before + 1
    assert weights(hall) == [3, 5, 5, 20, 20]
    assert hall.open().event("summer")[1] == 2


def test_three_writers_at_once_all_land_and_none_is_lost(hall: Hall) -> None:
    failed: list[Exception] = []
    together = threading.Barrier(3)

    def write(unit: str, weight: int) -> None:
        try:
            together.wait()
            weigh.set_weights(hall.open(), "summer", "front", {unit: weight}, wait=30)
        except Exception as error:  # noqa: BLE001 - told to the test
            failed.append(error)

    wanted = {"web@xeon1": 30, "web@opteron1": 7, "web@xeon2": 4}
    writers = [threading.Thread(target=write, args=pair) for pair in wanted.items()]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    assert weights(hall) == [4, 7, 7, 30, 30]
    assert hall.open().event("summer")[1] == 4


def test_who_gets_no_turn_is_told_and_changes_nothing(hall: Hall) -> None:
    clock = Clock()
    with owned("summer", hall.settings.ownership.backend_url), pytest.raises(Owned):
        weigh.set_weights(hall.open(), "summer", "front", {"web@xeon1": 30}, wait=0.2, clock=clock)
    assert weights(hall) == [2, 2, 3, 10, 10]


@pytest.mark.parametrize(
    ("balancer", "wanted", "told"),
    [
        ("frnt", {"web@xeon1": 1}, "front"),
        ("front", {"web@xeon": 1}, "web@xeon1"),
        ("front", {"web@xeon1": 257}, "256"),
        ("front", {"web@xeon1": -1}, "0"),
        ("front", {"web@xeon1": 0, "web@opteron1": 0, "web@xeon2": 0}, "nobody"),
    ],
)
def test_what_cannot_be_is_refused_and_says_what_can(
    hall: Hall, balancer: str, wanted: dict[str, int], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        weigh.set_weights(hall.open(), "summer", balancer, wanted)
    assert weights(hall) == [2, 2, 3, 10, 10]


def test_an_event_that_was_destroyed_cannot_be_weighed(hall: Hall) -> None:
    assert hall.open().destroy("summer").outcome == "done"
    with pytest.raises(UserError, match="destroyed"):
        weigh.set_weights(hall.open(), "summer", "front", {"web@xeon1": 3})
