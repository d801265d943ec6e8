"""What a server has that its new cloud must have as well, or that cannot go along: every reason at once. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.drivers.mover.networks import network
from cloudsentry.errors import Conflict, NotSupported
from cloudsentry.records.marks import PREFIX
from cloudsentry.records.moving import MoveOrder

COMPUTE = "2.74"
SIZES = (("vcpus", "VCPUs"), ("ram", "MiB of memory"), ("disk", "GiB of disk"))


def reasons(near: Cloud, far: Cloud, server: dict[str, Any], order: MoveOrder) -> tuple[str, ...]:
    """One sentence per reason why the server cannot move with its disk."""
    told = f"server {order.name or server['name']}"
    found = (
        *_disks(server, told),
        *_ports(near, far, server, order, told),
        *_groups(far, server, told),
        *_key(far, server, told),
        *_flavor(far, server, order, told),
        *_server_groups(near, server, order, told),
    )
    return tuple(found)


def _disks(server: dict[str, Any], told: str) -> Iterator[str]:
    if volumes := server.get("os-extended-volumes:volumes_attached"):
        yield f"{told} has {len(volumes)} volumes attached: detach them, or move them first"
    if not server.get("image"):
        yield f"{told} boots from a volume: it has no disk that Glance could copy"


def _ports(near: Cloud, far: Cloud, server: dict[str, Any], order: MoveOrder, told: str) -> Iterator[str]:
    """One port on each of the template's networks, as it will be made at the target, and nothing else."""
    addresses = [entry for entries in server.get("addresses", {}).values() for entry in entries]
    floating = sorted({one["addr"] for one in addresses if one.get("OS-EXT-IPS:type") == "floating"})
    if floating:
        yield f"{told} has the floating IP {', '.join(floating)}, which stays with its cloud: take it off first"
    ports = near.listed("network", "/ports", "ports", params={"device_id": server["id"]})
    wanted = {found["id"]: name for name in order.template.networks if (found := network(near, name))}
    for port in ports:
        if port["network_id"] not in wanted:
            yield f"{told} has a port ({port['id']}) on a network that its pool does not name: take it off first"
        if port.get("trunk_details"):
            yield f"{told} has a trunk ({port['id']}), which stays with its cloud"
    held = [port["network_id"] for port in ports]
    for id, name in wanted.items():
        if held.count(id) > 1:
            yield f"{told} has {held.count(id)} ports on network {name!r}: only one of them would come along"
        if network(far, name) is None:
            yield f"cloud {far.name} has no network {name!r} for a port of {told}"


def _groups(far: Cloud, server: dict[str, Any], told: str) -> Iterator[str]:
    names = sorted({one["name"] for one in server.get("security_groups") or ()} - {"default"})
    if not names:
        return
    known = {
        one["name"] for one in far.listed("network", "/security-groups", "security_groups", params={"name": names})
    }
    for name in names:
        if name not in known:
            yield f"cloud {far.name} has no security group {name!r}, which {told} is in"


def _key(far: Cloud, server: dict[str, Any], told: str) -> Iterator[str]:
    name = server.get("key_name")
    if name and _missing(lambda: far.get("compute", f"/os-keypairs/{name}", microversion=COMPUTE)):
        yield f"cloud {far.name} has no keypair {name!r}, which {told} was made with"


def _flavor(far: Cloud, server: dict[str, Any], order: MoveOrder, told: str) -> Iterator[str]:
    has: dict[str, Any] = server.get("flavor") or {}
    name = has.get("original_name")
    if name and name != order.template.flavor and order.template.flavor:
        yield f"{told} has the flavor {name!r}, pool {order.pool} says {order.template.flavor!r}: resize it first"
    listed = far.listed("compute", "/flavors/detail", "flavors", microversion=COMPUTE)
    there = next((one for one in listed if order.template.flavor in (one["name"], one["id"])), None)
    if there is None:
        yield f"cloud {far.name} has no flavor {order.template.flavor!r} for {told}"
        return
    for key, what in SIZES:
        if int(there.get(key) or 0) < int(has.get(key) or 0):
            yield f"flavor {there['name']!r} of cloud {far.name} has {there[key]} {what}, {told} has {has[key]}"


def _server_groups(near: Cloud, server: dict[str, Any], order: MoveOrder, told: str) -> Iterator[str]:
    for id in server.get("server_groups") or ():
        name = near.get("compute", f"/os-server-groups/{id}", microversion=COMPUTE)["server_group"]["name"]
        if not str(name).startswith(f"{PREFIX}."):
            yield f"{told} is in server group {name!r}, which stays with its cloud: make it anew without the group"
        elif not order.hypervisors:
            yield f"pool {order.pool} keeps its servers apart by a group: name hypervisors to keep them so"


def _missing(look: Callable[[], object]) -> bool:
    try:
        look()
    except (Conflict, NotSupported) as gone:
        if gone.status != 404:
            raise
        return True
    return False


def carried(server: dict[str, Any]) -> dict[str, str]:
    """The metadata of a server that is somebody's own, not the mark of the move before."""
    return {key: value for key, value in (server.get("metadata") or {}).items() if not key.startswith(f"{PREFIX}.")}
