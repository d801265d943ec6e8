"""A daemon that a dead holder's last write has started again, after its event was destroyed: told, and taken away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudsentry import conf
from cloudsentry.drivers.balancer.base import BalancerScope
from cloudsentry.loading import Loader
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateBalancer
from cloudsentry.sentry import Sentry
from cloudsentry.spec.event import Event

pytestmark = pytest.mark.daemons

NAME = "test-leaks"
PORT = 8095


@pytest.fixture
def host() -> Iterator[str]:
    """A namespace where the daemons listen."""
    name = f"cs-leaks-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
    yield f"netns:{name}"
    subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sentry]:
    monkeypatch.setenv("CLOUDSENTRY_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CLOUDSENTRY_FAKE_DIR", str(tmp_path / "worlds"))
    monkeypatch.setattr("cloudsentry.clouds.opening.cloud_names", lambda: ())
    made = Sentry(conf.settings(None))
    yield made
    made.close()


@pytest.mark.parametrize("driver", ["haproxy", "apache"])
def test_a_daemon_of_a_destroyed_event_is_offered_at_the_second_audit_and_goes(
    driver: str, host: str, hall: Sentry
) -> None:
    event = Event.model_validate(
        {
            "event": NAME,
            "sites": {"nara": {"cloud": "private"}},
            "pools": {
                "web": {"site": "nara", "driver": "fake", "image": "i", "flavor": "f", "networks": ["n"], "pins": PINS}
            },
            "balancers": {
                "front": {"site": "nara", "driver": driver, "host": host, "port": PORT, "members": [{"pool": "web"}]}
            },
        }
    )
    assert hall.apply(event).outcome == "done"
    assert hall.audit(between=0) == ()
    assert hall.destroy(event).outcome == "done"
    there = Loader().at(("balancer", host, driver))
    try:
        there.act(
            CreateBalancer(
                unit="front", name=f"{NAME}-front", port=PORT, mark=Mark(event=NAME, unit="front", op="late")
            )
        )
        for passes in (1, 2):
            (line,) = hall.audit(between=0)
            assert (line.state, line.kind, line.event, line.driver, line.passes) == (
                "leak",
                "balancer",
                NAME,
                driver,
                passes,
            )
        assert [line.state for line in hall.audit(between=0, delete=True)] == ["deleted"]
        assert there.observe(BalancerScope(event=NAME)).balancers == ()
        assert hall.audit(between=0) == ()
    finally:
        hall.destroy(event)


PINS = [{"hypervisor": "xeon1", "count": 1, "weight": 1}]
