"""What bears a mark of ours on one cloud and no pool or balancer driver lists: networks, ports, VPNs, images.

For the audit alone: it lists the account's own things of every kind and picks those with a mark of any event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloudsentry.clouds.session import Cloud
from cloudsentry.errors import Conflict, Denied, NotSupported
from cloudsentry.records.marks import PREFIX, Mark

NETWORK = {
    "VPN connection": ("/vpn/ipsec-site-connections", "ipsec_site_connections"),
    "VPN endpoint group": ("/vpn/endpoint-groups", "endpoint_groups"),
    "VPN service": ("/vpn/vpnservices", "vpnservices"),
    "IKE policy": ("/vpn/ikepolicies", "ikepolicies"),
    "IPsec policy": ("/vpn/ipsecpolicies", "ipsecpolicies"),
    "trunk": ("/trunks", "trunks"),
    "port": ("/ports", "ports"),
    "router": ("/routers", "routers"),
    "subnet": ("/subnets", "subnets"),
    "network": ("/networks", "networks"),
    "security group": ("/security-groups", "security_groups"),
}
"""Neutron's kinds, in the order in which they may be deleted: path, and key of its list."""

KINDS = ("image", *NETWORK)
"""Every kind, in the order in which they may be deleted."""

EVENT = f"{PREFIX}-event="
SERVER = f"{PREFIX}-server="
MOVE = f"{PREFIX}-move-"
"""How the name of what a move makes begins, from the create on; the id of its call is behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """One thing of ours. ``server`` is the id of the server that a port was made for, where its tags say so."""

    kind: str
    id: str
    name: str
    mark: Mark
    server: str = ""


def marked(cloud: Cloud) -> tuple[Marked, ...]:
    """Everything of every kind, in the order of `KINDS`; a kind that the cloud does not have is left out.

    Thirteen lists at the most, read only. Raises `DriverError`.
    """
    found = list(_those(cloud.listed, "image", "/images", "images", {"owner": cloud.project()}))
    for kind, (path, key) in NETWORK.items():
        try:
            found += _those(cloud.listed, kind, path, key, {"project_id": cloud.project()})
        except (NotSupported, Denied):
            continue
        except Conflict as error:
            if error.status not in (404, 410):  # an extension that is not loaded
                raise
    return tuple(found)


def remove(cloud: Cloud, kind: str, id: str) -> None:
    """Delete one by its exact id; gone is done. Raises `Conflict` while something else still uses it."""
    if kind == "image":
        cloud.delete("image", f"/images/{id}")
        return
    if kind == "router":
        for port in cloud.listed("network", "/ports", "ports", params={"device_id": id}):
            if str(port.get("device_owner", "")).startswith("network:router_interface"):
                cloud.put("network", f"/routers/{id}/remove_router_interface", {"port_id": port["id"]})
    cloud.delete("network", f"{NETWORK[kind][0]}/{id}")


def _those(
    listed: Callable[..., list[dict[str, Any]]], kind: str, path: str, key: str, params: dict[str, str]
) -> Iterator[Marked]:
    service = "image" if kind == "image" else "network"
    for item in listed(service, path, key, params=params):
        mark = mark_of(kind, item)
        if mark is not None:
            tags = [str(tag) for tag in item.get("tags") or ()]
            server = next((tag.removeprefix(SERVER) for tag in tags if tag.startswith(SERVER)), "")
            yield Marked(kind=kind, id=str(item["id"]), name=str(item.get("name") or ""), mark=mark, server=server)


def mark_of(kind: str, item: Mapping[str, Any]) -> Mark | None:
    """The mark in an image's properties or in tags; until those are there, what description or name tell from the
    create on. A move's name does not tell the event.
    """
    name, told = str(item.get("name") or ""), str(item.get("description") or "")
    if kind == "image":
        found = Mark.from_metadata({key: str(value) for key, value in item.items()})
    else:
        found = Mark.from_tags(str(tag) for tag in item.get("tags") or ())
    if found is None and name.startswith(MOVE):
        return Mark(event="", unit=name, op=name.removeprefix(MOVE).partition("-")[0])
    if found is None and told.startswith(EVENT):
        return Mark(event=told.removeprefix(EVENT), unit=name.partition("/")[0])
    return found
