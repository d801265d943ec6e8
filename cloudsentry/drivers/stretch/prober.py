"""A small server on an end that has no server of its own, so that packets say whether the stretch is alive.

Its address is the last of its end's share, and the far end's is the last of the other share: both are known before
anything is made. It needs no metadata service, which a network without a router may not reach.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.drivers.stretch.gateway import boot, calls, read
from cloudsentry.drivers.stretch.neutron import SERVICE
from cloudsentry.errors import Busy
from cloudsentry.records.marks import Mark, event_tag

NAME = "probe"
TAG = "cloudsentry-probed"
"""Tag of a network on which there is to be a prober: the others need not be asked for one."""
FILES = ("machine", "probe", "prober")
NEEDS = ("ip:iproute2", "ping:iputils-ping", "python3:python3")


def wanted(options: Mapping[str, str]) -> bool:
    """Whether an end is told to have one."""
    return bool(options.get("image") and options.get("far_probe"))


def server(cloud: Cloud, event: str, unit: str) -> dict[str, Any] | None:
    """The prober of a unit, or None."""
    return next((one for one in calls.servers(cloud, event) if one["name"] == f"{event}-{unit}-{NAME}"), None)


def port(cloud: Cloud, event: str, unit: str) -> dict[str, Any] | None:
    """The prober's port, or None."""
    params: dict[str, str | int | list[str]] = {"description": event_tag(event), "name": f"{unit}-{NAME}"}
    found = cloud.listed(SERVICE, "/ports", "ports", params={**params, "project_id": cloud.project()})
    return found[0] if found else None


def keep(cloud: Cloud, mark: Mark, network: Mapping[str, Any], options: Mapping[str, str]) -> None:
    """It is there; what came up in ERROR is made anew. Raises `Busy` for that."""
    standing = server(cloud, mark.event, mark.unit)
    if standing is not None and standing["status"] == "ERROR":
        calls.delete(cloud, "server", str(standing["id"]))
        raise Busy(f"prober {standing['name']} is made anew", cloud=cloud.name)
    if standing is not None:
        if standing["status"] == "SHUTOFF":
            calls.start(cloud, str(standing["id"]))
        return
    body = {
        "network_id": network["id"],
        "fixed_ips": [{"ip_address": options["probe"]}],
        "port_security_enabled": False,
    }
    made = port(cloud, mark.event, mark.unit) or calls.create_port(cloud, mark, f"{mark.unit}-{NAME}", body)
    config = {
        "mac": made["mac_address"],
        "near": options["probe"],
        "far": options["far_probe"],
        "mtu": int(network["mtu"]),
        "prefix": ipaddress.ip_network(options["cidr"]).prefixlen,
    }
    wish: dict[str, Any] = {
        "name": f"{mark.event}-{mark.unit}-{NAME}",
        "imageRef": calls.image(cloud, options["image"]),
        "flavorRef": calls.flavor(cloud, options["flavor"]),
        "networks": [{"port": made["id"]}],
        "config_drive": True,
    }
    if options.get("zone"):
        wish["availability_zone"] = options["zone"]
    script = boot.script(config, program="prober", files=FILES, needs=NEEDS)
    calls.create_server(cloud, mark, wish, user_data=script)


def objects(cloud: Cloud, event: str, unit: str) -> tuple[tuple[str, str], ...]:
    """What there is of it, in the order in which it may be deleted."""
    parts = (("server", server(cloud, event, unit)), ("port", port(cloud, event, unit)))
    return tuple((kind, str(item["id"])) for kind, item in parts if item is not None)


def on(network: Mapping[str, Any]) -> bool:
    """Whether a network says that it has one."""
    return TAG in (network.get("tags") or ())


def told(cloud: Cloud, standing: Mapping[str, Any]) -> str:
    """What it has printed."""
    return calls.console(cloud, str(standing["id"]))


seen = read.probe
"""What of that counts: `Probe`, or None."""

delete = calls.delete
"""One of its objects is gone."""
