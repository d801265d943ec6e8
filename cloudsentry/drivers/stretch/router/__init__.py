"""The network-based model: a group of servers and their own small router move together, and keep their addresses.

The home end is the driver `gateway`'s pair with layer 3; the far end is one router of the same program, on the group's
hypervisor, which registers at the home end from wherever it is (WireGuard's roaming).
"""

from cloudsentry.drivers.stretch.router.driver import RouterStretch

__all__ = ["RouterStretch"]
