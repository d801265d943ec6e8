"""Servers on libvirt hosts without OpenStack, as the source had them: sites of hypervisors.yaml.

``driver``  the contract: observe and act
``calls``   one function per thing that is asked of libvirt
``placing`` which host, which address
"""

from cloudsentry.drivers.pool.libvirt.driver import LibvirtPool

__all__ = ["LibvirtPool"]
