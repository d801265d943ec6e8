"""Whether two clouds' networks of one name are one layer 2. Reads only."""

from __future__ import annotations

from typing import Any

from cloudsentry.clouds import Cloud

_SEGMENT = ("provider:network_type", "provider:segmentation_id", "provider:physical_network")


def joined(source: Cloud, target: Cloud, name: str) -> bool:
    """Whether both have a network of this name with a common CIDR and, where it may be seen, the same segment.

    An operator who gives two unrelated networks the same name, CIDR and VLAN is believed.
    """
    near, far = network(source, name), network(target, name)
    if near is None or far is None:
        return False
    shown = [key for key in _SEGMENT if near.get(key) is not None and far.get(key) is not None]
    return all(near[key] == far[key] for key in shown) and bool(cidrs(source, near["id"]) & cidrs(target, far["id"]))


def network(cloud: Cloud, name: str) -> dict[str, Any] | None:
    """The network of that name or id, or None where there is none, or more than one."""
    found = cloud.listed("network", "/networks", "networks", params={"name": name})
    found = found or cloud.listed("network", "/networks", "networks", params={"id": name})
    return found[0] if len(found) == 1 else None


def cidrs(cloud: Cloud, network_id: str) -> set[str]:
    """The CIDRs of a network's subnets."""
    found = cloud.listed("network", "/subnets", "subnets", params={"network_id": network_id})
    return {str(one["cidr"]) for one in found}
