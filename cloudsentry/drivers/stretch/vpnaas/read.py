"""Neutron's JSON to ends. Pure; a key goes in as text and comes out as a reference, or not at all."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cloudsentry.drivers.stretch.neutron import Item, mark_of
from cloudsentry.drivers.stretch.vpnaas.calls import KINDS
from cloudsentry.records.stretching import End, Offer, Probe

LOCAL, PEER = "local", "peer"
"""Ends of the names of the two endpoint groups: our subnets, and the far end's addresses."""


TOLD = frozenset({"ACTIVE", "DOWN", "ERROR"})
"""States that an agent reports; all others are those of a change that it has not reported to be done."""

UNHEARD = ", and no agent of its router is heard of"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What one end is made of. ``vpn`` is by kind; `connection`'s JSON holds the key, so that it is never shown."""

    router: Item
    routers: Sequence[Item] = ()
    vpn: Mapping[str, Sequence[Item]] = field(repr=False)
    interfaces: Sequence[Item] = ()
    cidrs: Mapping[str, str]
    """Of the subnets of the interfaces, by their ids."""

    def one(self, kind: str, name: str = "") -> Item | None:
        """The first of a kind whose name ends so."""
        return next((item for item in self.vpn[kind] if str(item["name"]).endswith(name)), None)


def group_name(unit: str, side: str) -> str:
    """How an endpoint group is called."""
    return f"{unit}/{side}"


def unit_of(item: Item) -> str:
    """The unit of a VPN object: its name, up to the side."""
    return str(item["name"]).split("/")[0]


def end(parts: Parts, event: str, reference: str, key: str | None, heard: bool | None = None) -> End:
    """One end: what it offers, what it is joined to, and its objects in the order in which they may go. ``heard``: of
    its agent, as `calls.heard_of` says; after a full look.
    """
    connection = parts.one("connection")
    offered = _offer(parts, reference)
    status = str(connection["status"]) if connection else ""
    return End(
        mark=mark_of(parts.router, event),
        state="BUILD" if offered is None else "ERROR" if status == "ERROR" else "ACTIVE",
        offer=offered,
        joined=_joined(parts, connection, reference, key) if connection else None,
        objects=_objects(parts),
        detail=f"site connection is {status}{UNHEARD if heard is False else ''}" if status else "",
        probe=None if heard is False else probe(parts),
    )


def probe(parts: Parts) -> Probe | None:
    """What the end's VPN agent says of the connection: it watches the far end (dead peer detection, every 10 s).

    No packet of the servers' own is sent: there is no round trip. None where the agent has not said anything yet.
    """
    connection, service = parts.one("connection"), parts.one("service")
    told = [str(item.get("status", "")) for item in (connection, service) if item is not None]
    if connection is None or not set(told) <= TOLD:
        return None
    up = told == ["ACTIVE", "ACTIVE"]
    found = ", ".join(f"{what} is {is_}" for what, is_ in zip(("site connection", "VPN service"), told, strict=False))
    return Probe(by="neutron", up=up, loss=0.0 if up else 100.0, detail=found)


def _objects(parts: Parts) -> tuple[tuple[str, str], ...]:
    vpn = [(kind, str(item["id"])) for kind in KINDS for item in parts.vpn[kind]]
    inner = [("interface", f"{port['device_id']}/{port['id']}") for port in parts.interfaces]
    return (*vpn, *inner, *(("router", str(router["id"])) for router in parts.routers or (parts.router,)))


def _offer(parts: Parts, reference: str) -> Offer | None:
    """Made when everything is there that does not need the far end."""
    service, local = parts.one("service"), parts.one("endpoint-group", f"/{LOCAL}")
    address = str((service or {}).get("external_v4_ip") or (service or {}).get("external_v6_ip") or "")
    policies = parts.one("ikepolicy") and parts.one("ipsecpolicy")
    if local is None or not address or not policies or not mark_complete(parts.router):
        return None
    cidrs = sorted(parts.cidrs.get(str(subnet), "") for subnet in local["endpoints"])
    return Offer(facts=(("address", address), ("cidrs", ",".join(cidrs)), ("psk_ref", reference)))


def mark_complete(router: Item) -> bool:
    """Whether the router bears its tags: they are set after everything else of the opening."""
    return any(str(tag).startswith("cloudsentry-template=") for tag in router.get("tags") or ())


def _joined(parts: Parts, connection: Item, reference: str, key: str | None) -> Offer | None:
    """What the connection says of the far end; its key counts when it is the one behind the reference."""
    peer = next(
        (item for item in parts.vpn["endpoint-group"] if item["id"] == connection.get("peer_ep_group_id")), None
    )
    if peer is None:
        return None
    facts = [("address", str(connection["peer_address"])), ("cidrs", ",".join(sorted(map(str, peer["endpoints"]))))]
    if key is not None and hmac.compare_digest(str(connection.get("psk") or ""), key):
        facts.append(("psk_ref", reference))
    return Offer(facts=tuple(facts))
