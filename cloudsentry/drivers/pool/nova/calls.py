"""The requests: one function each, JSON in and out, nothing decided."""

from __future__ import annotations

import base64
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.errors import NotSupported
from cloudsentry.records.marks import PREFIX, event_tag, port_tag
from cloudsentry.records.orders import CreateServerGroup, CreateServers

NEWEST = (2, 96)
"""The newest compute microversion this module was written against (2024.1)."""

OLDEST = (2, 64)
"""Server groups with rules (2.64); tags at create (2.52) and the filter on them (2.26) are older."""

PIN = (2, 74)
"""A server may name its ``host`` at create from here on."""

GROUP_PAGE = 100
"""Server groups page by offset, without links; a page shorter than this is the last."""


TAGS_PAGE = 50
"""Servers whose ports are asked for at once: 50 tags are 3 kB of URL, less than any proxy refuses."""


def microversion(cloud: Cloud) -> tuple[int, int]:
    """The compute microversion to use: the cloud's newest, at most `NEWEST`."""
    offered = cloud.newest("compute")
    if offered < OLDEST:
        raise NotSupported(
            f"Nova offers microversion {_text(offered)}; {_text(OLDEST)} is the least that will do", cloud=cloud.name
        )
    return min(offered, NEWEST)


def version(cloud: Cloud) -> str:
    """`microversion` as the header wants it."""
    return _text(microversion(cloud))


def servers(cloud: Cloud, event: str) -> list[dict[str, Any]]:
    """The event's (or, without a name, every event's) servers of the account's own project, in full."""
    tag = event_tag(event) if event else PREFIX
    return cloud.listed("compute", "/servers/detail", "servers", params={"tags": tag}, microversion=version(cloud))


def server(cloud: Cloud, id: str) -> dict[str, Any]:
    """One server."""
    found: dict[str, Any] = cloud.get("compute", f"/servers/{id}", microversion=version(cloud))["server"]
    return found


def groups(cloud: Cloud) -> list[dict[str, Any]]:
    """The project's server groups."""
    found: list[dict[str, Any]] = []
    while True:
        page = cloud.get(
            "compute",
            "/os-server-groups",
            params={"offset": len(found)} if found else None,
            microversion=version(cloud),
        )["server_groups"]
        found += page
        if len(page) < GROUP_PAGE:
            return found


def create_servers(cloud: Cloud, body: dict[str, Any]) -> None:
    """One POST for all servers of an order."""
    cloud.post("compute", "/servers", body, microversion=version(cloud))


def servers_body(
    order: CreateServers, *, image: str, flavor: str, networks: tuple[str, ...], group: str
) -> dict[str, Any]:
    """The body of the create: names resolved to ids, ``group`` the server group's id or empty."""
    template = order.template
    wish: dict[str, Any] = {
        "name": order.name,
        "imageRef": image,
        "flavorRef": flavor,
        "min_count": order.count,
        "max_count": order.count,
        "networks": [{"uuid": network} for network in networks] or "none",
        "metadata": dict(template.metadata) | order.mark.metadata(),
        "tags": [PREFIX, event_tag(order.mark.event)],
    }
    if template.security_groups:
        wish["security_groups"] = [{"name": name} for name in template.security_groups]
    if template.key_name:
        wish["key_name"] = template.key_name
    if template.user_data:
        wish["user_data"] = base64.b64encode(template.user_data.encode()).decode()
    if template.config_drive:
        wish["config_drive"] = True
    if order.hypervisor:
        wish["host"] = order.hypervisor
    if order.zone:
        wish["availability_zone"] = order.zone
    return {"server": wish} | ({"os:scheduler_hints": {"group": group}} if group else {})


def create_group(cloud: Cloud, order: CreateServerGroup) -> None:
    """One server group, with its rule where the policy knows one."""
    wish: dict[str, Any] = {"name": order.name, "policy": order.policy}
    if order.policy == "anti-affinity":
        wish["rules"] = {"max_server_per_host": order.max_per_host}
    cloud.post("compute", "/os-server-groups", {"server_group": wish}, microversion=version(cloud))


def delete_server(cloud: Cloud, id: str) -> None:
    """One server; gone is done."""
    cloud.delete("compute", f"/servers/{id}", microversion=version(cloud))


def delete_ports_made_for(cloud: Cloud, servers: tuple[str, ...]) -> None:
    """Ports that a move made beforehand, to keep an address and a MAC: Nova does not take them along."""
    for first in range(0, len(servers), TAGS_PAGE):
        tags = ",".join(port_tag(id) for id in servers[first : first + TAGS_PAGE])
        for port in cloud.listed("network", "/ports", "ports", params={"tags-any": tags, "fields": "id"}):
            cloud.delete("network", f"/ports/{port['id']}")


def delete_group(cloud: Cloud, id: str) -> None:
    """One server group; gone is done."""
    cloud.delete("compute", f"/os-server-groups/{id}", microversion=version(cloud))


WAKE = {"stopped": {"os-start": None}, "paused": {"unpause": None}, "shelved": {"unshelve": None}}
REST = {"stopped": {"os-stop": None}, "paused": {"pause": None}, "shelved": {"shelve": None}}
"""The bodies of the actions, by how a server rests."""

UNSHELVE_AT = (2, 91)
"""A server that is offloaded may name its host when it comes back from here on."""


def wake_server(cloud: Cloud, id: str, rest: str, hypervisor: str = "") -> None:
    """Ask a server that rests to run; ``hypervisor`` only for one that is offloaded."""
    body = {"unshelve": {"host": hypervisor}} if hypervisor else WAKE[rest]
    cloud.post("compute", f"/servers/{id}/action", body, microversion=version(cloud))


def rest_server(cloud: Cloud, id: str, rest: str) -> None:
    """Ask a server that runs to rest."""
    cloud.post("compute", f"/servers/{id}/action", REST[rest], microversion=version(cloud))


def _text(of: tuple[int, int]) -> str:
    return f"{of[0]}.{of[1]}"
