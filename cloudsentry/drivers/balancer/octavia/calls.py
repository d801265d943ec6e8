"""The requests: one function each, JSON in and out, nothing decided."""

from __future__ import annotations

from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.records.marks import PREFIX, event_tag
from cloudsentry.records.orders import CreateBalancer, Monitor

SERVICE = "load-balancer"
STATS = "/lbaas/loadbalancers/{}/stats"


def balancers(cloud: Cloud, event: str, unit: str = "") -> list[dict[str, Any]]:
    """The event's load balancers, or the one of a unit; without a name every event's."""
    tags = (event_tag(event) if event else PREFIX) + (f",{PREFIX}-unit={unit}" if unit else "")
    return cloud.listed(SERVICE, "/lbaas/loadbalancers", "loadbalancers", params={"tags": tags})


def balancer(cloud: Cloud, id: str) -> dict[str, Any]:
    """One load balancer."""
    found: dict[str, Any] = cloud.get(SERVICE, f"/lbaas/loadbalancers/{id}")["loadbalancer"]
    return found


def pools(cloud: Cloud, event: str) -> list[dict[str, Any]]:
    """The event's pools; without a name every event's."""
    return cloud.listed(SERVICE, "/lbaas/pools", "pools", params={"tags": event_tag(event) if event else PREFIX})


def members(cloud: Cloud, pool: str) -> list[dict[str, Any]]:
    """A pool's members, whoever made them."""
    return cloud.listed(SERVICE, f"/lbaas/pools/{pool}/members", "members")


def stats(cloud: Cloud, balancer: str) -> dict[str, int]:
    """Connections open now and since it was made, and bytes, as Octavia counts them."""
    return {key: int(value) for key, value in cloud.get(SERVICE, STATS.format(balancer))["stats"].items()}


def providers(cloud: Cloud) -> list[str]:
    """The names of the enabled providers."""
    return [str(item["name"]) for item in cloud.listed(SERVICE, "/lbaas/providers", "providers")]


def create(cloud: Cloud, body: dict[str, Any]) -> None:
    """One POST for balancer, listener, pool and monitor."""
    cloud.post(SERVICE, "/lbaas/loadbalancers", body)


def create_body(order: CreateBalancer, *, network: str, subnet: str) -> dict[str, Any]:
    """The fully populated create: everything tagged, ids of the VIP's network and subnet (either may be empty)."""
    tags = list(order.mark.tags())
    pool: dict[str, Any] = {
        "name": order.name,
        "protocol": order.protocol,
        "lb_algorithm": order.algorithm,
        "tags": tags,
    }
    if order.monitor:
        pool["healthmonitor"] = _monitor(order.name, order.monitor, tags)
    listener = {
        "name": order.name,
        "protocol": order.protocol,
        "protocol_port": order.port,
        "default_pool": pool,
        "tags": tags,
    }
    vip = {"vip_network_id": network, "vip_subnet_id": subnet, "vip_address": order.address}
    return {
        "loadbalancer": {
            "name": order.name,
            "tags": tags,
            "listeners": [listener],
            **{name: value for name, value in (*vip.items(), ("provider", order.provider)) if value},
        }
    }


def _monitor(name: str, monitor: Monitor, tags: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": name,
        "type": monitor.type,
        "delay": monitor.delay,
        "timeout": monitor.timeout,
        "max_retries": monitor.retries,
        "tags": tags,
    }
    return body | ({"url_path": monitor.path} if monitor.type in ("HTTP", "HTTPS") else {})


def set_members(cloud: Cloud, pool: str, members: list[dict[str, Any]]) -> None:
    """One PUT that makes the pool's members exactly these."""
    cloud.put(SERVICE, f"/lbaas/pools/{pool}/members", {"members": members})


def delete(cloud: Cloud, id: str) -> None:
    """A balancer with all that hangs on it; gone is done."""
    cloud.delete(SERVICE, f"/lbaas/loadbalancers/{id}", params={"cascade": "true"})
