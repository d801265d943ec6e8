"""Live moves between libvirt hosts that share no control plane, memory and where needed disks, peer to peer.

``driver``   the contract: check, advance, undo
``ends``     what is asked of the two sites, one look or one write each
``watching`` when a migration that is under way is to be helped, or asked for differently
``perform``  the program that waits for a migration's answer, so that the driver need not
"""

from cloudsentry.drivers.mover.libvirt.driver import LibvirtMover

__all__ = ["LibvirtMover"]
