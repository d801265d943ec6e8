"""Neutron's VPN as a service: an IPsec tunnel between subnets of the two sites.

``driver`` the contract: observe and act
``calls``  one function per request, and the strong settings
``read``   Neutron's JSON to ends
``guard``  what is refused before anything is made
``keys``   the pre-shared key: made once, kept in a file of the owner's alone, named by reference
"""

from cloudsentry.drivers.stretch.vpnaas.driver import VpnaasStretch

__all__ = ["VpnaasStretch"]
