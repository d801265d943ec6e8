"""Neutron's VPN as a service: an IPsec tunnel between subnets of the two sites.

``driver`` the contract: observe and act
``calls``  one function per request, and the strong settings
``read``   Neutron's JSON to ends
``guard``  what is refused before anything is made
"""

from cloudsentry.drivers.stretch.vpnaas.driver import VpnaasStretch

__all__ = ["VpnaasStretch"]
