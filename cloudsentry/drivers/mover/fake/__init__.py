"""The mover `image` between two fake clouds: the same phases, on servers and images that are not there."""

from cloudsentry.drivers.mover.fake.driver import FakeMover

__all__ = ["FakeMover"]
