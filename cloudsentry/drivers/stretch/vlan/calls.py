"""One function per request."""

from __future__ import annotations

import ipaddress
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.drivers.stretch import prober
from cloudsentry.drivers.stretch.neutron import SERVICE
from cloudsentry.records.marks import Mark, event_tag

Options = dict[str, str]


def create_network(cloud: Cloud, mark: Mark, options: Options) -> dict[str, Any]:
    """One network on the segment. Its name is the unit, by which pools name it."""
    body: dict[str, Any] = {
        "name": mark.unit,
        "description": event_tag(mark.event),
        "provider:network_type": "vlan",
        "provider:physical_network": options["physical_network"],
        "provider:segmentation_id": int(options["vlan"]),
    }
    if options.get("mtu"):
        body["mtu"] = int(options["mtu"])
    made: dict[str, Any] = cloud.post(SERVICE, "/networks", {"network": body})["network"]
    return made


def create_subnet(cloud: Cloud, network: str, mark: Mark, options: Options) -> dict[str, Any]:
    """The network's one subnet: all of the addresses, of which this end gives away its own share only."""
    cidr = ipaddress.ip_network(options["cidr"])
    first, last = options["allocation"].split("-")
    home = options.get("gateway") == "yes"
    body = {
        "name": mark.unit,
        "description": event_tag(mark.event),
        "network_id": network,
        "ip_version": cidr.version,
        "cidr": str(cidr),
        "allocation_pools": [{"start": first, "end": last}],
        "gateway_ip": str(cidr[1]) if home else None,
        "enable_dhcp": home,
    }
    made: dict[str, Any] = cloud.post(SERVICE, "/subnets", {"subnet": body})["subnet"]
    return made


def ports(cloud: Cloud, network: str) -> list[dict[str, Any]]:
    """What is plugged into a network, whoever plugged it."""
    fields = ["id", "device_owner", "device_id", "fixed_ips"]
    return cloud.listed(SERVICE, "/ports", "ports", params={"network_id": network, "fields": fields})


def delete(cloud: Cloud, kind: str, id: str) -> None:
    """A subnet, a network, a prober or its port; gone is done."""
    if kind == "server":
        prober.delete(cloud, kind, id)
        return
    cloud.delete(SERVICE, f"/{kind}s/{id}")
