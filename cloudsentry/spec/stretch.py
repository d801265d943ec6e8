"""Stretched networks in an event file: what joins two sites, and what each end is told of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cloudsentry.spec.parts import CloudName, Name, Part, Seconds

MTU_LEAST, MTU_MOST = 576, 9216
"""Bytes: what every IPv4 host takes (RFC 791), and what common switches carry."""

OWN = {
    "vlan": frozenset(
        {"physical_network", "vlan", "cidr", "mtu", "allocation", "gateway"}
        | {"image", "flavor", "zone", "origin", "adopt"}
    ),
    "vpnaas": frozenset({"subnets", "external", "origin"}),
    "gateway": frozenset(
        {"mode", "cidr", "cidrs", "mtu", "allocation", "external", "image", "flavor", "zone", "port"}
        | {"allow", "origin", "lease", "transport"}
    ),
    "bgpvpn": frozenset(
        {"bgpvpn", "mode", "cidr", "cidrs", "mtu", "allocation", "gateway", "adopt", "routers", "origin"}
    ),
    "router": frozenset(
        {"cidrs", "mtu", "external", "image", "flavor", "zone", "port", "allow", "origin", "lease"}
        | {"home", "hypervisor", "uplinks"}
    ),
}
"""The keys that only some drivers have; a driver that is not named here may have any."""

NEEDED = {
    "vlan": ("physical_network", "vlan", "cidr", "allocation"),
    "vpnaas": ("subnets",),
    "gateway": ("image", "flavor"),
    "bgpvpn": ("bgpvpn",),
    "router": ("cidrs", "image", "flavor", "home", "hypervisor"),
}

ANY = "-"
"""How the place of a router calls the cloud's only external network."""

MODES = {"l2": ("cidr", "allocation"), "l3": ("cidrs",)}
"""What `gateway` and `bgpvpn` need further."""

LEASED = ("gateway", "router")
"""Drivers whose ends shut themselves when nobody renews their lease."""

Options = tuple[tuple[str, str], ...]

Let = Annotated[
    str,
    Field(
        pattern=r"^(icmp|(tcp|udp)/[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?)$",
        json_schema_extra={"patternErrorMessage": "icmp, or a protocol and its port such as tcp/80 or udp/5000-5010"},
    ),
]

AddressRange = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-fA-F.:]+\s*-\s*[0-9a-fA-F.:]+$",
        json_schema_extra={"patternErrorMessage": "first and last address, such as 10.9.0.10-10.9.0.99"},
    ),
]
Text = Annotated[str, Field(min_length=1, max_length=255)]


