"""The source's own way: the file that each front server delivers names the image server; k of n fronts are rewritten.

``driver``       the two methods of the contract
``proportions``  wanted shares → how many fronts for whom, and their weights at the front balancer
``wording``      a file's text with another image server
``fronts``       the front servers: their files, what was kept of them, their weights
"""

from cloudsentry.drivers.steering.reference.driver import ReferenceSteering

__all__ = ["ReferenceSteering"]
