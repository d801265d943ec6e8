"""Octavia's network driver of the lab: ports, subnets and networks are Neutron's own, amphorae have no machine to
plug.

What concerns the VIP goes to Octavia's driver for Neutron (allowed_address_pairs), what concerns an amphora's machine
to the in-tree noop driver. A VIP that is given back ends the balancer's namespace.
"""

import amphora
from octavia.network import base
from octavia.network.drivers.neutron.allowed_address_pairs import AllowedAddressPairsDriver
from octavia.network.drivers.noop_driver.driver import NoopNetworkDriver

REAL = (
    "allocate_vip",
    "get_subnet",
    "get_network",
    "get_network_by_name",
    "get_subnet_by_name",
    "get_port_by_name",
    "get_security_group",
    "get_qos_policy",
    "qos_enabled",
)
# Neutron's where Neutron has the port, noop's for the ports of machines that are none.
EITHER = ("get_port", "delete_port", "get_port_by_net_id_device_id")


class LabNet(NoopNetworkDriver):
    """The methods named above are added below the class."""

    def __init__(self):
        super().__init__()
        self.real = AllowedAddressPairsDriver()

    def deallocate_vip(self, vip):
        amphora.remove(vip.load_balancer_id)
        try:
            self.real.deallocate_vip(vip)
        except base.NetworkException:
            super().deallocate_vip(vip)


def _real(name):
    def method(self, *args, **kwargs):
        return getattr(self.real, name)(*args, **kwargs)

    return method


def _either(name):
    def method(self, *args, **kwargs):
        try:
            return getattr(self.real, name)(*args, **kwargs)
        except base.NetworkException:
            return getattr(NoopNetworkDriver, name)(self, *args, **kwargs)

    return method


for _names, _make in ((REAL, _real), (EITHER, _either)):
    for _name in _names:
        if hasattr(AllowedAddressPairsDriver, _name) and hasattr(NoopNetworkDriver, _name):
            setattr(LabNet, _name, _make(_name))
