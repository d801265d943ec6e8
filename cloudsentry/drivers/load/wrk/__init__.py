"""wrk 4 on a host: ``driver`` the contract's method, ``report.lua`` its script."""

from cloudsentry.drivers.load.wrk.driver import WrkLoad

__all__ = ["WrkLoad"]
