"""What is made of one end, as far as it is not there: ports, rules, gateways."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.drivers.stretch.gateway import boot, calls, figures, read
from cloudsentry.drivers.stretch.gateway.read import ALONE, PAIR, Parts
from cloudsentry.drivers.stretch.keys import derived
from cloudsentry.records.marks import PREFIX, Mark


def fingerprint(seed: str) -> str:
    """Which seed a gateway was made with; says nothing about it."""
    return derived(seed, "fingerprint")[:16]


ANY = "-"
"""How the cloud's only external network is called where no name was given."""


def uplink_name(outside: dict[str, Any]) -> str:
    """The end of the name of the port by which one that roams leaves by a network."""
    return f"{ALONE[0]}-outer-{hashlib.sha256(str(outside['id']).encode()).hexdigest()[:8]}"


class Maker:
    """Makes what is not there of one end's ports, rules and servers."""

    def __init__(
        self, cloud: Cloud, mark: Mark, options: dict[str, str], parts: Parts, outside: dict[str, Any], mtu: int
    ) -> None:
        self._cloud, self._mark, self._options = cloud, mark, options
        self.parts, self._outside, self._mtu = parts, outside, mtu

    def ports(self) -> None:
        """The two shared addresses, and two ports for each gateway; or the two of one that is alone."""
        cidr = ipaddress.ip_network(self._options["cidr"])
        routed = self._options["mode"] == "l3"
        fixed = {"fixed_ips": [{"ip_address": str(cidr[1])}]} if routed else {}
        group = str(self.parts.items["security-group"][0]["id"])
        if self.parts.roles == ALONE:
            carried = {"allowed_address_pairs": [{"ip_address": self._options["far_cidr"]}]}
            self._port(f"{ALONE[0]}-inner", self._inner(group, routed) | fixed | carried)
            if not self.parts.outers() or not self.parts.servers:
                self.uplink()
            return
        self._port("outer", self._outer(group) | {"device_owner": calls.OWNER})
        self._port("inner", self._inner(group, routed) | fixed | {"device_owner": calls.OWNER})
        outer = [{"ip_address": self.parts.address("outer")}]
        inner = [{"ip_address": self.parts.address("inner")}, {"ip_address": self._options.get("far_cidr", "")}]
        for one in PAIR:
            self._port(f"{one}-outer", self._outer(group) | {"allowed_address_pairs": outer})
            self._port(
                f"{one}-inner", self._inner(group, routed) | ({"allowed_address_pairs": inner} if routed else {})
            )

    def uplink(self) -> dict[str, Any]:
        """The port by which one that roams leaves by the wanted network; made unless it is there."""
        group, name = str(self.parts.items["security-group"][0]["id"]), uplink_name(self._outside)
        self._port(name, self._outer(group))
        found = self.parts.named("port", name)
        assert found is not None
        return dict(found)

    def leaving_by(self, port: dict[str, Any]) -> str:
        """What one that roams is told of the card that it leaves by: MAC, address, router."""
        prefix = ipaddress.ip_network(str(self._outside["subnet"]["cidr"])).prefixlen
        address = f"{port['fixed_ips'][0]['ip_address']}/{prefix}"
        return f"{port['mac_address']} {address} {self._outside['subnet']['gateway_ip']}"

    def _outer(self, group: str) -> dict[str, Any]:
        return {"network_id": self._outside["id"], "security_groups": [group]}

    def _inner(self, group: str, routed: bool) -> dict[str, Any]:
        """Layer 2 carries others' MACs: no port security can know them."""
        network = {"network_id": self.parts.network["id"]}
        return network | ({"security_groups": [group]} if routed else {"port_security_enabled": False})

    def _port(self, name: str, body: dict[str, Any]) -> None:
        if self.parts.named("port", name) is None:
            made = calls.create_port(self._cloud, self._mark, f"{self._mark.unit}/{name}", body)
            self.parts.items["port"].append(made)

    def rules(self) -> None:
        """The pair may talk to each other; with layer 3, the network's own servers come in. The tunnel's rule follows
        with the far end's address."""
        group = self.parts.items["security-group"][0]
        known = {
            (rule.get("protocol"), rule.get("remote_group_id"), rule.get("remote_ip_prefix"))
            for rule in group.get("security_group_rules") or ()
        }
        wanted: list[dict[str, Any]] = [
            {"protocol": "112", "remote_group_id": group["id"]},
            {"protocol": "udp", "remote_group_id": group["id"]},
        ]
        if self._options["mode"] == "l3":
            wanted.append({"protocol": None, "remote_ip_prefix": self._options["cidr"]})
        for rule in wanted:
            key = (rule["protocol"], rule.get("remote_group_id"), rule.get("remote_ip_prefix"))
            if key not in known and (key[0] != "112" or ("vrrp", *key[1:]) not in known):
                calls.allow(self._cloud, str(group["id"]), rule)

    def server(self, one: str, seed: str, psk: str) -> None:
        """A gateway on its two ports."""
        sides = (self._card(one, side) for side in read.SHARED)
        ports = [self.parts.named("port", name) for name in sides]
        wish: dict[str, Any] = {
            "name": f"{self._mark.event}-{self._mark.unit}-{one}",
            "imageRef": calls.image(self._cloud, self._options["image"]),
            "flavorRef": calls.flavor(self._cloud, self._options["flavor"]),
            "networks": [{"port": port["id"]} for port in ports if port],
            "metadata": {f"{PREFIX}.seed": fingerprint(seed)},
        }
        if self.parts.roles == ALONE:
            wish["host"] = self._options["hypervisor"]
            wish["metadata"][f"{PREFIX}.uplink"] = self._options.get("external") or ANY
        elif self._options.get("zone"):
            wish["availability_zone"] = self._options["zone"]
        group = str(self.parts.items["server-group"][0]["id"]) if self.parts.roles == PAIR else ""
        over = figures.transport(self._options)
        data = boot.script(self._config(one, seed, psk), files=boot.files(over), needs=boot.needs(over))
        calls.create_server(self._cloud, self._mark, wish, user_data=data, group=group)

    def _config(self, one: str, seed: str, psk: str) -> dict[str, object]:
        """What `inside/machine.py` reads."""
        other = PAIR[1 - PAIR.index(one)] if one in PAIR else ""
        options = self._options
        near, far = figures.tunnel_addresses(f"{self._mark.event}/{self._mark.unit}", options["side"])
        unit = f"{self._mark.event}/{self._mark.unit}"
        underlay, over = int(self._outside["mtu"]), figures.transport(options)
        return {
            "unit": self._mark.unit,
            "name": one,
            "mode": options["mode"],
            "seed": seed,
            "psk": psk,
            "outer": self._side(one, "outer", self._outside["subnet"], underlay),
            "inner": self._side(one, "inner", {"cidr": options["cidr"], "gateway_ip": None}, self._mtu),
            "partner": self.parts.address(f"{other}-outer") if other else "",
            "near_tunnel": near,
            "far_tunnel": far,
            "tunnel_mtu": figures.tunnel_mtu(underlay, over=over),
            "inner_mtu": self._mtu,
            "port": figures.port(options),
            "vni": figures.vni(unit),
            "router_id": figures.router_id(unit),
            "near_cidr": options["cidr"],
            "far_cidr": options.get("far_cidr", ""),
            "allow": [entry for entry in options.get("allow", "").split(",") if entry],
            "serves": options.get("serves", ""),
            "lease": 0,
            "roams": options.get("roams", ""),
            "transport": over,
            "listens": over == "openvpn" and options["side"] == "1",
        }

    def _card(self, one: str, side: str) -> str:
        """The name of a port."""
        return uplink_name(self._outside) if (one, side) == (ALONE[0], "outer") else f"{one}-{side}"

    def _side(self, one: str, side: str, subnet: dict[str, Any], mtu: int) -> dict[str, object]:
        name = self._card(one, side)
        port = self.parts.named("port", name) or {}
        prefix = ipaddress.ip_network(str(subnet["cidr"])).prefixlen
        return {
            "mac": port["mac_address"],
            "address": f"{self.parts.address(name)}/{prefix}",
            "vip": self.parts.address(side if self.parts.roles == PAIR else name),
            "router": subnet["gateway_ip"] or "",
            "mtu": mtu,
        }
