"""Shares by DNS answers: PowerDNS by its API, or Designate on a cloud that has it.

``driver``    the two methods of the contract
``answers``   wanted shares → record sets; pure
``powerdns``  LUA records that choose by weight, one change for all record sets
``designate`` each address stands once in the answer, so shares are parts of the number of addresses
"""

from cloudsentry.drivers.steering.dns.driver import DnsSteering

__all__ = ["DnsSteering"]
