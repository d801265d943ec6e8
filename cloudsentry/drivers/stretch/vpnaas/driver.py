"""The stretch driver `vpnaas`."""

from __future__ import annotations

from typing import Any

from cloudsentry.clouds import Cloud, Connect, open_cloud
from cloudsentry.clouds.names import resolve
from cloudsentry.drivers.stretch import neutron
from cloudsentry.drivers.stretch.base import StretchDriver, StretchScope
from cloudsentry.drivers.stretch.keys import Keys
from cloudsentry.drivers.stretch.vpnaas import calls, guard, read
from cloudsentry.drivers.stretch.vpnaas.read import LOCAL, PEER, Parts, group_name
from cloudsentry.errors import Busy, Conflict, NotSupported
from cloudsentry.records.stretching import CloseEnd, JoinEnd, OpenEnd, StretchOrder, StretchView


class VpnaasStretch(StretchDriver):
    """One end of an IPsec tunnel: a router of the event's own, its VPN service, and one connection to the far end.

    Needs Neutron's `vpnaas` and `vpn-endpoint-groups` (2015). The connection counts as joined when it is there
    with the far end's address, networks and key; whether packets pass is another question.
    """

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._name = cloud
        self._connect = connect
        self._opened: Cloud | None = None
        self._keys = Keys()

    def __repr__(self) -> str:
        return f"VpnaasStretch({self._name!r})"

    def observe(self, scope: StretchScope) -> StretchView:
        """As the contract says: routers first; the rest is asked for only where there is one, or was."""
        ends = tuple(
            read.end(parts, scope.event, reference, self._keys.known(reference), self._heard(parts, scope))
            for unit, parts in sorted(self._parts(scope.event).items())
            for reference in (Keys.reference(scope.event, unit),)
        )
        if not scope.full:
            return StretchView(driver="vpnaas", cloud=self._name, ends=ends)
        found = guard.look(self._cloud, [(unit, dict(options)) for unit, options in scope.wanted], ends)
        return StretchView(driver="vpnaas", cloud=self._name, ends=ends, missing=found.missing, facts=found.facts)

    def _heard(self, parts: Parts, scope: StretchScope) -> bool | None:
        """An agent that died leaves the state behind that it told last: what it told counts while it is heard of."""
        return calls.heard_of(self._cloud, str(parts.router["id"])) if scope.full and parts.one("connection") else None

    def act(self, order: StretchOrder) -> None:
        """As the contract says."""
        match order:
            case OpenEnd():
                self._open(order)
            case JoinEnd():
                self._join(order)
            case CloseEnd():
                for kind, id in order.objects:
                    self._delete(kind, id)

    def _parts(self, event: str) -> dict[str, Parts]:
        """What there is of each unit. The router is made first and removed last: without one there is nothing."""
        cloud = self._cloud
        routers: dict[str, list[dict[str, Any]]] = {}
        for router in neutron.marked(cloud, "routers", event):
            routers.setdefault(neutron.mark_of(router, event).unit, []).append(router)
        vpn = {kind: calls.listed(cloud, kind, event) for kind in calls.KINDS} if routers else {}
        return {unit: self._part(unit, mine, vpn) for unit, mine in routers.items()}

    def _part(self, unit: str, routers: list[dict[str, Any]], vpn: dict[str, list[dict[str, Any]]]) -> Parts:
        cloud = self._cloud
        inner = [port for router in routers for port in calls.interfaces(cloud, router["id"])]
        ids = sorted({ip["subnet_id"] for port in inner for ip in port["fixed_ips"]})
        subnets = (
            cloud.listed("network", "/subnets", "subnets", params={"id": ids, "fields": ["id", "cidr"]}) if ids else []
        )
        return Parts(
            router=routers[0],
            routers=routers,
            vpn={kind: [item for item in items if read.unit_of(item) == unit] for kind, items in vpn.items()},
            interfaces=inner,
            cidrs={subnet["id"]: subnet["cidr"] for subnet in subnets},
        )

    def _open(self, order: OpenEnd) -> None:
        cloud, mark, options = self._cloud, order.mark, dict(order.options)
        self._keys.made(Keys.reference(mark.event, mark.unit))
        parts = self._parts(mark.event).get(mark.unit)
        router = parts.router if parts else self._router(order, options)
        subnets, faults = resolve(cloud, "subnet", guard.subnets_of(options))
        if faults:
            raise NotSupported(f"there is no {faults[0]}", cloud=self._name)
        plugged = {ip["subnet_id"] for port in (parts.interfaces if parts else ()) for ip in port["fixed_ips"]}
        for subnet in sorted(set(subnets.values()) - plugged):
            calls.plug(cloud, router["id"], subnet)
        bodies: dict[str, tuple[str, dict[str, Any]]] = {
            "ikepolicy": (mark.unit, {**calls.STRONG, "ike_version": "v2"}),
            "ipsecpolicy": (
                mark.unit,
                {**calls.STRONG, "transform_protocol": "esp", "encapsulation_mode": "tunnel"},
            ),
            "service": (mark.unit, {"router_id": router["id"]}),
            "endpoint-group": (
                group_name(mark.unit, LOCAL),
                {"type": "subnet", "endpoints": sorted(subnets.values())},
            ),
        }
        for kind, (name, body) in bodies.items():
            if parts is None or parts.one(kind, name) is None:
                calls.create(cloud, kind, mark, name, body)
        if not neutron.own_tags(router, mark):
            neutron.tag(cloud, "routers", router["id"], mark.tags())

    def _router(self, order: OpenEnd, options: dict[str, str]) -> dict[str, Any]:
        network, faults = guard.external(self._cloud, options.get("external", ""))
        if faults:
            raise NotSupported(f"there is no {faults[0]}", cloud=self._name)
        return calls.create_router(self._cloud, order.mark, network)

    def _join(self, order: JoinEnd) -> None:
        cloud, mark, far = self._cloud, order.mark, order.offer
        parts = self._parts(mark.event).get(mark.unit)
        service = parts.one("service") if parts else None
        if far is None or parts is None or service is None:
            raise Conflict(f"stretch {order.unit}: an end is not open", cloud=self._name)
        reference = Keys.reference(mark.event, mark.unit)
        if far.get("psk_ref") != reference:
            raise Conflict(f"stretch {order.unit}: the far end has another key", cloud=self._name)
        key = self._keys.made(reference)
        connection = parts.one("connection")
        standing = read.end(parts, mark.event, reference, key).joined
        settled = connection is not None and not str(connection["status"]).startswith("PENDING")
        if connection is not None and standing is not None and settled and _same_but_key(standing.facts, far.facts):
            calls.rekey(cloud, connection["id"], key)
            return
        if connection is not None:  # of another address or other networks, or not to be changed where it stands
            calls.delete(cloud, "connection", connection["id"])
        name, cidrs = group_name(mark.unit, PEER), far.get("cidrs").split(",")
        peer = parts.one("endpoint-group", name)
        if peer is not None and sorted(peer["endpoints"]) != sorted(cidrs):
            calls.delete(cloud, "endpoint-group", peer["id"])
            peer = None
        peer = peer or calls.create(cloud, "endpoint-group", mark, name, {"type": "cidr", "endpoints": cidrs})
        calls.create(cloud, "connection", mark, mark.unit, self._connection(order, parts, peer, key))

    def _connection(self, order: JoinEnd, parts: Parts, peer: neutron.Item, key: str) -> dict[str, Any]:
        assert order.offer is not None
        named = {kind: (parts.one(kind) or {}).get("id") for kind in ("service", "ikepolicy", "ipsecpolicy")}
        address = order.offer.get("address")
        return {
            "vpnservice_id": named["service"],
            "ikepolicy_id": named["ikepolicy"],
            "ipsecpolicy_id": named["ipsecpolicy"],
            "local_ep_group_id": (parts.one("endpoint-group", f"/{LOCAL}") or {}).get("id"),
            "peer_ep_group_id": peer["id"],
            "peer_address": address,
            "peer_id": address,
            "psk": key,
            "initiator": "bi-directional",
            "dpd": {"action": "restart", "interval": 10, "timeout": 30},
        }

    def _delete(self, kind: str, id: str) -> None:
        try:
            if kind == "interface":
                router, port = id.split("/")
                calls.unplug(self._cloud, router, port)
            elif kind == "router":
                self._delete_router(id)
            else:
                calls.delete(self._cloud, kind, id)
        except Conflict as conflict:
            if conflict.status in (404, 410):
                return
            raise Busy(f"{kind} {id} is in use still: {conflict}", cloud=self._name, status=409) from conflict

    def _delete_router(self, id: str) -> None:
        """The last of an end's objects: what it is called tells whose key goes with it."""
        router = self._cloud.get("network", f"/routers/{id}")["router"]
        event = str(router.get("description") or "").partition("=")[2]
        calls.delete(self._cloud, "router", id)
        self._keys.forget(Keys.reference(event, neutron.mark_of(router, event).unit))

    @property
    def _cloud(self) -> Cloud:
        if self._opened is None:
            self._opened = self._connect(self._name)
        return self._opened


def _same_but_key(one: tuple[tuple[str, str], ...], other: tuple[tuple[str, str], ...]) -> bool:
    return {pair for pair in one if pair[0] != "psk_ref"} == {pair for pair in other if pair[0] != "psk_ref"}
