"""Servers on Nova, pinned to hypervisors by the administrator's rights or to zones without any.

``driver``  the contract: observe and act
``calls``   one function per request
``read``    Nova's JSON to views
``names``   names to ids, and what is not there
``places``  hypervisors: up, enabled, zone, aggregates, traits, room
``quota``   what a 403 means
``ground``  what there is room for
``reasons`` why servers are in ERROR
"""

from cloudsentry.drivers.pool.nova.driver import NovaPool

__all__ = ["NovaPool"]
