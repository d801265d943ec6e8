"""Steerings that are not there: shares in memory, with faults on order."""

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.steering.fake.driver import FakeSteering
from cloudsentry.drivers.steering.fake.means import FakeSteers

__all__ = ["FakeSteering", "FakeSteers", "FaultRule"]
