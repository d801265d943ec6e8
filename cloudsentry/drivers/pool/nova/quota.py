"""Nova answers 403 for a used-up quota and for a missing right alike: the limits tell which it was."""

from __future__ import annotations

from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.drivers.pool.nova import calls
from cloudsentry.drivers.pool.nova.names import Flavor
from cloudsentry.errors import Denied, DriverError, NoCapacity
from cloudsentry.records.views import ServerGroup

LIMITS = {
    "instances": ("maxTotalInstances", "totalInstancesUsed"),
    "cores": ("maxTotalCores", "totalCoresUsed"),
    "ram": ("maxTotalRAMSize", "totalRAMUsed"),
    "server groups": ("maxServerGroups", "totalServerGroupsUsed"),
    "server group members": ("maxServerGroupMembers", ""),
}
"""What runs out: its limit and its use in ``GET /limits`` (members: the group tells); -1 is no limit."""


def explained(cloud: Cloud, denied: Denied, *, asked: dict[str, int], ports: int = 0) -> DriverError:
    """`NoCapacity` with the number that ran out, or the refusal as it was."""
    try:
        limits = cloud.get("compute", "/limits", microversion=calls.version(cloud))["limits"]["absolute"]
        used_up = [text for kind, more in asked.items() for text in _over(kind, limits, more)]
        used_up += _ports(cloud, ports) if ports and not used_up else []
    except DriverError:
        return denied
    if not used_up:
        return denied
    return NoCapacity("; ".join(used_up), cloud=cloud.name, status=denied.status)


def of_servers(count: int, flavor: Flavor, group: ServerGroup | None) -> dict[str, int]:
    """What so many servers of a flavor ask for; in a group, with those that it has."""
    asked = {"instances": count, "cores": count * flavor.vcpus, "ram": count * flavor.ram}
    return asked | ({"server group members": count + len(group.members)} if group else {})


def _over(kind: str, limits: dict[str, Any], more: int) -> list[str]:
    most, in_use = LIMITS[kind]
    limit, used = int(limits.get(most, -1)), int(limits.get(in_use, 0))
    return [_sentence(kind, limit, used, more)] if 0 <= limit < used + more else []


def _ports(cloud: Cloud, more: int) -> list[str]:
    """Nova passes Neutron's port quota on as its own 403."""
    port = cloud.get("network", f"/quotas/{cloud.project()}/details.json")["quota"]["port"]
    limit, used = int(port["limit"]), int(port["used"]) + int(port["reserved"])
    return [_sentence("ports", limit, used, more)] if 0 <= limit < used + more else []


def _sentence(kind: str, limit: int, used: int, more: int) -> str:
    return f"the quota of {kind} is {limit}, {used} are used and {more} more are asked for"
