"""HAProxy 2.6 or newer on a balancer host, an instance of its own per balancer.

``driver``   the two methods of the contract
``render``   an instance and its members → a configuration
``runtime``  the socket: what stands, and batches of commands
``changes``  what stands and what is wanted → the batch
"""

from cloudsentry.drivers.balancer.haproxy.driver import HaproxyBalancer

__all__ = ["HaproxyBalancer"]
