"""Balancers that are not there: Octavia's semantics in memory, with faults on order."""

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.balancer.fake.cloud import FakeBalancers
from cloudsentry.drivers.balancer.fake.driver import FakeBalancer

__all__ = ["FakeBalancer", "FakeBalancers", "FaultRule"]