class StretchSpec(Part):
    """A private network that two sites share, or a tunnel between networks of theirs."""

    driver: str = Field(
        description="A driver of the family cloudsentry.stretch: vlan, vpnaas, bgpvpn, gateway, router."
    )
    between: list[Name] = Field(min_length=2, max_length=2, description="The two sites, each with a cloud of its own.")
    physical_network: CloudName | None = Field(
        None, description="vlan: the provider network that the operator has joined between the sites."
    )
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = Field(None, description="vlan: the VLAN id, the same at both.")
    mode: Literal["l2", "l3"] = Field(
        "l2", description="gateway, bgpvpn: one layer 2, or two networks with a route between them."
    )
    cidr: Text | None = Field(None, description="vlan, gateway, bgpvpn: the addresses of the whole stretched network.")
    cidrs: dict[Name, Text] = Field(
        default_factory=dict,
        description="router, gateway and bgpvpn with mode l3: by site, the addresses of its network.",
    )
    mtu: Annotated[int, Field(ge=MTU_LEAST, le=MTU_MOST)] | None = Field(
        None,
        description="vlan, gateway, router, bgpvpn: bytes of the largest packet; what the way carries where absent.",
    )
    allocation: dict[Name, AddressRange] = Field(
        default_factory=dict, description="vlan, gateway, bgpvpn: by site, the addresses that its servers get."
    )
    gateway: Name | None = Field(
        None,
        description="vlan, bgpvpn with l2: the site that has the gateway (the first address) and DHCP; none if absent.",
    )
    adopt: dict[Name, Text] = Field(
        default_factory=dict,
        description="vlan, bgpvpn: by site, the network that is there already; it is neither made nor removed.",
    )
    bgpvpn: dict[Name, Text] = Field(
        default_factory=dict, description="bgpvpn: by site, the operator's BGPVPN, by name or id."
    )
    routers: dict[Name, Text] = Field(
        default_factory=dict,
        description="bgpvpn with l3: by site, the router that is there already, with every network behind it.",
    )
    subnets: dict[Name, list[Text]] = Field(
        default_factory=dict, description="vpnaas: by site, the subnets that reach each other."
    )
    external: dict[Name, Text] = Field(
        default_factory=dict,
        description="vpnaas, gateway, router: by site, the external network; the cloud's only one where absent.",
    )
    image: dict[Name, Text] = Field(
        default_factory=dict,
        description="gateway, router: by site, a Debian image. vlan: of a small server that probes the stretch.",
    )
    flavor: dict[Name, Text] = Field(
        default_factory=dict, description="gateway, router: by site, how large a gateway is."
    )
    zone: dict[Name, Text] = Field(
        default_factory=dict,
        description="gateway, router: by site, the availability zone of the gateways; any where absent.",
    )
    transport: Literal["wireguard", "openvpn"] = Field(
        "wireguard",
        description="gateway: what carries the tunnel. openvpn goes over TCP, and so where UDP is filtered.",
    )
    port: Annotated[int, Field(ge=1, le=65534)] = Field(
        51820,
        description="gateway, router: port of the tunnel, of UDP (openvpn: of TCP, at the first of the two sites); the "
        "next one is used while keys are rotated.",
    )
    allow: list[Let] = Field(
        default_factory=lambda: ["tcp/80"],
        description="gateway, router: what may cross, by protocol and port of the server.",
    )
    origin: Name | None = Field(
        None, description="The site whose servers the other one's need: connections are let through towards it only."
    )
    lease: Seconds = Field(
        12 * 3600,
        description="gateway, router: how long the tunnel stays open when nobody renews it; never past the calendar.",
    )
    home: Name | None = Field(
        None, description="router: the site that stays; the group and its router are at the other."
    )
    hypervisor: CloudName | None = Field(
        None, description="router: where the router stands, and the pins of every pool on its network; moves change it."
    )
    uplinks: dict[CloudName, Text] = Field(
        default_factory=dict,
        description="router: by hypervisor, the network that the router leaves by there, where it is another one.",
    )

    def far(self, site: str) -> str:
        """The other of the two sites."""
        return next(other for other in self.between if other != site)

    def end_options(self, site: str) -> Options:
        """What the end at ``site`` is told: sorted pairs of text, the far end's part only as far as it must know."""
        if self.driver in LEASED:
            found = self._gateway_options(site)
        elif self.driver == "vpnaas":
            found = {"subnets": ",".join(self.subnets.get(site, ())), "external": self.external.get(site, "")}
        elif self.driver == "bgpvpn":
            found = self._bgpvpn_options(site)
        else:
            found = {
                "physical_network": self.physical_network or "",
                "vlan": str(self.vlan or ""),
                "cidr": self.cidr or "",
                "mtu": str(self.mtu or ""),
                "allocation": _tight(self.allocation.get(site, "")),
                "gateway": "yes" if self.gateway == site else "",
                "adopt": self.adopt.get(site, ""),
                **self._probing(site),
            }
        return tuple(sorted((key, value) for key, value in found.items() if value))

    def _bgpvpn_options(self, site: str) -> dict[str, str]:
        routed = self.mode == "l3"
        return {
            "bgpvpn": self.bgpvpn.get(site, ""),
            "mode": self.mode,
            "cidr": self.cidrs.get(site, "") if routed else self.cidr or "",
            "far_cidr": self.cidrs.get(self.far(site), "") if routed else "",
            "mtu": str(self.mtu or ""),
            "allocation": "" if routed else _tight(self.allocation.get(site, "")),
            "gateway": "yes" if self.gateway == site and not routed else "",
            "adopt": self.adopt.get(site, ""),
            "router": self.routers.get(site, ""),
        }

    def _probing(self, site: str) -> dict[str, str]:
        """The last address of each share is the prober's, where there is one."""
        if not self.image or not self.flavor:
            return {}
        shares = {one: _tight(self.allocation.get(one, "")).partition("-")[2] for one in self.between}
        return {
            "image": self.image.get(site, ""),
            "flavor": self.flavor.get(site, ""),
            "zone": self.zone.get(site, ""),
            "probe": shares[site],
            "far_probe": shares[self.far(site)],
        }

    def roams(self, site: str) -> bool:
        """Whether the end at ``site`` is a router that moves with its group."""
        return self.driver == "router" and site != self.home

    def place(self, site: str) -> Options:
        """What an end that roams is told further, and what may change while it stands."""
        if not self.roams(site):
            return ()
        hypervisor = self.hypervisor or ""
        external = self.uplinks.get(hypervisor) or self.external.get(site, "")
        return tuple((key, value) for key, value in (("external", external), ("hypervisor", hypervisor)) if value)

    def _gateway_options(self, site: str) -> dict[str, str]:
        routed = self.mode == "l3" or self.driver == "router"
        roams = self.roams(site)
        return {
            "mode": "l3" if routed else "l2",
            "roams": ("near" if roams else "far") if self.driver == "router" else "",
            "side": str(self.between.index(site) + 1),
            "cidr": self.cidrs.get(site, "") if routed else self.cidr or "",
            "far_cidr": self.cidrs.get(self.far(site), "") if routed else "",
            "mtu": str(self.mtu or ""),
            "allocation": "" if routed else _tight(self.allocation.get(site, "")),
            "external": "" if roams else self.external.get(site, ""),
            "image": self.image.get(site, ""),
            "flavor": self.flavor.get(site, ""),
            "zone": "" if roams else self.zone.get(site, ""),
            "port": str(self.port),
            "transport": "" if self.transport == "wireguard" else self.transport,
            "allow": ",".join(sorted(self.allow)),
            "serves": "" if self.origin is None else "near" if self.origin == site else "far",
        }


def _tight(pair: str) -> str:
    return "".join(pair.split())
