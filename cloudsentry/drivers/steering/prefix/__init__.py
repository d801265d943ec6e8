"""By the client's network or the AS that it comes from: a map file of the operator's HAProxy, longest match first.

``driver``  the two methods of the contract
``table``   prefixes and their origin ASes, as integers: a million in seconds
``maps``    a table and wanted shares → the map's lines, and the shares that they give
"""

from cloudsentry.drivers.steering.prefix.driver import PrefixSteering

__all__ = ["PrefixSteering"]
