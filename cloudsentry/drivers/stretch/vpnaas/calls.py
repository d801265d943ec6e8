"""One function per request, and the strong settings."""

from __future__ import annotations

from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.drivers.stretch.neutron import SERVICE, Item
from cloudsentry.errors import Conflict, Denied, NotSupported
from cloudsentry.records.marks import Mark, event_tag

STRONG = {
    "auth_algorithm": "sha256",
    "encryption_algorithm": "aes-256",
    "pfs": "group14",
}
"""For both phases; the services' own defaults are SHA-1, AES-128 and group 5. group14: 2048 bits (RFC 3526)."""

KINDS = {
    "connection": ("ipsec-site-connections", "ipsec_site_connection"),
    "endpoint-group": ("endpoint-groups", "endpoint_group"),
    "service": ("vpnservices", "vpnservice"),
    "ikepolicy": ("ikepolicies", "ikepolicy"),
    "ipsecpolicy": ("ipsecpolicies", "ipsecpolicy"),
}
"""In the order in which they may be deleted: path below /vpn, and key of one."""


def listed(cloud: Cloud, kind: str, event: str) -> list[dict[str, Any]]:
    """The event's objects of a kind, sorted by id: their descriptions say so, for they have no tags."""
    path, key = KINDS[kind]
    plural = "ikepolicies" if key == "ikepolicy" else "ipsecpolicies" if key == "ipsecpolicy" else f"{key}s"
    items = cloud.listed(SERVICE, f"/vpn/{path}", plural, params={"project_id": cloud.project()})
    return sorted((item for item in items if item.get("description") == event_tag(event)), key=_id)


def _id(item: Item) -> str:
    return str(item["id"])


def create(cloud: Cloud, kind: str, mark: Mark, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """One VPN object."""
    path, key = KINDS[kind]
    whole = {"name": name, "description": event_tag(mark.event), **body}
    made: dict[str, Any] = cloud.post(SERVICE, f"/vpn/{path}", {key: whole})[key]
    return made


def rekey(cloud: Cloud, connection: str, psk: str) -> None:
    """The connection has this key from now on."""
    cloud.put(SERVICE, f"/vpn/ipsec-site-connections/{connection}", {"ipsec_site_connection": {"psk": psk}})


def create_router(cloud: Cloud, mark: Mark, external: str) -> dict[str, Any]:
    """A router with a gateway on the external network; its tags, set by a second call, are the end's whole mark."""
    body = {
        "name": mark.unit,
        "description": event_tag(mark.event),
        "external_gateway_info": {"network_id": external},
    }
    made: dict[str, Any] = cloud.post(SERVICE, "/routers", {"router": body})["router"]
    return made


def interfaces(cloud: Cloud, router: str) -> list[dict[str, Any]]:
    """The router's ports on its inner networks."""
    ports = cloud.listed(SERVICE, "/ports", "ports", params={"device_id": router})
    inner = [port for port in ports if str(port["device_owner"]).startswith("network:router_interface")]
    return sorted(inner, key=_id)


def heard_of(cloud: Cloud, router: str) -> bool | None:
    """Whether Neutron hears of an agent that carries the router; None where it does not say so to this account."""
    try:
        agents = cloud.listed(SERVICE, f"/routers/{router}/l3-agents", "agents")
    except (Denied, Conflict, NotSupported):  # an administrator's question, or no scheduler of agents
        return None
    return any(bool(agent.get("alive")) for agent in agents) if agents else None


def plug(cloud: Cloud, router: str, subnet: str) -> None:
    """The router has an interface on the subnet."""
    cloud.put(SERVICE, f"/routers/{router}/add_router_interface", {"subnet_id": subnet})


def unplug(cloud: Cloud, router: str, port: str) -> None:
    """The router's interface is gone."""
    cloud.put(SERVICE, f"/routers/{router}/remove_router_interface", {"port_id": port})


def delete(cloud: Cloud, kind: str, id: str) -> None:
    """A VPN object or a router; gone is done."""
    cloud.delete(SERVICE, f"/vpn/{KINDS[kind][0]}/{id}" if kind in KINDS else f"/{kind}s/{id}")
