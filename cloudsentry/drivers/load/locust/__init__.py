"""locust, distributed: ``driver`` the contract's method, ``crowd`` the file that locust runs."""

from cloudsentry.drivers.load.locust.driver import LocustLoad

__all__ = ["LocustLoad"]
