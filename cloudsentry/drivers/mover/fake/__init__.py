"""The movers `image` and `warm` between two fake clouds: the same phases, on servers and images that are not there."""

from cloudsentry.drivers.mover.fake.driver import FakeMover, FakeWarmMover

__all__ = ["FakeMover", "FakeWarmMover"]
