"""The event file's models; the same objects are used inside as they are.

Frozen, unknown keys forbidden. What needs two places to be compared (a pool that names a site)
is checked in `cloudsentry.spec.check`, so that all faults of a file come at once.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cloudsentry.records.marks import NAME_MAX
from cloudsentry.spec.scalars import seconds

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=NAME_MAX)]
"""Names of the event's own parts: lower case letters, digits and hyphens."""

CloudName = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\s/,]+$")]
"""What a cloud calls something: no white space, no slash, no comma."""

Seconds = Annotated[float, BeforeValidator(seconds), Field(ge=0, le=86400)]
"""A duration, written ``30s``, ``5m``, ``1h`` or as a number of seconds."""

Count = Annotated[int, Field(ge=0, le=1000)]
Weight = Annotated[int, Field(ge=0, le=256)]
"""Octavia's and HAProxy's range."""


class Part(BaseModel):
    """Frozen, and a key that nobody knows is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Site(Part):
    """Where servers stand: a cloud of clouds.yaml."""

    cloud: CloudName = Field(description="Name of the cloud in clouds.yaml.")


class Pin(Part):
    """How many servers go where, and their weight behind a balancer. Exactly one place is named.

    Without a place the cloud's scheduler decides.
    """

    hypervisor: CloudName | None = Field(None, description="Nova's host name; needs an administrator's rights.")
    zone: CloudName | None = Field(None, description="Availability zone; needs no rights.")
    aggregate: CloudName | None = Field(None, description="Host aggregate, spread evenly over its hosts.")
    trait: CloudName | None = Field(None, description="Placement trait, spread evenly over the hosts that have it.")
    anti_affinity: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="At most this many servers per hypervisor, by a server group; needs no rights."
    )
    count: Count = Field(description="Number of servers.")
    weight: Weight = Field(1, description="Weight of each of these servers behind a balancer.")

    @property
    def place(self) -> tuple[str, str]:
        """(kind, value) of the one place; ``("any", "")`` where none is named."""
        for kind in ("hypervisor", "zone", "aggregate", "trait", "anti_affinity"):
            value = getattr(self, kind)
            if value is not None:
                return kind, str(value)
        return "any", ""


class Pool(Part):
    """Servers that are alike, pinned to hypervisors of one site."""

    site: Name = Field(description="One of `sites`.")
    driver: str = Field("nova", description="A driver of the family cloudsentry.pool.")
    image: str = Field(min_length=1, description="Image name or id.")
    flavor: str = Field(min_length=1, description="Flavor name or id.")
    networks: list[str] | Literal["none"] = Field(description="Network names or ids, one port each; or `none`.")
    security_groups: list[str] = Field(default_factory=list, description="Names; the cloud's default where empty.")
    key_name: str | None = Field(None, description="Keypair.")
    user_data: str | None = Field(
        None, description="Passed to the servers as it is (at most 48 KiB).", max_length=49152
    )
    metadata: dict[str, str] = Field(default_factory=dict, description="Further server metadata.")
    pins: list[Pin] = Field(min_length=1, description="Where, how many, with which weight.")

    @property
    def network_names(self) -> tuple[str, ...]:
        """The networks; empty for ``none``."""
        return () if self.networks == "none" else tuple(self.networks)


class MonitorSpec(Part):
    """Health monitor of a balancer's pool."""

    type: Literal["HTTP", "TCP", "PING"] = "HTTP"
    path: str = Field("/", pattern=r"^/\S*$")
    delay: Seconds = 5
    timeout: Seconds = 3
    retries: Annotated[int, Field(ge=1, le=10)] = 2


class MembersOf(Part):
    """Which pool's servers are members, and on which port they serve."""

    pool: Name = Field(description="One of `pools`.")
    port: Annotated[int, Field(ge=1, le=65535)] = 80


class BalancerSpec(Part):
    """One VIP of a site over the servers of its pools."""

    site: Name = Field(description="One of `sites`.")
    driver: str = Field("octavia", description="A driver of the family cloudsentry.balancer.")
    network: str | None = Field(None, description="Network of the VIP.")
    subnet: str | None = Field(None, description="Subnet of the VIP, where the network has several.")
    provider: str | None = Field(None, description="Octavia provider; the cloud's default where absent.")
    protocol: Literal["HTTP", "TCP"] = "HTTP"
    port: Annotated[int, Field(ge=1, le=65535)] = 80
    algorithm: Literal["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"] = "ROUND_ROBIN"
    monitor: MonitorSpec | None = None
    drain: Seconds = Field(10, description="How long a member stays at weight 0 before it is removed.")
    members: list[MembersOf] = Field(min_length=1)


class Calendar(Part):
    """When the crowd comes."""

    timezone: str = Field("UTC", description="IANA time zone of the dates below.")
    first: dt.date = Field(alias="from", description="First day.")
    last: dt.date = Field(alias="until", description="Last day, included.")


class Event(Part):
    """A flash crowd: when, how much, on which hypervisors of which clouds, weighted how."""

    event: Name = Field(description="Name of the event; part of every mark.")
    title: str = Field("", max_length=200)
    calendar: Calendar | None = None
    sites: dict[Name, Site] = Field(min_length=1)
    pools: dict[Name, Pool] = Field(min_length=1)
    balancers: dict[Name, BalancerSpec] = Field(default_factory=dict)

    def cloud_of(self, site: str) -> str:
        """The cloud of a site."""
        return self.sites[site].cloud
