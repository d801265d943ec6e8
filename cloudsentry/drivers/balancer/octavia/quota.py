"""Octavia answers 403 for a used-up quota and for a missing right alike: its quotas tell which it was."""

from __future__ import annotations

from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.drivers.balancer.octavia.calls import SERVICE
from cloudsentry.errors import Conflict, Denied, DriverError, NoCapacity, NotSupported
from cloudsentry.records.ground import Ground, Limit

CREATED = {
    "load_balancer": "loadbalancers",
    "listener": "listeners",
    "pool": "pools",
    "health_monitor": "healthmonitors",
}
"""What a create asks for, one each: the quota's key and the collection."""


def explained(cloud: Cloud, denied: Denied, *, members: int = 0) -> DriverError:
    """`NoCapacity` with the number that ran out, or the refusal as it was. ``members``: how many a pool shall have."""
    try:
        project = cloud.project()
        quota = cloud.get(SERVICE, f"/lbaas/quotas/{project}")["quota"]
        if members:
            full = 0 <= int(quota["member"]) < members
            text = f"the quota of members is {quota['member']}, {members} are asked for" if full else ""
        else:
            text = "; ".join(filter(None, (_over(cloud, project, kind, int(quota[kind])) for kind in CREATED)))
    except DriverError:
        return denied
    return NoCapacity(text, cloud=cloud.name, status=denied.status) if text else denied


def _over(cloud: Cloud, project: str, kind: str, limit: int) -> str:
    if limit < 0:
        return ""
    path = CREATED[kind]
    used = len(cloud.listed(SERVICE, f"/lbaas/{path}", path, params={"fields": "id", "project_id": project}))
    return f"the quota of {path} is {limit}, {used} are used and one more is asked for" if used >= limit else ""


ROOMS = {
    "load_balancer": ("load balancers", "loadbalancers"),
    "listener": ("listeners", "listeners"),
    "pool": ("pools", "pools"),
    "health_monitor": ("health monitors", "healthmonitors"),
}
"""Quotas that a balancer needs: what people call it, and the collection."""


def ground(cloud: Cloud) -> Ground:
    """The quotas and what is used of them; what has no limit is not counted. What may not be seen is left out."""
    try:
        project = cloud.project()
        quota = cloud.get(SERVICE, f"/lbaas/quotas/{project}")["quota"]
        limits = [
            Limit(kind=kind, limit=int(quota[key]), used=len(_ids(cloud, project, path)))
            for key, (kind, path) in ROOMS.items()
            if int(quota[key]) >= 0
        ]
        if int(quota["member"]) >= 0:
            pools = cloud.listed(SERVICE, "/lbaas/pools", "pools", params={"project_id": project})
            used = sum(len(pool.get("members") or ()) for pool in pools)
            limits.append(Limit(kind="members", limit=int(quota["member"]), used=used))
    except (Conflict, Denied, NotSupported):
        return Ground()
    return Ground(limits=tuple(limits))


def _ids(cloud: Cloud, project: str, path: str) -> list[dict[str, Any]]:
    return cloud.listed(SERVICE, f"/lbaas/{path}", path, params={"fields": "id", "project_id": project})
