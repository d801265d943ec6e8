"""One function per request."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.drivers.stretch.neutron import SERVICE, Item
from cloudsentry.errors import Conflict
from cloudsentry.records.marks import Mark, event_tag

Options = Mapping[str, str]
VPNS = "/bgpvpn/bgpvpns"
FIELDS = {"networks": "network", "routers": "router"}
"""What may be associated: its collection, and how associations call one."""


def bgpvpns(cloud: Cloud, ids: list[str] | None = None) -> list[dict[str, Any]]:
    """Every BGPVPN that the account sees, or those of these ids, sorted by id. Neutron filters them by no id."""
    try:
        items = cloud.listed(SERVICE, VPNS, "bgpvpns")
    except Conflict as gone:
        if gone.status in (404, 410):  # the extension is not loaded, or not any more
            return []
        raise
    wanted = (item for item in items if ids is None or item["id"] in ids)
    return sorted(wanted, key=lambda item: str(item["id"]))


def association(cloud: Cloud, vpn: str, kind: str, id: str) -> str:
    """The path, below ``bgpvpns``, of the association of a network or router with a BGPVPN; empty where none is."""
    one = FIELDS[kind]
    path = f"{VPNS}/{vpn}/{one}_associations"
    try:
        items = cloud.listed(SERVICE, path, f"{one}_associations")
    except Conflict as gone:
        if gone.status in (404, 410):
            return ""
        raise
    found = next((item for item in items if item[f"{one}_id"] == id), None)
    return f"{vpn}/{one}_associations/{found['id']}" if found else ""


def associate(cloud: Cloud, vpn: str, kind: str, id: str) -> None:
    """The network or router is a part of the BGPVPN."""
    one = FIELDS[kind]
    cloud.post(SERVICE, f"{VPNS}/{vpn}/{one}_associations", {f"{one}_association": {f"{one}_id": id}})


def create_network(cloud: Cloud, mark: Mark, options: Options) -> dict[str, Any]:
    """A network of the project's usual kind. Its name is the unit, by which pools name it."""
    body: dict[str, Any] = {"name": mark.unit, "description": event_tag(mark.event)}
    if options.get("mtu"):
        body["mtu"] = int(options["mtu"])
    made: dict[str, Any] = cloud.post(SERVICE, "/networks", {"network": body})["network"]
    return made


def create_subnet(cloud: Cloud, network: str, mark: Mark, options: Options) -> dict[str, Any]:
    """Its one subnet. Layer 3: with a gateway, and the way to the far end as a host route. Layer 2: the addresses of
    the whole stretch, of which this end gives away its own share only.
    """
    cidr = ipaddress.ip_network(options["cidr"])
    body: dict[str, Any] = {
        "name": mark.unit,
        "description": event_tag(mark.event),
        "network_id": network,
        "ip_version": cidr.version,
        "cidr": str(cidr),
    }
    if options["mode"] == "l3":
        gateway = str(cidr[1])
        body |= {"gateway_ip": gateway, "host_routes": [{"destination": options["far_cidr"], "nexthop": gateway}]}
    else:
        first, last = options["allocation"].split("-")
        home = options.get("gateway") == "yes"
        body |= {
            "allocation_pools": [{"start": first, "end": last}],
            "gateway_ip": str(cidr[1]) if home else None,
            "enable_dhcp": home,
        }
    made: dict[str, Any] = cloud.post(SERVICE, "/subnets", {"subnet": body})["subnet"]
    return made


def subnets(cloud: Cloud, kind: str, item: Item) -> list[dict[str, Any]]:
    """The subnets of a network, or those on which a router has an interface, sorted by id; whoever made them."""
    if kind == "networks":
        found = cloud.listed(SERVICE, "/subnets", "subnets", params={"network_id": str(item["id"])})
    else:
        inner = interfaces(cloud, str(item["id"]))
        ids = sorted({str(ip["subnet_id"]) for port in inner for ip in port["fixed_ips"]})
        found = cloud.listed(SERVICE, "/subnets", "subnets", params={"id": ids}) if ids else []
    return sorted(found, key=lambda subnet: str(subnet["id"]))


def interfaces(cloud: Cloud, router: str) -> list[dict[str, Any]]:
    """A router's ports on its inner networks."""
    return _inner(cloud.listed(SERVICE, "/ports", "ports", params={"device_id": router}))


def routers_of(cloud: Cloud, network: str) -> set[str]:
    """The ids of the routers that have an interface on a network."""
    ports = _inner(cloud.listed(SERVICE, "/ports", "ports", params={"network_id": network}))
    return {str(port["device_id"]) for port in ports}


def _inner(ports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [port for port in ports if str(port.get("device_owner")).startswith("network:router_interface")]


def delete(cloud: Cloud, kind: str, id: str) -> None:
    """An association, a subnet or a network; gone is done."""
    cloud.delete(SERVICE, f"{VPNS}/{id}" if kind == "association" else f"/{kind}s/{id}")
