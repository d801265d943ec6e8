"""The stretch driver `gateway`."""

from __future__ import annotations

import time
from typing import Any

from cloudsentry.clouds import Cloud, Connect, open_cloud
from cloudsentry.drivers.stretch import neutron
from cloudsentry.drivers.stretch.base import StretchDriver, StretchScope
from cloudsentry.drivers.stretch.gateway import calls, certified, figures, guard, read, roam
from cloudsentry.drivers.stretch.gateway.make import ANY, Maker, fingerprint
from cloudsentry.drivers.stretch.gateway.read import PAIR, Parts
from cloudsentry.drivers.stretch.keys import Keys, derived, public_key
from cloudsentry.errors import Busy, Conflict, NotSupported
from cloudsentry.records.marks import PREFIX, Mark, event_tag
from cloudsentry.records.stretching import (
    CloseEnd,
    End,
    JoinEnd,
    OpenEnd,
    RenewLease,
    StretchOrder,
    StretchView,
)

ALIKE = ("mode", "mtu", "port")
"""Facts that both ends must have alike."""


class GatewayStretch(StretchDriver):
    """One end: a network of the account's own, and a pair of gateways on it and on the external network.

    Needs Nova 2.64 (2018), Neutron's tags (2017), `allowed-address-pairs` and `port-security`, and the right to have
    servers, and addresses shared by two, on the external network.
    """

    def __init__(self, cloud: str, *, connect: Connect = open_cloud, driver: str = "gateway") -> None:
        """``driver``: whose ends these are. `router` has the same ones, of which one is alone and roams."""
        self._name, self._driver = cloud, driver
        self._connect = connect
        self._opened: Cloud | None = None
        self._keys = Keys()

    def __repr__(self) -> str:
        return f"GatewayStretch({self._name!r})"

    def observe(self, scope: StretchScope) -> StretchView:
        """As the contract says: networks first; the rest is asked for only where there is one. A full look also
        reads what the gateways have printed.
        """
        parts = self._parts(scope.event)
        ends = tuple(self._end(one, scope) for _, one in sorted(parts.items()))
        if not scope.full:
            return StretchView(driver=self._driver, cloud=self._name, ends=ends)
        wanted = [(unit, dict(options)) for unit, options in scope.wanted]
        found = guard.look(self._cloud, wanted, ends)
        return StretchView(driver=self._driver, cloud=self._name, ends=ends, missing=found.missing, facts=found.facts)

    def act(self, order: StretchOrder) -> None:
        """As the contract says."""
        match order:
            case OpenEnd():
                self._open(order.mark, dict(order.options))
            case JoinEnd():
                self._join(order)
            case RenewLease():
                self._renew(order)
            case CloseEnd():
                self._close(order)

    # Looking

    def _parts(self, event: str) -> dict[str, Parts]:
        """What there is of each unit. The network is made first and removed last: without one there is nothing.

        A network without any tag may be a half-made one of this driver's: were it passed over, it would be made twice.
        """
        cloud = self._cloud
        networks = neutron.marked(cloud, "networks", event)
        if not networks:
            return {}
        kinds = {"subnet": "subnets", "port": "ports", "security-group": "security_groups"}
        found = {kind: self._marked(many, event) for kind, many in kinds.items()}
        found |= {"network": networks, "server": calls.servers(cloud, event)}
        units = sorted({neutron.mark_of(network, event).unit for network in networks})
        parts = {}
        for unit in units:
            mine: dict[str, list[Any]] = {
                kind: [item for item in items if _unit(item, event) == unit] for kind, items in found.items()
            }
            if not _ours(mine["network"], self._driver):
                continue  # a network of another driver's
            mine["server-group"] = calls.server_groups(cloud, _group_name(event, unit))
            settings = _settings(mine["network"][0])
            roles = read.ALONE if settings and settings["roams"] == "near" else PAIR
            parts[unit] = Parts(event=event, unit=unit, items=mine, roles=roles)
        return parts

    def _marked(self, many: str, event: str) -> list[dict[str, Any]]:
        path = many.replace("_", "-")
        params: dict[str, str | int | list[str]] = {
            "description": event_tag(event),
            "project_id": self._cloud.project(),
        }
        items = self._cloud.listed("network", f"/{path}", many, params=params)
        return sorted(items, key=lambda item: (str(item["name"]), str(item["id"])))

    def _end(self, parts: Parts, scope: StretchScope) -> End:
        consoles = [calls.console(self._cloud, server["id"]) for server in parts.servers] if scope.full else []
        return read.end(parts, scope.event, self._offered(parts, scope.event), time.time(), consoles)

    def _offered(self, parts: Parts, event: str) -> dict[str, str] | None:
        """What the far end must know; None where the addresses are not there, or the secret is not this machine's."""
        unit = neutron.mark_of(parts.network, event).unit
        reference = Keys.reference(event, unit)
        secret = self._keys.known(reference)
        outer, inner = parts.outer, parts.inner
        settings = _settings(parts.network)
        if secret is None or not outer or not inner or not settings:
            return None
        seed = derived(secret, f"gateway/{settings['side']}")
        generation = self._keys.generation(reference)
        if any(_told(server, "seed") != fingerprint(seed) for server in parts.servers):
            return None
        return {
            "address": outer,
            "cidr": str(parts.items["subnet"][0]["cidr"]) if parts.items["subnet"] else "",
            "generation": str(generation),
            "inner": inner,
            "key": KEYS[settings["transport"]](seed, generation),
            "mode": settings["mode"],
            "mtu": str(parts.network.get("mtu") or ""),
            "port": settings["port"],
            "psk_ref": reference,
        }

    # Making

    def _open(self, mark: Mark, options: dict[str, str]) -> None:
        cloud = self._cloud
        secret = self._keys.made(Keys.reference(mark.event, mark.unit))
        outside = self._outside(options)
        alone = options.get("roams") == "near"
        standing = self._parts(mark.event).get(mark.unit)
        items: dict[str, list[Any]] = {kind: list(standing.items[kind]) if standing else [] for kind in read.KINDS}
        over = figures.transport(options)
        mtu = int(options.get("mtu") or figures.inner_mtu(int(outside["mtu"]), options["mode"], over=over))
        if not items["network"]:
            items["network"] = [calls.create_network(cloud, mark, mtu)]
        network = items["network"][0]
        if _settings(network) is None:
            neutron.tag(cloud, "networks", network["id"], [*(network.get("tags") or ()), _setting_tag(options)])
        if not items["subnet"]:
            items["subnet"] = [calls.create_subnet(cloud, network["id"], mark, options)]
        if not items["security-group"]:
            items["security-group"] = [calls.create_group(cloud, mark)]
        if not items["server-group"] and not alone:
            items["server-group"] = [calls.create_server_group(cloud, _group_name(mark.event, mark.unit))]
        parts = Parts(event=mark.event, unit=mark.unit, items=items, roles=read.ALONE if alone else PAIR)
        maker = Maker(cloud, mark, options, parts, outside, mtu)
        maker.ports()
        maker.rules()
        self._servers(maker, derived(secret, f"gateway/{options['side']}"), derived(secret, "psk"))
        if alone and parts.servers:
            roam.by(cloud, maker, options.get("external") or ANY)
        if not neutron.own_tags(network, mark):
            kept = [tag for tag in network.get("tags") or () if str(tag).startswith((read.FAR, SETTING))]
            neutron.tag(cloud, "networks", network["id"], {*kept, _setting_tag(options), *mark.tags()})

    def _servers(self, maker: Maker, seed: str, psk: str) -> None:
        for one in maker.parts.roles:
            server = maker.parts.named("server", one)
            if server is not None and (server["status"] == "ERROR" or _told(server, "seed") != fingerprint(seed)):
                calls.delete(self._cloud, "server", str(server["id"]))
                raise Busy(f"gateway {server['name']} is made anew", cloud=self._name)
            if server is None:
                maker.server(one, seed, psk)
            # Nova keeps two servers apart only when it knows where the first one is.
            if one == PAIR[0] and (server is None or server["status"] == "BUILD"):
                raise Busy(f"gateway {one} is being placed", cloud=self._name, after=1.0)
            if server is not None and server["status"] == "SHUTOFF":
                calls.start(self._cloud, str(server["id"]))

    def _outside(self, options: dict[str, str]) -> dict[str, Any]:
        network, faults = guard.outside(self._cloud, options)
        if faults:
            raise NotSupported(f"there is no {faults[0]}", cloud=self._name)
        return network

    def _join(self, order: JoinEnd) -> None:
        """Both gateways are told of the far end; the network's tags keep the whole offer."""
        cloud, mark, far = self._cloud, order.mark, order.offer
        parts = self._parts(mark.event).get(mark.unit)
        near = self._offered(parts, mark.event) if parts else None
        if far is None or parts is None or near is None:
            raise Conflict(f"stretch {order.unit}: an end is not open", cloud=self._name)
        for key in ALIKE:
            if near[key] != far.get(key):
                raise Conflict(
                    f"stretch {order.unit}: the far end on {order.far_cloud} has {key} {far.get(key)}, "
                    f"this one {near[key]}",
                    cloud=self._name,
                )
        if far.get("psk_ref") != near["psk_ref"]:
            raise Conflict(f"stretch {order.unit}: the far end has another key", cloud=self._name)
        self._only_from(parts, far.get("address"))
        for server in parts.servers:
            calls.tell(cloud, str(server["id"]), {f"{PREFIX}.far": read.told(far)})
        kept = [tag for tag in parts.network.get("tags") or () if not str(tag).startswith(read.FAR)]
        neutron.tag(cloud, "networks", str(parts.network["id"]), {*kept, *read.far_tags(far)})

    def _only_from(self, parts: Parts, address: str) -> None:
        """The tunnel's two ports are open for the far end's address, and for no other; for all where it roams:
        WireGuard answers nobody whose key it does not know. The end that calls by TCP lets the far end's packets in
        also where it knows of no connection: it has taken over, and its own firewall tells the far end so."""
        group, settings = parts.items["security-group"][0], _settings(parts.network)
        assert settings is not None  # or there would be no offer
        port = int(settings["port"])
        prefix = "0.0.0.0/0" if address == read.ROAMS else f"{address}/32"
        ports = (port, port + 1) if settings["transport"] == "wireguard" or settings["side"] == "1" else ANSWERS
        wanted = {
            "protocol": "udp" if settings["transport"] == "wireguard" else "tcp",
            "port_range_min": ports[0],
            "port_range_max": ports[1],
            "remote_ip_prefix": prefix,
        }
        tunnel = [rule for rule in group.get("security_group_rules") or () if rule.get("port_range_min") == ports[0]]
        if not any(rule.get("remote_ip_prefix") == prefix for rule in tunnel):
            calls.allow(self._cloud, str(group["id"]), wanted)
        for rule in tunnel:
            if rule.get("remote_ip_prefix") != prefix:
                calls.disallow(self._cloud, str(rule["id"]))

    def _renew(self, order: RenewLease) -> None:
        parts = self._parts(order.mark.event).get(order.unit)
        if parts is None or not parts.servers:
            raise Conflict(f"stretch {order.unit}: an end is not open", cloud=self._name)
        until = time.time() + order.seconds
        if order.last:
            until = min(until, order.last)
        for server in parts.servers:
            calls.tell(self._cloud, str(server["id"]), {f"{PREFIX}.lease": str(int(until))})

    def _close(self, order: CloseEnd) -> None:
        """The gateways first: with them the tunnel is shut."""
        for kind, id in order.objects:
            try:
                if kind == "network":
                    self._forget(id)
                calls.delete(self._cloud, kind, id)
            except Conflict as conflict:
                if conflict.status in (404, 410):
                    continue
                raise Busy(f"{kind} {id} is in use still: {conflict}", cloud=self._name, status=409) from conflict

    def _forget(self, network: str) -> None:
        """The last of an end's objects: what it is called tells whose secret goes with it."""
        found = self._cloud.get("network", f"/networks/{network}")["network"]
        event = str(found.get("description") or "").partition("=")[2]
        self._keys.forget(Keys.reference(event, neutron.mark_of(found, event).unit))

    @property
    def _cloud(self) -> Cloud:
        if self._opened is None:
            self._opened = self._connect(self._name)
        return self._opened


