"""Stretched networks in an event file: what joins two sites, and what each end is told of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cloudsentry.spec.parts import CloudName, Name, Part

MTU_LEAST, MTU_MOST = 576, 9216
"""Bytes: what every IPv4 host takes (RFC 791), and what common switches carry."""

OWN = {
    "vlan": frozenset({"physical_network", "vlan", "cidr", "mtu", "allocation", "gateway"}),
    "vpnaas": frozenset({"subnets", "external"}),
}
"""The keys that only some drivers have; a driver that is not named here may have any."""

NEEDED = {
    "vlan": ("physical_network", "vlan", "cidr", "allocation"),
    "vpnaas": ("subnets",),
}

Options = tuple[tuple[str, str], ...]

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

    driver: str = Field(description="A driver of the family cloudsentry.stretch: vlan, vpnaas.")
    between: list[Name] = Field(min_length=2, max_length=2, description="The two sites, each with a cloud of its own.")
    physical_network: CloudName | None = Field(
        None, description="vlan: the provider network that the operator has joined between the sites."
    )
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = Field(None, description="vlan: the VLAN id, the same at both.")
    cidr: Text | None = Field(None, description="vlan: the addresses of the whole stretched network.")
    mtu: Annotated[int, Field(ge=MTU_LEAST, le=MTU_MOST)] | None = Field(
        None, description="vlan: bytes of the largest packet; the clouds' own where absent."
    )
    allocation: dict[Name, AddressRange] = Field(
        default_factory=dict, description="vlan: by site, the addresses that its servers get."
    )
    gateway: Name | None = Field(
        None, description="vlan: the site that has the gateway (the first address) and DHCP; neither has where absent."
    )
    subnets: dict[Name, list[Text]] = Field(
        default_factory=dict, description="vpnaas: by site, the subnets that reach each other."
    )
    external: dict[Name, Text] = Field(
        default_factory=dict, description="vpnaas: by site, the external network; the cloud's only one where absent."
    )

    def far(self, site: str) -> str:
        """The other of the two sites."""
        return next(other for other in self.between if other != site)

    def end_options(self, site: str) -> Options:
        """What the end at ``site`` is told: sorted pairs of text, the far end's part only as far as it must know."""
        if self.driver == "vpnaas":
            found = {"subnets": ",".join(self.subnets.get(site, ())), "external": self.external.get(site, "")}
        else:
            found = {
                "physical_network": self.physical_network or "",
                "vlan": str(self.vlan or ""),
                "cidr": self.cidr or "",
                "mtu": str(self.mtu or ""),
                "allocation": _tight(self.allocation.get(site, "")),
                "gateway": "yes" if self.gateway == site else "",
            }
        return tuple(sorted((key, value) for key, value in found.items() if value))


def _tight(pair: str) -> str:
    return "".join(pair.split())
