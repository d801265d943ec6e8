"""One function per request."""

from __future__ import annotations

import base64
import ipaddress
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.clouds.names import missing
from cloudsentry.drivers.stretch.neutron import SERVICE
from cloudsentry.errors import Conflict, NotSupported
from cloudsentry.records.marks import PREFIX, Mark, event_tag

Item = dict[str, Any]

PINNED = "2.74"
"""From here on a server's create may name its ``host``."""

NOVA = "2.64"
"""Compute microversion: server groups have rules from here on, tags at create are older (2.52)."""

OWNER = "cloudsentry:shared"
"""Device owner of the ports that only keep an address for the pair."""


def server_tag(event: str) -> str:
    """Another tag than that of pools' servers: gateways belong to no pool. 60 characters at most, as Nova's tags."""
    return f"{PREFIX}-stretch={event}"


def servers(cloud: Cloud, event: str) -> list[Item]:
    """The event's gateways, in full, by name."""
    found = cloud.listed("compute", "/servers/detail", "servers", params={"tags": server_tag(event)}, microversion=NOVA)
    return sorted(found, key=lambda server: (str(server["name"]), str(server["id"])))


def create_network(cloud: Cloud, mark: Mark, mtu: int) -> Item:
    """A network of the account's own, of whatever kind the cloud gives. Its name is the unit; pools name it by that."""
    body = {"name": mark.unit, "description": event_tag(mark.event), "mtu": mtu}
    made: Item = cloud.post(SERVICE, "/networks", {"network": body})["network"]
    return made


def create_subnet(cloud: Cloud, network: str, mark: Mark, options: dict[str, str]) -> Item:
    """The network's one subnet. Layer 2: all addresses, of which this end gives away its share; layer 3: its own."""
    cidr = ipaddress.ip_network(options["cidr"])
    body: Item = {
        "name": mark.unit,
        "description": event_tag(mark.event),
        "network_id": network,
        "ip_version": cidr.version,
        "cidr": str(cidr),
        "gateway_ip": None,
        "enable_dhcp": True,
    }
    if options.get("allocation"):
        first, last = options["allocation"].split("-")
        body["allocation_pools"] = [{"start": first, "end": last}]
    if options["mode"] == "l3":
        body["allocation_pools"] = [{"start": str(cidr[2]), "end": str(cidr[-2])}]
        body["host_routes"] = [{"destination": options["far_cidr"], "nexthop": str(cidr[1])}]
    made: Item = cloud.post(SERVICE, "/subnets", {"subnet": body})["subnet"]
    return made


def create_port(cloud: Cloud, mark: Mark, name: str, body: Item) -> Item:
    """A port of the gateways."""
    whole = {"name": name, "description": event_tag(mark.event), **body}
    made: Item = cloud.post(SERVICE, "/ports", {"port": whole})["port"]
    return made


def create_group(cloud: Cloud, mark: Mark) -> Item:
    """A security group, which lets everything out and so far nothing in."""
    body = {"name": mark.unit, "description": event_tag(mark.event)}
    made: Item = cloud.post(SERVICE, "/security-groups", {"security_group": body})["security_group"]
    return made


def allow(cloud: Cloud, group: str, rule: Item) -> None:
    """A rule for what may come in; one that is there is there."""
    body = {"security_group_id": group, "direction": "ingress", "ethertype": "IPv4", **rule}
    try:
        cloud.post(SERVICE, "/security-group-rules", {"security_group_rule": body})
    except Conflict as conflict:
        if conflict.status != 409:
            raise


def disallow(cloud: Cloud, rule: str) -> None:
    """The rule is gone."""
    cloud.delete(SERVICE, f"/security-group-rules/{rule}")


def server_groups(cloud: Cloud, name: str) -> list[Item]:
    """The project's server groups of a name: it holds event and unit, for they have no tags."""
    found = cloud.get("compute", "/os-server-groups", params={"limit": 1000}, microversion=NOVA)["server_groups"]
    return [group for group in found if group["name"] == name]


