"""A pair of small gateway servers per end, and WireGuard between the pairs: needs no operator's help.

``driver`` the contract: observe and act
``calls``  one function per request
``boot``   the gateway's program, as user data
``figures`` addresses, MTU and identifiers, computed
``read``   JSON to ends
``guard``  what is refused before anything is made
``inside`` what runs in the gateways
"""

from cloudsentry.drivers.stretch.gateway.driver import GatewayStretch

__all__ = ["GatewayStretch"]
