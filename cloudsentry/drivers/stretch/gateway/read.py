"""JSON to ends. Pure; secrets never come here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloudsentry.drivers.stretch.neutron import Item, mark_of
from cloudsentry.records.marks import PREFIX, Mark
from cloudsentry.records.stretching import End, Lease, Offer, Probe

FAR = f"{PREFIX}-far-"
"""Tags of the network that keep the far end's offer."""

LINE = "cloudsentry-gateway: "
"""How the lines of a gateway's console begin; `inside/machine.py` has the same."""

PAIR = ("gw1", "gw2")
ALONE = ("router",)
"""The one server of an end that moves together with a group of servers."""
SHARED = ("outer", "inner")
"""Ends of the names of servers and ports."""

ROAMS = "roams"
"""The address in the offer of an end that roams; `inside/tunnel.py` has the same."""

KINDS = ("server", "port", "server-group", "security-group", "subnet", "network")
"""In the order in which they may be deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What one end is made of, by kind."""

    event: str
    unit: str
    items: Mapping[str, list[Any]] = field(repr=False)
    roles: tuple[str, ...] = PAIR

    def named(self, kind: str, name: str) -> Item | None:
        """A gateway (``gw1``) or a port (``outer``, ``gw1-inner``), or None."""
        whole = f"{self.event}-{self.unit}-{name}" if kind == "server" else f"{self.unit}/{name}"
        return next((item for item in self.items[kind] if item["name"] == whole), None)

    @property
    def network(self) -> Item:
        """The network: made first, removed last."""
        first: Item = self.items["network"][0]
        return first

    @property
    def servers(self) -> list[Item]:
        """The gateways that there are, by name."""
        return [server for one in self.roles if (server := self.named("server", one)) is not None]

    @property
    def outer(self) -> str:
        """Where the far end finds this one; `ROAMS` where that changes."""
        return self.address("outer") if self.roles == PAIR else ROAMS

    @property
    def inner(self) -> str:
        """The address on the stretched network."""
        return self.address("inner" if self.roles == PAIR else f"{ALONE[0]}-inner")

    def outers(self) -> list[Item]:
        """The ports by which one that roams leaves, or has left: one of each network."""
        begun = f"{self.unit}/{ALONE[0]}-outer-"
        return [port for port in self.items["port"] if str(port["name"]).startswith(begun)]

    def address(self, name: str) -> str:
        """The first address of a port."""
        port = self.named("port", name)
        return str(port["fixed_ips"][0]["ip_address"]) if port and port["fixed_ips"] else ""


def told(offer: Offer) -> str:
    """What a gateway is told of the far end: one line of metadata."""
    return " ".join(offer.get(key) for key in ("address", "key", "generation", "inner"))


def far_tags(offer: Offer) -> tuple[str, ...]:
    """An offer as tags, one per fact."""
    return tuple(f"{FAR}{key}={value}" for key, value in offer.facts)


def end(parts: Parts, event: str, offered: Mapping[str, str] | None, now: float, consoles: Sequence[str] = ()) -> End:
    """One end. ``offered`` is what it would offer were it whole; ``consoles`` what the gateways have printed."""
    mark = mark_of(parts.network, event)
    trouble = _trouble(parts, mark)
    whole = mark.template and not trouble and offered is not None
    return End(
        mark=mark,
        state="ACTIVE" if whole else "BUILD",
        offer=Offer(facts=tuple(sorted(offered.items()))) if whole and offered else None,
        joined=_joined(parts),
        objects=tuple((kind, str(item["id"])) for kind in KINDS for item in parts.items[kind]),
        detail=trouble,
        probe=probe(consoles, now),
        lease=_lease(parts, now),
        place=_place(parts),
    )


def _place(parts: Parts) -> tuple[tuple[str, str], ...]:
    """Where the one server of an end stands that roams; a pair's is nobody's concern."""
    if parts.roles == PAIR or not parts.servers:
        return ()
    server = parts.servers[0]
    found = {
        "external": _of(server, "uplink"),
        "hypervisor": str(server.get("OS-EXT-SRV-ATTR:host") or ""),
        "server": str(server["id"]),
        "status": str(server["status"]),
    }
    return tuple(sorted(found.items()))


def _trouble(parts: Parts, mark: Mark) -> str:
    """Why the end's servers are not all there; empty where they are."""
    lines = []
    for one in parts.roles:
        server = parts.named("server", one)
        if server is None:
            lines.append(f"{one} is not there")
        elif server["status"] != "ACTIVE":
            lines.append(f"{one} is {server['status']}")
    return ", ".join(lines)


def _joined(parts: Parts) -> Offer | None:
    """The far end's offer of the network's tags, where every gateway has been told of it."""
    tags = [str(tag)[len(FAR) :] for tag in parts.network.get("tags") or () if str(tag).startswith(FAR)]
    facts = tuple(sorted((key, value) for key, _, value in (tag.partition("=") for tag in tags)))
    if not facts or not parts.servers:
        return None
    offer = Offer(facts=facts)
    wanted = told(offer)
    return offer if all(_of(server, "far") == wanted for server in parts.servers) else None


def _lease(parts: Parts, now: float) -> Lease | None:
    """The earliest that a gateway was told; None where one was told of none."""
    times = [_of(server, "lease") for server in parts.servers]
    if not times or not all(text.isdigit() for text in times):
        return None
    until = float(min(times, key=int))
    return Lease(until=until, left=until - now)


def _of(server: Item, key: str) -> str:
    return str((server.get("metadata") or {}).get(f"{PREFIX}.{key}", ""))


def probe(consoles: Iterable[str], now: float) -> Probe | None:
    """What the active gateway has told last."""
    found = [one for text in consoles for one in lines(text) if one.get("role") == "active" and "up" in one]
    if not found:
        return None
    last = max(found, key=lambda one: float(one.get("at", 0)))
    return Probe(
        by=str(last.get("name", "")),
        up=bool(last["up"]),
        loss=float(last.get("loss", 0)),
        rtt=last.get("rtt"),
        whole=last.get("whole"),
        mtu=int(last.get("mtu", 0)),
        twice=tuple(map(str, last.get("twice", ()))),
        age=max(0.0, now - float(last.get("at", 0))),
        heard=last.get("heard"),
    )


def lines(text: str) -> Iterable[dict[str, Any]]:
    for line in text.splitlines():
        _, begun, body = line.partition(LINE)
        if begun:
            try:
                found = json.loads(body)
            except ValueError:
                continue  # cut off by the console's length
            if isinstance(found, dict):
                yield found
