"""Servers that are not there: Nova's semantics in memory, with faults on order."""

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.pool.fake.cloud import FakeCloud
from cloudsentry.drivers.pool.fake.driver import FakePool
from cloudsentry.drivers.pool.fake.scheduling import FakeHypervisor

__all__ = ["FakeCloud", "FakeHypervisor", "FakePool", "FaultRule"]