def create_server_group(cloud: Cloud, name: str) -> Item:
    """Its servers are on different hypervisors."""
    wish = {"name": name, "policy": "anti-affinity", "rules": {"max_server_per_host": 1}}
    made: Item = cloud.post("compute", "/os-server-groups", {"server_group": wish}, microversion=NOVA)["server_group"]
    return made


def image(cloud: Cloud, name: str) -> str:
    """The id of an image. Raises `NotSupported` where there is none of that name."""
    found = cloud.listed("image", "/images", "images", params={"name": name}) or cloud.listed(
        "image", "/images", "images", params={"id": f"in:{name}"}
    )
    if not found:
        known = (str(item["name"]) for item in cloud.listed("image", "/images", "images"))
        raise NotSupported(f"there is no {missing('image', name, known)}", cloud=cloud.name)
    return str(found[0]["id"])


def flavor(cloud: Cloud, name: str) -> str:
    """The id of a flavor. Raises `NotSupported` where there is none of that name."""
    items = cloud.listed("compute", "/flavors", "flavors", microversion=NOVA)
    found = next((item for item in items if name in (item["name"], item["id"])), None)
    if found is None:
        raise NotSupported(
            f"there is no {missing('flavor', name, (str(item['name']) for item in items))}", cloud=cloud.name
        )
    return str(found["id"])


def create_server(cloud: Cloud, mark: Mark, wish: Item, *, user_data: str, group: str = "") -> None:
    """A gateway on its ports, in a server group where one is named."""
    body = {
        **wish,
        "user_data": base64.b64encode(user_data.encode()).decode(),
        "tags": [PREFIX, server_tag(mark.event)],
        "metadata": {**mark.metadata(), **wish.get("metadata", {})},
    }
    hints = {"os:scheduler_hints": {"group": group}} if group else {}
    version = PINNED if "host" in wish else NOVA
    cloud.post("compute", "/servers", {"server": body, **hints}, microversion=version)


def tell(cloud: Cloud, server: str, metadata: dict[str, str]) -> None:
    """The gateway reads this of its metadata from now on; what else is there stays."""
    cloud.post("compute", f"/servers/{server}/metadata", {"metadata": metadata}, microversion=NOVA)


def attach(cloud: Cloud, server: str, port: str) -> None:
    """The running server gets this port too."""
    body = {"interfaceAttachment": {"port_id": port}}
    cloud.post("compute", f"/servers/{server}/os-interface", body, microversion=NOVA)


def detach(cloud: Cloud, server: str, port: str) -> None:
    """The server has the port no longer; that it had is asked of Neutron."""
    cloud.delete("compute", f"/servers/{server}/os-interface/{port}", microversion=NOVA)


def port(cloud: Cloud, id: str) -> Item:
    """A port as it is now."""
    found: Item = cloud.get(SERVICE, f"/ports/{id}")["port"]
    return found


def start(cloud: Cloud, server: str) -> None:
    """Ask a stopped gateway to start."""
    cloud.post("compute", f"/servers/{server}/action", {"os-start": None}, microversion=NOVA)


def console(cloud: Cloud, server: str, lines: int = 40) -> str:
    """The last lines of a gateway's console; empty where the cloud has none just now."""
    body = {"os-getConsoleOutput": {"length": lines}}
    try:
        found = cloud.ask("compute", f"/servers/{server}/action", body, microversion=NOVA)
    except (Conflict, NotSupported):  # not booted so far, or a hypervisor without consoles
        return ""
    return str((found or {}).get("output") or "")


def delete(cloud: Cloud, kind: str, id: str) -> None:
    """One object by its id; gone is done."""
    if kind == "server":
        cloud.delete("compute", f"/servers/{id}", microversion=NOVA)
    elif kind == "server-group":
        cloud.delete("compute", f"/os-server-groups/{id}", microversion=NOVA)
    else:
        cloud.delete(SERVICE, f"/{kind}s/{id}")
