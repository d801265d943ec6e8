"""Load that nobody sees."""

from cloudsentry.drivers.load.fake.driver import FakeLoad

__all__ = ["FakeLoad"]
