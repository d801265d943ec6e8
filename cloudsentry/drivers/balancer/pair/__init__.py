"""HAProxy or Apache on servers of the event's own: a pool carries the balancer, and one address goes with who is alive.

``driver``      the two methods of the contract, over the drivers of one host
``place``       which pool of which cloud, and how its servers are reached
``address``     the address: a port that keeps it, and the servers' right to it
``keepalived``  who has it now
"""

from cloudsentry.drivers.balancer.pair.driver import ApachePair, HaproxyPair

__all__ = ["ApachePair", "HaproxyPair"]
