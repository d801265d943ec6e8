"""A conversion host: a machine beside the target's Glance that keeps what has come of a disk.

Glance takes an image's bytes by one PUT: it can neither go on with an upload that was cut nor make an image of one
that it has and of what has changed since. Whoever keeps the bytes beside it can do both. The host is the operator's
(any machine with ``sh`` and Python 3.7, by ssh); it is named by ``conversion_host`` in the cloud's entry of
clouds.yaml. Nothing is installed on it: the program comes with the call.

``depot``   the disk's way there, block by block
``inside``  what runs there
"""

from cloudsentry.drivers.mover.conversion.depot import BLOCK, Depot, Sent, depot_of

__all__ = ["BLOCK", "Depot", "Sent", "depot_of"]
