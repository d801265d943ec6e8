"""Stretches that are not there: ends in memory, with faults on order."""

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.stretch.fake.cloud import FakeStretches
from cloudsentry.drivers.stretch.fake.driver import FakeStretch

__all__ = ["FakeStretch", "FakeStretches", "FaultRule"]
