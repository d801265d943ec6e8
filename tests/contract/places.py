"""Where the contract is tried: a fake in memory, a cloud of the running lab, or a site of real libvirt."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.migration.sites import Sites
from cloudsentry.clouds import Cloud, hypervisors, open_cloud
from cloudsentry.drivers.balancer.base import BalancerDriver, BalancerScope
from cloudsentry.drivers.balancer.fake import FakeBalancers
from cloudsentry.drivers.pool.base import PoolDriver, PoolScope
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateBalancer, CreateServers, Order, Progress, Template

LAB = Path(os.environ.get("CLOUDSENTRY_LAB_DIR", "~/.local/share/cloudsentry/lab")).expanduser()
HYPERVISOR = {"fake": "xeon1", "lab": "private-xeon1", "libvirt": "xeon1"}
LOOKS = 40
SECONDS = 90.0


@dataclasses.dataclass
class Place:
    """A cloud, the driver under test, and how many calls were sent there."""

    kind: str
    cloud: str
    make: Callable[[], Any]
    writes: Callable[[], int]
    event: str = dataclasses.field(default_factory=lambda: f"contract-{uuid.uuid4().hex[:8]}")
    driver: Any = None

    def __post_init__(self) -> None:
        self.driver = self.make()

    @property
    def hypervisor(self) -> str:
        return HYPERVISOR[self.kind]

    def mark(self, unit: str) -> Mark:
        return Mark(event=self.event, unit=unit, op=uuid.uuid4().hex[:12])

    def servers(self, unit: str = "front", count: int = 1, **pin: str) -> CreateServers:
        template = Template(
            image="tiny", flavor="m1.tiny", networks=("front",), user_data="#!/bin/sh\nsecret=hunter2\n"
        )
        name = f"{self.event}-{unit}"
        return CreateServers(unit=unit, name=name, count=count, template=template, mark=self.mark(unit), **pin)

    def balancer(self, unit: str = "lb") -> CreateBalancer:
        return CreateBalancer(unit=unit, name=f"{self.event}-{unit}", network="front", mark=self.mark(unit))

    def view(self, **asked: Any) -> Any:
        scope = PoolScope if isinstance(self.driver, PoolDriver) else BalancerScope
        return self.driver.observe(scope(event=self.event, **asked))

    def until(self, order: Order) -> Progress:
        """Look until an order has ended; a fake's time passes by looking, a lab's by the clock."""
        started, pause = time.monotonic(), threading.Event()
        for look in range(LOOKS if self.kind == "fake" else 10_000):
            progress = order.progress(self.view(groups=True) if isinstance(self.driver, PoolDriver) else self.view())
            if progress.state != "waiting":
                return progress
            assert self.kind == "fake" or time.monotonic() - started < SECONDS, (
                f"{order} after {look} looks: {progress}"
            )
            if self.kind != "fake":
                pause.wait(0.5)
        raise AssertionError(f"{order} waits still after {LOOKS} looks")

    def done(self, order: Order) -> None:
        """Act, and wait for the good end."""
        self.driver.act(order)
        progress = self.until(order)
        assert progress.state == "done", progress


def fake_pool(driver: type[PoolDriver]) -> Place:
    cloud = f"fake-{uuid.uuid4().hex[:8]}"
    return Place("fake", cloud, lambda: driver(cloud), lambda: FakeCloud.named(cloud).state.writes)


def fake_balancer(driver: type[BalancerDriver]) -> Place:
    cloud = f"fake-{uuid.uuid4().hex[:8]}"
    return Place("fake", cloud, lambda: driver(cloud), lambda: FakeBalancers.named(cloud).state.writes)


@functools.cache
def _sites() -> Sites:
    """Two sites with real hypervisors, for as long as the tests run."""
    sites = Sites(Path(tempfile.mkdtemp(prefix="cloudsentry-sites-")))
    atexit.register(sites.clear)
    sites.up()
    return sites


def libvirt(driver: type[Any]) -> Place:
    """A site of real libvirt. What it needs and is not there is a failure."""
    sites = _sites()
    os.environ[hypervisors.VARIABLE] = str(sites.config)
    return Place("libvirt", "home", lambda: driver("home"), lambda: len(sites.domains("home")))


def lab(driver: type[Any]) -> Place:
    """The lab's private cloud, as its administrator. A lab that is not there is a failure."""
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(LAB / "clouds.yaml")
    opened: dict[str, Cloud] = {}

    def connect(name: str) -> Cloud:
        if name not in opened:
            opened[name] = open_cloud(name)
        return opened[name]

    return Place(
        "lab", "private", lambda: driver("private", connect=connect), lambda: connect("private").calls().writes
    )
