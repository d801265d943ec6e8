"""httperf on a host: the source's own tool. ``driver`` the contract's method."""

from cloudsentry.drivers.load.httperf.driver import HttperfLoad

__all__ = ["HttperfLoad"]
