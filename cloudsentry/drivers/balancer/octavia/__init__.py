"""Balancers on Octavia: made with one call, all members and weights set with one.

``driver``  the contract: observe and act
``calls``   one function per request
``read``    Octavia's JSON to views
``members`` the batch: ours as ordered, the others as they are
``quota``   what a 403 means
"""

from cloudsentry.drivers.balancer.octavia.driver import OctaviaBalancer

__all__ = ["OctaviaBalancer"]
