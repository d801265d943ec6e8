"""The two ends of an image move, on Nova, Glance and Neutron."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any

from cloudsentry.clouds import Cloud, Connect
from cloudsentry.clouds.session import Params
from cloudsentry.drivers.mover.conversion import depot_of
from cloudsentry.drivers.mover.image.ends import Copy, Standing
from cloudsentry.drivers.mover.image.mapping import carried, reasons
from cloudsentry.drivers.mover.image.stream import Body, copy
from cloudsentry.drivers.mover.networks import cidrs, joined, network
from cloudsentry.errors import Conflict, Denied, NoCapacity, NotSupported
from cloudsentry.records.marks import PREFIX, event_tag, port_tag
from cloudsentry.records.moving import Findings, MoveOrder

COMPUTE = "2.74"
"""A server may name its ``host`` at create; an image create answers with its id (2.45); tags at create (2.52)."""

SHUT_DOWN = 4
"""Nova's power state of a guest that is off."""

KEPT = ("disk_format", "container_format", "min_disk", "min_ram")
"""What a copy has of its source; Glance's own properties (``hw_*``, ``os_type`` …) come along as well."""

CARRIED = ("hw_", "os_distro", "os_version", "os_type", "architecture")


class CloudEnds:
    """`cloudsentry.drivers.mover.image.ends.Ends`, by HTTP. Both clouds are opened at the first call."""

    def __init__(self, source: str, target: str, connect: Connect) -> None:
        self._names, self._connect = (source, target), connect

    @property
    def _near(self) -> Cloud:
        return self._connect(self._names[0])

    @property
    def _far(self) -> Cloud:
        return self._connect(self._names[1])

    # Looking before anything is touched

    def check(self, order: MoveOrder) -> Findings:
        """Every reason at once. What the target lacks by name is found by planning; here is what the server has."""
        server = self._server(order.server)
        if server is None:
            return Findings(refusals=(f"server {order.server} is not there",))
        refusals = []
        if server["status"] not in ("ACTIVE", "SHUTOFF"):
            refusals.append(f"server {order.name} is {server['status']}: only a running or a stopped one can move")
        refusals += reasons(self._near, self._far, server, order)
        depot, size = depot_of(self._far), self._size(server)
        if depot is not None and depot.free() < 2 * size:
            refusals.append(f"the conversion host of {self._far.name} has not twice the disk of {order.name} free")
        networks = order.template.networks
        one = bool(networks) and all(joined(self._near, self._far, name) for name in networks)
        return Findings(
            refusals=tuple(refusals),
            joined=one,
            copy_bytes=size,
            hosted=depot is not None,
            memory_mb=int((server.get("flavor") or {}).get("ram", 0)),
            hypervisor=server.get("OS-EXT-SRV-ATTR:host") or "",
        )

    def _size(self, server: dict[str, Any]) -> int:
        """The bytes of the image that it was made from: the least that its disk may have come to."""
        try:
            image = self._near.get("image", f"/images/{server['image']['id']}") if server.get("image") else {}
        except Conflict:
            return 0
        return int(image.get("virtual_size") or image.get("size") or 0)

    # The server at the source

    def old(self, order: MoveOrder) -> Standing | None:
        """As `Ends` says."""
        found = self._server(order.server)
        return _standing(found) if found else None

    def stop(self, order: MoveOrder) -> None:
        """As `Ends` says; what is off already is stopped."""
        self._action(order, {"os-stop": None}, "SHUTOFF")

    def start(self, order: MoveOrder) -> None:
        """As `Ends` says; what runs already is started."""
        self._action(order, {"os-start": None}, "ACTIVE")

    def _action(self, order: MoveOrder, body: dict[str, Any], wanted: str) -> None:
        try:
            self._near.post("compute", f"/servers/{order.server}/action", body, microversion=COMPUTE)
        except Conflict as conflict:
            found = self._server(order.server)
            if conflict.status != 409 or found is None or (found["status"] != wanted and not found.get(_TASK)):
                raise

    def remove(self, order: MoveOrder) -> None:
        """As `Ends` says; with the ports that an earlier move made for it, and first: they would not be found again."""
        params: Params = {"tags-any": port_tag(order.server), "fields": "id"}
        for port in self._near.listed("network", "/ports", "ports", params=params):
            self._near.delete("network", f"/ports/{port['id']}")
        self._near.delete("compute", f"/servers/{order.server}", microversion=COMPUTE)

    def _server(self, id: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._near.get("compute", f"/servers/{id}", microversion=COMPUTE)["server"]
        except Conflict as gone:
            if gone.status != 404:
                raise
            return None
        return found

    # Images

    def snapshots(self, order: MoveOrder) -> tuple[Copy, ...]:
        """As `Ends` says."""
        return _images(self._near, order)

    def snapshot(self, order: MoveOrder) -> None:
        """As `Ends` says."""
        body = {"createImage": {"name": order.tag, "metadata": order.mark.metadata()}}
        self._near.post("compute", f"/servers/{order.server}/action", body, microversion=COMPUTE)

    def copies(self, order: MoveOrder) -> tuple[Copy, ...]:
        """As `Ends` says."""
        return _images(self._far, order)

    def make_copy(self, order: MoveOrder, like: str) -> None:
        """As `Ends` says."""
        image = self._near.get("image", f"/images/{like}")
        carried = {key: value for key, value in image.items() if key.startswith(CARRIED) and isinstance(value, str)}
        # These two are Glance's own, and refused from a client.
        carried = {key: value for key, value in carried.items() if not key.startswith(("os_hash", "os_hidden"))}
        body = carried | {key: image[key] for key in KEPT if image.get(key) is not None}
        self._far.post("image", "/images", body | order.mark.metadata() | {"name": order.tag, "visibility": "private"})

    def fill(self, order: MoveOrder, source: Copy, target: str) -> int:
        """As `Ends` says."""
        depot = depot_of(self._far)
        if depot is None:
            return copy(self._near, source.id, source.size, self._far, target).fetched
        return depot.bring(order.tag, source.id, source.size, self._reader(source), target).bytes

    def stage(self, order: MoveOrder, source: Copy) -> int:
        """As `Ends` says."""
        depot = depot_of(self._far)
        if depot is None:
            raise NotSupported("there is no conversion host", cloud=self._far.name)
        return depot.bring(order.tag, source.id, source.size, self._reader(source)).bytes

    def unstage(self, order: MoveOrder) -> None:
        """As `Ends` says."""
        depot = depot_of(self._far)
        if depot is not None:
            depot.drop(order.tag)

    def _reader(self, source: Copy) -> Callable[[int], Iterable[bytes]]:
        return lambda start: Body(self._near, source.id, source.size, start)

    def drop(self, image: str, *, at_target: bool) -> None:
        """As `Ends` says."""
        (self._far if at_target else self._near).delete("image", f"/images/{image}")

    # Ports

    def lacking_ports(self, order: MoveOrder) -> int:
        """As `Ends` says."""
        return len(order.template.networks) - len(self._made_ports(order))

    def make_port(self, order: MoveOrder) -> None:
        """As `Ends` says: the same address and MAC, the same address, a new one; whatever Neutron grants first."""
        made = self._made_ports(order)
        index = next(index for index in range(len(order.template.networks)) if _port_name(order, index) not in made)
        name = order.template.networks[index]
        there = network(self._far, name)
        if there is None:
            raise NotSupported(f"there is no network {name!r}", cloud=self._far.name)
        ids = self._groups(order.template.security_groups)
        groups = {"security_groups": ids} if ids else {}
        for wish in [*self._same(order, name, there["id"]), {}]:
            body = {
                "name": _port_name(order, index),
                "network_id": there["id"],
                **groups,
                **wish,
            }
            try:
                self._far.post("network", "/ports", {"port": body})
            except (Conflict, NoCapacity, Denied, NotSupported):
                if not wish:
                    raise
                continue
            return

    def _groups(self, names: tuple[str, ...]) -> list[str]:
        """Ids of security groups at the target."""
        if not names:
            return []
        params: Params = {"name": list(names), "project_id": self._far.project()}
        found = self._far.listed("network", "/security-groups", "security_groups", params=params)
        return [str(one["id"]) for one in found]

    def keep_ports(self, order: MoveOrder, server: str) -> None:
        """As `Ends` says. Nova leaves ports that it did not make; the pool driver finds them by this tag."""
        for id in self._made_ports(order).values():
            tags = [*order.mark.tags(), port_tag(server)]
            self._far.put("network", f"/ports/{id}/tags", {"tags": tags})

    def _same(self, order: MoveOrder, name: str, there: str) -> list[dict[str, Any]]:
        """What the old port has, where it makes sense at the target: both networks have the address's CIDR."""
        here = network(self._near, name)
        if here is None or not joined(self._near, self._far, name) or not cidrs(self._far, there):
            return []
        params = {"device_id": order.server, "network_id": here["id"]}
        found = self._near.listed("network", "/ports", "ports", params=params)
        if not found:
            return []
        fixed = {"fixed_ips": [{"ip_address": one["ip_address"]} for one in found[0]["fixed_ips"]]}
        return [{**fixed, "mac_address": found[0]["mac_address"]}, fixed]

    def _made_ports(self, order: MoveOrder) -> dict[str, str]:
        """Name → id of this move's ports at the target."""
        names: list[str] = [_port_name(order, index) for index in range(len(order.template.networks))]
        if not names:
            return {}
        found = self._far.listed("network", "/ports", "ports", params={"name": names})
        return {str(one["name"]): str(one["id"]) for one in found}

    def hypervisors(self) -> tuple[str, ...]:
        """As `Ends` says."""
        try:
            params = {"binary": "nova-compute"}
            listed = self._far.listed("compute", "/os-services", "services", params=params, microversion=COMPUTE)
        except Denied:
            return ()
        return tuple(sorted(one["host"] for one in listed if (one["state"], one["status"]) == ("up", "enabled")))

    def drop_ports(self, order: MoveOrder) -> int:
        """As `Ends` says."""
        made = self._made_ports(order)
        for id in made.values():
            self._far.delete("network", f"/ports/{id}")
        return len(made)

    # The server at the target

    def new(self, order: MoveOrder) -> Standing | None:
        """As `Ends` says: found by the mark of this very move."""
        params = {"tags": event_tag(order.event)}
        found = self._far.listed("compute", "/servers/detail", "servers", params=params, microversion=COMPUTE)
        mine = [one for one in found if one.get("metadata", {}).get(f"{PREFIX}.op") == order.mark.op]
        return _standing(mine[0]) if mine else None

    def boot(self, order: MoveOrder, image: str) -> None:
        """As `Ends` says."""
        template, made = order.template, self._made_ports(order)
        ports = [{"port": made[_port_name(order, index)]} for index in range(len(template.networks))]
        wish: dict[str, Any] = {
            "name": order.name,
            "imageRef": image,
            "flavorRef": self._flavor(template.flavor),
            "networks": ports or "none",
            "metadata": self._carried(order) | dict(template.metadata) | order.mark.metadata(),
            "tags": [PREFIX, event_tag(order.event)],
        }
        if template.security_groups and not ports:
            wish["security_groups"] = [{"name": name} for name in template.security_groups]
        if template.key_name:
            wish["key_name"] = template.key_name
        if template.user_data:
            wish["user_data"] = base64.b64encode(template.user_data.encode()).decode()
        if order.hypervisor:
            wish["host"] = order.hypervisor
        self._far.post("compute", "/servers", {"server": wish}, microversion=COMPUTE)

    def _carried(self, order: MoveOrder) -> dict[str, str]:
        old = self._server(order.server)
        return carried(old) if old else {}

    def _flavor(self, name: str) -> str:
        found = self._far.listed("compute", "/flavors", "flavors", microversion=COMPUTE)
        ids = [one["id"] for one in found if name in (one["name"], one["id"])]
        if not ids:
            raise NotSupported(f"there is no flavor {name!r}", cloud=self._far.name)
        return str(ids[0])

    def remove_new(self, server: str) -> None:
        """As `Ends` says."""
        self._far.delete("compute", f"/servers/{server}", microversion=COMPUTE)


_TASK = "OS-EXT-STS:task_state"


def _standing(found: dict[str, Any]) -> Standing:
    entries = [entry for entries in (found.get("addresses") or {}).values() for entry in entries]
    fixed = [entry["addr"] for entry in entries if entry.get("OS-EXT-IPS:type", "fixed") == "fixed"]
    task = found.get(_TASK) or ""
    return Standing(
        id=found["id"],
        status=found["status"],
        task=task,
        off=found["status"] == "SHUTOFF" and found.get("OS-EXT-STS:power_state") == SHUT_DOWN and not task,
        address=fixed[0] if fixed else "",
        hypervisor=found.get("OS-EXT-SRV-ATTR:host") or "",
        fault=(found.get("fault") or {}).get("message") or "",
    )


def _images(cloud: Cloud, order: MoveOrder) -> tuple[Copy, ...]:
    found = cloud.listed("image", "/images", "images", params={"name": order.tag})
    return tuple(
        Copy(
            id=one["id"],
            status=one["status"],
            size=int(one.get("size") or 0),
            hash=f"{one.get('os_hash_algo')}:{one['os_hash_value']}" if one.get("os_hash_value") else "",
        )
        for one in found
    )


def _port_name(order: MoveOrder, index: int) -> str:
    return f"{order.tag}-{index}"
