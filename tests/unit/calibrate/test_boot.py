"""Calibration on servers of its own: what is made for it, whose numbers they are, and that nothing of it stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudsentry.calibration import boot, calibrate
from cloudsentry.drivers.load.fake import FakeLoad
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.errors import UserError
from cloudsentry.sentry import Sentry
from cloudsentry.spec.load import load_text
from cloudsentry.testing.clock import JumpClock

from .test_calibrate import ASKED, EVENT
from .test_calibrate import sentry as sentry

SPARES = EVENT.replace("    networks: [front]\n", "    networks: [front]\n    spares: {count: 2}\n")


def marked(cloud: str = "calibrate-test") -> dict[str, int]:
    """Servers by event."""
    return {event: len(servers) for event, servers in FakeCloud.named(cloud).state.servers.items() if servers}


def test_an_event_beside_has_the_pool_alone_and_as_many_at_each_pin() -> None:
    event = boot.beside(load_text(SPARES, "summer.yaml"), "web", 4)
    assert event.event == "summer-cal"
    assert [pin.count for pin in event.pools["web"].pins] == [4, 4]
    assert (event.balancers, event.pools["web"].spares) == ({}, None)
    with pytest.raises(UserError, match="it has web"):
        boot.beside(load_text(SPARES, "summer.yaml"), "wbe", 4)
    with pytest.raises(UserError, match="at least 1"):
        boot.beside(load_text(SPARES, "summer.yaml"), "web", 0)


def test_servers_are_made_measured_under_the_event_s_name_and_removed(sentry: Sentry) -> None:
    standing = marked()
    found = boot.calibrate_booted(sentry, ASKED, 2, clock=JumpClock())
    assert {(one.event, one.unit, one.servers) for one in found} == {
        ("summer", unit, count) for unit in ("web@xeon1", "web@opteron1") for count in (1, 2)
    }
    # Past the event's own servers, on the port behind their balancer.
    own = {line.address for line in sentry.status("summer").servers}
    asked = {target for order in FakeLoad.orders for target in order.targets}
    assert not own & {target.address for target in asked}
    assert {target.port for target in asked} == {8080}
    assert marked() == standing
    assert {(one.unit, one.servers) for one in calibrate.kept(sentry, "summer", "web")} == {
        (one.unit, one.servers) for one in found
    }


def test_what_was_made_goes_also_where_nobody_answers(sentry: Sentry, monkeypatch: pytest.MonkeyPatch) -> None:
    standing = marked()
    silent = lambda self, order: replace(drive(self, order), responses=0.0, errors=1)  # noqa: E731
    drive = FakeLoad.drive
    monkeypatch.setattr(FakeLoad, "drive", silent)
    clock = JumpClock()
    began = clock.now()
    with pytest.raises(UserError, match="does not serve /image"):
        boot.calibrate_booted(sentry, ASKED, 1, clock=clock)
    assert clock.now() - began >= boot.PATIENCE
    assert marked() == standing
    assert calibrate.kept(sentry, "summer", "web") == ()
