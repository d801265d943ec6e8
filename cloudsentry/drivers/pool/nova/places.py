"""Hypervisors as an administrator sees them: services, aggregates, and Placement's traits and room.

Five calls for a whole cloud, whatever its size in hosts (pages aside), and one more per trait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.clouds.names import missing
from cloudsentry.drivers.pool.base import PoolScope
from cloudsentry.drivers.pool.nova import calls
from cloudsentry.errors import Denied, NotSupported
from cloudsentry.records.views import Hypervisor, Server

PLACEMENT = "1.36"
"""Placement's newest microversion of 2020: summaries with traits (1.17), providers by trait (1.18)."""

HYPERVISORS = "2.87"
"""From 2.88 on Nova asks every compute host for its uptime when it lists them."""

ROOM = {"VCPU": "free_vcpus", "MEMORY_MB": "free_ram", "DISK_GB": "free_disk"}

EXACT_MAX = 16
"""Most hosts asked one by one for their room; beyond it what the one call does not tell stays unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What was found: ``allowed`` False where the account may not see hypervisors at all."""

    hypervisors: tuple[Hypervisor, ...] = ()
    allowed: bool = True
    missing: tuple[str, ...] = ()


def observe(cloud: Cloud, scope: PoolScope) -> Places:
    """The hypervisors that the scope's pins name or could resolve to."""
    version = calls.version(cloud)
    try:
        services = cloud.get("compute", "/os-services", params={"binary": "nova-compute"}, microversion=version)
        aggregates = cloud.get("compute", "/os-aggregates", microversion=version)["aggregates"]
        nodes = cloud.listed("compute", "/os-hypervisors/detail", "hypervisors", microversion=HYPERVISORS)
    except Denied:
        return Places(allowed=False)
    by_host = {service["host"]: service for service in services["services"]}
    providers = {str(node["id"]): node["service"]["host"] for node in nodes}
    traits = {trait: _with_trait(cloud, trait, providers) for trait in scope.traits}
    wanted = _wanted(scope, by_host, aggregates, traits)
    room = _room(cloud, {id: host for id, host in providers.items() if host in wanted})
    return Places(
        hypervisors=tuple(_hypervisor(by_host[host], aggregates, traits, room.get(host)) for host in sorted(wanted)),
        missing=_missing(scope, by_host, aggregates, traits),
    )


def awaited(cloud: Cloud, servers: tuple[Server, ...]) -> tuple[Server, ...]:
    """The servers; those in BUILD that no hypervisor has taken up, and never will, read as in ERROR.

    Nova hands a pinned server's build to its hypervisor as a message, and forgets about it: where that has gone silent
    meanwhile the server stays as it is. Asked only while some wait; who may not see services is told nothing.
    """
    waiting = {server.id: pinned_to(server) for server in servers if server.status == "BUILD" and not server.hypervisor}
    if not any(waiting.values()):
        return servers
    try:
        services = cloud.get("compute", "/os-services", params={"binary": "nova-compute"})["services"]
    except Denied:
        return servers
    silent = {service["host"] for service in services if service["state"] != "up"}
    return tuple(
        replace(server, status="ERROR", fault=f"its hypervisor {waiting[server.id]} went down before it was made")
        if waiting.get(server.id) in silent
        else server
        for server in servers
    )


def pinned_to(server: Server) -> str:
    """The hypervisor (or other place) that a server's unit names: ``front@xeon2,for:front@xeon1`` names xeon2."""
    return server.mark.unit.partition("@")[2].partition(",")[0]


def _wanted(
    scope: PoolScope, hosts: Mapping[str, Any], aggregates: list[dict[str, Any]], traits: Mapping[str, set[str] | None]
) -> set[str]:
    wanted = set(scope.hypervisors)
    for aggregate in aggregates:
        if aggregate["name"] in scope.aggregates:
            wanted |= set(aggregate["hosts"])
    for of_trait in traits.values():
        wanted |= of_trait or set()
    return wanted & set(hosts)


def _hypervisor(
    service: Mapping[str, Any],
    aggregates: list[dict[str, Any]],
    traits: Mapping[str, set[str] | None],
    room: Mapping[str, Any] | None,
) -> Hypervisor:
    host = service["host"]
    of_placement = set((room or {}).get("traits", ()))
    return Hypervisor(
        name=host,
        up=service["state"] == "up" and not service.get("forced_down", False),
        enabled=service["status"] == "enabled",
        zone=service.get("zone") or "",
        aggregates=tuple(sorted(aggregate["name"] for aggregate in aggregates if host in aggregate["hosts"])),
        traits=tuple(sorted(of_placement | {trait for trait, hosts in traits.items() if hosts and host in hosts})),
        **{field: int((room or {}).get(kind, -1)) for kind, field in ROOM.items()},
    )


def _with_trait(cloud: Cloud, trait: str, providers: Mapping[str, str]) -> set[str] | None:
    """The hosts that have a trait; None where Placement does not know it."""
    try:
        items = cloud.listed(
            "placement",
            "/resource_providers",
            "resource_providers",
            params={"required": trait},
            microversion=PLACEMENT,
        )
    except NotSupported:
        return None
    return {providers[item["uuid"]] for item in items if item["uuid"] in providers}


def _room(cloud: Cloud, providers: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Free resources and traits by host. What the one call leaves out is full or has no VCPU: those are asked."""
    try:
        body = cloud.get("placement", "/allocation_candidates", params={"resources": "VCPU:1"}, microversion=PLACEMENT)
        summaries = body["provider_summaries"]
        known = {host: _summary(summaries[id]) for id, host in providers.items() if id in summaries}
        left = [(id, host) for id, host in sorted(providers.items()) if host not in known]
        return known | {host: _exact(cloud, id) for id, host in left[:EXACT_MAX]}
    except (Denied, NotSupported):
        return {}


def _summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    free = {kind: max(0, int(of["capacity"]) - int(of["used"])) for kind, of in summary["resources"].items()}
    return {**free, "traits": summary.get("traits", [])}


def _exact(cloud: Cloud, id: str) -> dict[str, Any]:
    path = f"/resource_providers/{id}"
    inventories = cloud.get("placement", f"{path}/inventories", microversion=PLACEMENT)["inventories"]
    usages = cloud.get("placement", f"{path}/usages", microversion=PLACEMENT)["usages"]
    traits = cloud.get("placement", f"{path}/traits", microversion=PLACEMENT)["traits"]
    free = {
        kind: max(0, int((of["total"] - of["reserved"]) * of["allocation_ratio"]) - int(usages.get(kind, 0)))
        for kind, of in inventories.items()
    }
    return {**free, "traits": traits}


def _missing(
    scope: PoolScope, hosts: Mapping[str, Any], aggregates: list[dict[str, Any]], traits: Mapping[str, set[str] | None]
) -> tuple[str, ...]:
    named = [aggregate["name"] for aggregate in aggregates]
    return (
        *(missing("hypervisor", name, hosts) for name in scope.hypervisors if name not in hosts),
        *(missing("aggregate", name, named) for name in scope.aggregates if name not in named),
        *(f"trait {trait!r}" for trait in scope.traits if traits[trait] is None),
        *(f"hypervisor with trait {trait!r}" for trait in scope.traits if traits[trait] == set()),
    )