SETTING = neutron.GATEWAY
"""Tag of the network that says mode, side and port of its end: ``cloudsentry-gateway-l2-1-51820``; a router's says
further which of its two ends roams (``…-l3-2-51820-near``), and one over TCP that it is (``…-openvpn``)."""


KEYS = {"wireguard": public_key, "openvpn": certified.fingerprint}
"""How the far end knows this one, by what carries the tunnel."""

ANSWERS = (1024, 65535)
"""Ports of TCP from which connections are begun."""


def _setting_tag(options: dict[str, str]) -> str:
    further = options.get("roams") or ("openvpn" if figures.transport(options) == "openvpn" else "")
    return f"{SETTING}{options['mode']}-{options['side']}-{figures.port(options)}{further and '-'}{further}"


def _settings(network: neutron.Item) -> dict[str, str] | None:
    for tag in network.get("tags") or ():
        if str(tag).startswith(SETTING):
            mode, side, port, *more = str(tag)[len(SETTING) :].split("-")
            over = "openvpn" if "openvpn" in more else "wireguard"
            roams = more[0] if more and over == "wireguard" else ""
            return {"mode": mode, "side": side, "port": port, "roams": roams, "transport": over}
    return None


def _ours(networks: list[Any], driver: str) -> bool:
    settings = next((found for network in networks if (found := _settings(network))), None)
    if settings is None:
        return any(not network.get("tags") for network in networks)
    return bool(settings["roams"]) == (driver == "router")


def _unit(item: neutron.Item, event: str) -> str:
    """The unit of a thing: its tags', its metadata's, or its name's up to the part's own."""
    mark = Mark.from_metadata(item.get("metadata") or {}) or Mark.from_tags(item.get("tags") or ())
    if mark is not None and mark.unit:
        return mark.unit
    return str(item["name"]).partition("/")[0]


def _group_name(event: str, unit: str) -> str:
    return f"{PREFIX}.{event}.stretch.{unit}"


def _told(server: neutron.Item, key: str) -> str:
    return str((server.get("metadata") or {}).get(f"{PREFIX}.{key}", ""))
