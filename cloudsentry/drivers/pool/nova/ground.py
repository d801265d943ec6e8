"""What there is room for: Nova's limits, Neutron's quota of ports, free addresses, clock and credentials."""

from __future__ import annotations

from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.drivers.pool.nova import calls
from cloudsentry.drivers.pool.nova.names import Names
from cloudsentry.drivers.pool.nova.quota import LIMITS
from cloudsentry.errors import Conflict, Denied, NotSupported
from cloudsentry.records.ground import Ground, Limit, Room


def observe(cloud: Cloud, names: Names) -> Ground:
    """Four calls at the most; what the account may not see, or the cloud does not have, is left out.

    ``names`` has looked the scope's names up before.
    """
    flavors, images = names.sizes()
    return Ground(
        limits=(*_compute(cloud), *_ports(cloud)),
        flavors=flavors,
        images=images,
        rooms=_rooms(cloud, names.networks_by_id()),
        skew=cloud.skew,
        until=_until(cloud),
    )


def _compute(cloud: Cloud) -> tuple[Limit, ...]:
    found = cloud.get("compute", "/limits", microversion=calls.version(cloud))["limits"]["absolute"]
    return tuple(
        Limit(kind=kind, limit=int(found.get(most, -1)), used=int(found.get(in_use, 0)))
        for kind, (most, in_use) in LIMITS.items()
        if in_use
    )


def _ports(cloud: Cloud) -> tuple[Limit, ...]:
    try:
        port = cloud.get("network", f"/quotas/{cloud.project()}/details.json")["quota"]["port"]
    except (Conflict, Denied, NotSupported):
        return ()
    return (Limit(kind="ports", limit=int(port["limit"]), used=int(port["used"]) + int(port["reserved"])),)


def _rooms(cloud: Cloud, networks: dict[str, str]) -> tuple[Room, ...]:
    """By default an administrator's right; others learn of a full subnet when Neutron refuses a port."""
    if not networks:
        return ()
    try:
        items = cloud.listed("network", "/network-ip-availabilities", "network_ip_availabilities")
    except (Conflict, Denied, NotSupported):
        return ()
    rooms = [
        Room(network=networks[item["network_id"]], free=min(free.values()))
        for item in items
        if item["network_id"] in networks and (free := _free(item))
    ]
    return tuple(sorted(rooms, key=lambda room: room.network))


def _free(network: dict[str, Any]) -> dict[int, int]:
    """Free addresses by IP version: a port takes one of each, from whichever subnet has one."""
    free: dict[int, int] = {}
    for subnet in network["subnet_ip_availability"]:
        left = max(0, int(subnet["total_ips"]) - int(subnet["used_ips"]))
        free[int(subnet["ip_version"])] = free.get(int(subnet["ip_version"]), 0) + left
    return free


def _until(cloud: Cloud) -> str:
    try:
        return cloud.until()
    except (Conflict, Denied, NotSupported):
        return ""
