"""Within one cloud, while it runs: Nova's own live migration to a named hypervisor, watched by its migration record.

``driver``  the contract: phases forwards and back
``ends``    what the driver needs of the cloud, as an interface
``calls``   that interface on Nova
"""

from cloudsentry.drivers.mover.live.driver import LiveMover

__all__ = ["LiveMover"]
