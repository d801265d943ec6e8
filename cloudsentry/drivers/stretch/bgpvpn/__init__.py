"""An operator's BGPVPN: networks, or a router, of both sites become a part of the operator's own VPN.

``driver`` the contract: observe and act
``calls``  one function per request
``tags``   what a network or router says of itself, since an association can bear no mark
``read``   Neutron's JSON to ends
``guard``  what is refused before anything is made
"""

from cloudsentry.drivers.stretch.bgpvpn.driver import BgpvpnStretch

__all__ = ["BgpvpnStretch"]
