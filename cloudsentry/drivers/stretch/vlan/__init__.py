"""Wide-area VLAN: the same provider segment in both clouds, its addresses split between them.

``driver`` the contract: observe and act
``calls``  one function per request
``read``   Neutron's JSON to ends
``guard``  what is refused before anything is made
"""

from cloudsentry.drivers.stretch.vlan.driver import VlanStretch

__all__ = ["VlanStretch"]
