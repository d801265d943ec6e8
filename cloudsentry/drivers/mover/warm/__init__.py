"""With the disk, most of which is copied while the server runs: only changed blocks cross the path after it stops.

``driver``  the rounds before the stop; the rest is `image`
"""

from cloudsentry.drivers.mover.warm.driver import WarmMover

__all__ = ["WarmMover"]
