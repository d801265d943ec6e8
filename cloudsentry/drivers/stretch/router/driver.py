"""The stretch driver `router`."""

from __future__ import annotations

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.drivers.stretch.base import StretchDriver, StretchScope
from cloudsentry.drivers.stretch.gateway import GatewayStretch
from cloudsentry.records.stretching import StretchOrder, StretchView


class RouterStretch(StretchDriver):
    """One end: at home a pair of gateways, elsewhere a group's network with its router, on a named hypervisor.

    Needs what `gateway` needs and, for the router, the right to name a hypervisor (Nova 2.74).
    """

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._name = cloud
        self._ends = GatewayStretch(cloud, connect=connect, driver="router")

    def __repr__(self) -> str:
        return f"RouterStretch({self._name!r})"

    def observe(self, scope: StretchScope) -> StretchView:
        """As the contract says."""
        return self._ends.observe(scope)

    def act(self, order: StretchOrder) -> None:
        """As the contract says."""
        self._ends.act(order)
