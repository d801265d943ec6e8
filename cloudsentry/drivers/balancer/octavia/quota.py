"""Octavia answers 403 for a used-up quota and for a missing right alike: its quotas tell which it was."""

from __future__ import annotations

from cloudsentry.clouds import Cloud
from cloudsentry.drivers.balancer.octavia.calls import SERVICE
from cloudsentry.errors import Denied, DriverError, NoCapacity

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
