"""A hall over the fake drivers, an event in it, and a clock that is set by hand."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

from cloudsentry.conf import ExecutorSettings, HookSettings, JournalSettings, OwnershipSettings, Settings
from cloudsentry.drivers.balancer.fake import FakeBalancers
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.scaling.scale import Scaler
from cloudsentry.sentry import Sentry
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import load_text
from cloudsentry.testing.clock import JumpClock

START = dt.datetime(2026, 8, 21, 4, 0, tzinfo=dt.UTC)
EVENT = """
event: summer
calendar:
  timezone: Asia/Tokyo
  from: 2026-08-07
  until: 2026-08-21
  matches:
    - {match: final, start: 2026-08-21 13:00, crowd: 2000, uncertainty: 0.25}
sites: {nara: {cloud: scale-test}}
pools:
  front:
    site: nara
    driver: fake
    image: tiny
    flavor: nano
    networks: [front]
    pins:
      - {hypervisor: xeon1, count: 1, weight: 10}
      - {hypervisor: opteron1, count: 1, weight: 10}
  static:
    site: nara
    driver: fake
    image: tiny
    flavor: nano
    networks: [front]
    pins: [{hypervisor: xeon2, count: 1}]
balancers:
  front:
    site: nara
    driver: fake
    network: front
    members: [{pool: front}]
scaling:
  front: {least: 2, most: 8, per_server: 500}
"""


@dataclass
class Wall:
    """What time it is."""

    now: dt.datetime = START - dt.timedelta(days=1)

    def __call__(self) -> dt.datetime:
        return self.now

    def forward(self, **passed: float) -> None:
        self.now += dt.timedelta(**passed)


def settings(folder: Path, hook: HookSettings | None = None) -> Settings:
    return Settings(
        state=folder,
        journal=JournalSettings(connection=f"sqlite:///{folder / 'journal.sqlite'}"),
        ownership=OwnershipSettings(backend_url=f"file://{folder / 'locks'}", lease=30),
        executor=ExecutorSettings(settle=0.0),
        hook=hook or HookSettings(),
    )


@dataclass
class Stage:
    folder: Path
    hook: HookSettings = field(default_factory=HookSettings)
    wall: Wall = field(default_factory=Wall)
    text: str = EVENT

    def __post_init__(self) -> None:
        FakeCloud.forget()
        FakeBalancers.forget()
        self.settings = settings(self.folder, self.hook)
        self.clock = JumpClock()
        self.sentry = Sentry(self.settings, clock=self.clock)
        self.scaler = Scaler(self.sentry, wall=self.wall)

    def applied(self) -> Event:
        """The event, up."""
        event = load_text(self.text, "summer.yaml")
        assert self.sentry.apply(event).outcome == "done"
        return event

    def active(self, pool: str = "front") -> dict[str, int]:
        """Active servers by hypervisor, as the cloud has them."""
        found: dict[str, int] = {}
        for line in self.sentry.status("summer").servers:
            if line.unit.startswith(f"{pool}@") and line.status == "ACTIVE":
                found[line.hypervisor] = found.get(line.hypervisor, 0) + 1
        return found

    def members(self) -> int:
        """Members behind the balancer that get traffic."""
        (balancer,) = self.sentry.status("summer").balancers
        return sum(weight > 0 for _, weight, _ in balancer.members)
