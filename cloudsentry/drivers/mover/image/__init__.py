"""Cold, with the disk: stopped at the source, its snapshot copied, booted from it at the target.

``driver``  the contract: phases forwards and back
``ends``    what the driver needs of the two clouds, as an interface
``calls``   that interface on Nova, Glance and Neutron
``stream``  an image's bytes from one Glance to the other, resumed where the download is cut
"""

from cloudsentry.drivers.mover.image.driver import ImageMover

__all__ = ["ImageMover"]
