"""The address of a balancer that servers carry: a port that belongs to no server keeps it, their ports may use it."""

from __future__ import annotations

from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.clouds.marked import mark_of
from cloudsentry.drivers.balancer.pair.place import Carrier
from cloudsentry.errors import NotSupported
from cloudsentry.records.marks import Mark, event_tag
from cloudsentry.records.orders import CreateBalancer

OWNER = "cloudsentry:balancer"
NOVA = "2.64"
"""Compute microversion: the filter on tags is older (2.26)."""


def kept(cloud: Cloud, event: str, device: str) -> list[tuple[Mark, dict[str, Any]]]:
    """The ports that keep addresses of an event, or of every one, with their marks; by id.

    ``device`` says which driver's they are, on which pool.
    """
    params: dict[str, Any] = {"device_owner": OWNER, "device_id": device, "project_id": cloud.project()}
    if event:
        params["description"] = event_tag(event)
    found = sorted(cloud.listed("network", "/ports", "ports", params=params), key=lambda port: str(port["id"]))
    return [(mark, port) for port in found if (mark := mark_of("port", port)) is not None]


def vip(port: dict[str, Any]) -> str:
    """The address that a port keeps."""
    return str(port["fixed_ips"][0]["ip_address"])


def keep(cloud: Cloud, order: CreateBalancer, device: str) -> dict[str, Any]:
    """The port of a balancer: the one that is there, or a new one that tells its event from the create on."""
    known = kept(cloud, order.mark.event, device)
    standing = next((port for mark, port in known if mark.unit == order.unit), None)
    if standing is None:
        network = _network(cloud, order.network)
        fixed = {"ip_address": order.address} if order.address else {}
        if order.subnet:
            fixed["subnet_id"] = _id(cloud, "subnets", order.subnet)
        body: dict[str, Any] = {
            "name": order.unit,
            "network_id": network,
            "device_owner": OWNER,
            "device_id": device,
            "description": event_tag(order.mark.event),
        }
        if fixed:
            body["fixed_ips"] = [fixed]
        standing = dict(cloud.post("network", "/ports", {"port": body})["port"])
    if not set(order.mark.tags()) <= set(standing.get("tags") or ()):
        cloud.put("network", f"/ports/{standing['id']}/tags", {"tags": sorted(order.mark.tags())})
    return standing


def share(cloud: Cloud, port: dict[str, Any], carriers: tuple[Carrier, ...]) -> None:
    """Each carrier's port on the network of the address may use it as well."""
    address = vip(port)
    for carrier in carriers:
        params = {"device_id": carrier.id, "network_id": str(port["network_id"])}
        for own in cloud.listed("network", "/ports", "ports", params=params):
            pairs = [{"ip_address": pair["ip_address"]} for pair in own.get("allowed_address_pairs") or ()]
            if address not in [pair["ip_address"] for pair in pairs]:
                body = {"port": {"allowed_address_pairs": [*pairs, {"ip_address": address}]}}
                cloud.put("network", f"/ports/{own['id']}", body)


def carriers(cloud: Cloud, event: str, pool: str) -> tuple[Carrier, ...]:
    """The servers of a pool that are ACTIVE and have an address, by name."""
    params = {"tags": event_tag(event)}
    found = cloud.listed("compute", "/servers/detail", "servers", params=params, microversion=NOVA)
    made = []
    for server in found:
        mark = Mark.from_metadata(server.get("metadata") or {})
        addresses = [one["addr"] for network in (server.get("addresses") or {}).values() for one in network]
        if mark is None or mark.event != event or mark.unit.split("@")[0] != pool or not addresses:
            continue
        if server["status"] == "ACTIVE" and server.get("OS-EXT-STS:task_state") != "deleting":
            made.append(Carrier(id=str(server["id"]), name=str(server["name"]), address=str(addresses[0])))
    return tuple(sorted(made, key=lambda carrier: (carrier.name, carrier.id)))


def console(cloud: Cloud, carrier: Carrier) -> str:
    """What a server has written to its console."""
    body: dict[str, Any] = {"os-getConsoleOutput": {}}
    return str(cloud.ask("compute", f"/servers/{carrier.id}/action", body)["output"] or "")


def missing(cloud: Cloud, networks: tuple[str, ...]) -> tuple[str, ...]:
    """Named networks that are not there."""
    lines = []
    for name in networks:
        try:
            _network(cloud, name)
        except NotSupported:
            lines.append(f"network '{name}'")
    return tuple(lines)


def _network(cloud: Cloud, name: str) -> str:
    return _id(cloud, "networks", name)


def _id(cloud: Cloud, kind: str, name: str) -> str:
    for key in ("name", "id"):
        found = cloud.listed("network", f"/{kind}", kind, params={key: name})
        if found:
            return str(found[0]["id"])
    raise NotSupported(f"there is no {kind[:-1]} {name!r}", cloud=cloud.name)
