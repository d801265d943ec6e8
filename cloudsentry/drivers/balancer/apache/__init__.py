"""Apache's mod_proxy_balancer on a balancer host, as in the source; an instance of its own per balancer.

``driver``   the two methods of the contract
``render``   an instance and its members → a configuration
``program``  which Apache the host has, and where its modules are
``console``  the balancer-manager: what stands, and one post per member that changes
"""

from cloudsentry.drivers.balancer.apache.driver import ApacheBalancer

__all__ = ["ApacheBalancer"]
