"""The event file's models; the same objects are used inside as they are.

Frozen, unknown keys forbidden. What needs two places to be compared (a pool that names a site)
is checked in `cloudsentry.spec.check`, so that all faults of a file come at once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cloudsentry.spec.calendar import Calendar
from cloudsentry.spec.calibration import CalibrationSpec
from cloudsentry.spec.moving import MoveSpec
from cloudsentry.spec.parts import NAME_PATTERN as NAME_PATTERN
from cloudsentry.spec.parts import NAME_WORDS as NAME_WORDS
from cloudsentry.spec.parts import CloudName, Count, Name, Part, Seconds, Weight
from cloudsentry.spec.reweighing import FIRST, Fallback, Reweigh, Tuned
from cloudsentry.spec.scaling import Scaling
from cloudsentry.spec.spares import Spares
from cloudsentry.spec.spill import Spill
from cloudsentry.spec.steering import SteeringSpec
from cloudsentry.spec.stretch import StretchSpec

REACH = "ssh://root@{address}"
"""How servers that carry a balancer are reached: the driver fills in each one's address."""

USER_DATA_MAX = 49149
"""Bytes: Nova takes 65,535 characters of base64, which are 16,383 whole groups of three bytes."""


class Site(Part):
    """Where servers stand: a cloud of clouds.yaml."""

    cloud: CloudName = Field(description="Name of the cloud in clouds.yaml.")


class Pin(Part):
    """How many servers go where, and their weight behind a balancer. At most one place is named.

    The places are ``hypervisor``, ``zone``, ``aggregate``, ``trait`` and ``anti_affinity``; without one the
    cloud's scheduler decides.
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
    most: Count | None = Field(None, description="Scaling puts at most this many servers here; no bound where absent.")
    share: Count | None = Field(
        None, description="This pin's share when the pool is scaled; the count where absent, kept here once scaled."
    )

    @property
    def place(self) -> tuple[str, str]:
        """(kind, value) of the one place; ``("any", "")`` where none is named."""
        for kind in ("hypervisor", "zone", "aggregate", "trait", "anti_affinity"):
            value = getattr(self, kind)
            if value is not None:
                return kind, str(value)
        return "any", ""


def unit_of(pool: str, pin: Pin) -> str:
    """What a pin's servers are called: ``front@xeon1``, ``front@zone:nova``, ``front@any``."""
    kind, value = pin.place
    return f"{pool}@{value if kind == 'hypervisor' else kind if kind == 'any' else f'{kind}:{value}'}"


class Pool(Part):
    """Servers that are alike, pinned to hypervisors of one site."""

    site: Name = Field(description="One of `sites`.")
    driver: str = Field("nova", description="A driver of the family cloudsentry.pool.")
    image: str = Field(min_length=1, description="Image name or id.")
    flavor: str = Field(min_length=1, description="Flavor name or id.")
    networks: list[Annotated[str, Field(min_length=1)]] | Literal["none"] = Field(
        description="Network names or ids, one port each; or `none`."
    )
    security_groups: list[str] = Field(default_factory=list, description="Names; the cloud's default where empty.")
    key_name: str | None = Field(None, description="Keypair.")
    user_data: str | None = Field(
        None, description="Passed to the servers as it is (at most 49,149 bytes).", max_length=USER_DATA_MAX
    )
    metadata: dict[str, str] = Field(default_factory=dict, description="Further server metadata.")
    pins: list[Pin] = Field(min_length=1, description="Where, how many, with which weight.")
    spares: Spares | None = Field(None, description="Servers that rest at each pin, and are started first.")
    spill: list[Spill] = Field(
        default_factory=list, description="Where to turn, in this order, for servers that a pin cannot have."
    )

    @property
    def network_names(self) -> tuple[str, ...]:
        """The networks; empty for ``none``."""
        return () if self.networks == "none" else tuple(self.networks)


class MonitorSpec(Part):
    """Health monitor of a balancer's pool."""

    type: Literal["HTTP", "TCP", "PING"] = Field("HTTP", description="How a member is asked.")
    path: str = Field(
        "/",
        pattern=r"^/\S*$",
        description="What an HTTP monitor asks for; 200 is healthy.",
        json_schema_extra={"patternErrorMessage": "a path that begins with a slash"},
    )
    delay: Seconds = Field(5, description="Time from one check to the next.")
    timeout: Seconds = Field(3, description="How long an answer may take; at most `delay`.")
    retries: Annotated[int, Field(ge=1, le=10)] = Field(2, description="Checks in a row that decide.")

    @property
    def asks(self) -> str:
        """What it asks, in words."""
        return f"GET {self.path}" if self.type == "HTTP" else f"a {self.type} check"


class MembersOf(Part):
    """Which pool's servers are members, and on which port they serve."""

    pool: Name = Field(description="One of `pools`.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(80, description="Port on which the servers serve.")
    far: bool = Field(
        False, description="The pool stands at another site, on a network that is one layer 2 at both; moves set it."
    )
    fallback: Fallback | None = Field(
        None,
        description="The pool stands at another site: its servers are asked only where none of the others answers, and "
        "have weight only while whole transfers from them arrive.",
    )
    ramp: Seconds | None = Field(
        None, description="The pool gets its weight by and by, in this time: for all the servers of a site that comes."
    )


class BalancerSpec(Part):
    """One VIP of a site over the servers of its pools."""

    site: Name = Field(description="One of `sites`.")
    driver: str = Field("octavia", description="A driver of the family cloudsentry.balancer.")
    host: str | None = Field(
        None,
        pattern=r"^(local|netns:[\w.-]+|ssh://[\w.@:\[\]-]+)$",
        description="Balancer host for haproxy and apache: `local`, `netns:NAME` or `ssh://user@host[:port]`.",
        json_schema_extra={"patternErrorMessage": "local, netns:NAME or ssh://user@host"},
    )
    carried_by: Name | None = Field(
        None, description="For haproxy-pair and apache-pair: the pool of the event whose servers carry the balancer."
    )
    reach: str | None = Field(
        None,
        pattern=r"^(netns:|ssh://)([\w.@:\[\]-]|\{(address|name|id)(:\.\d{1,2})?\})+$",
        description="How each of those servers is reached: `ssh://root@{address}` where absent.",
        json_schema_extra={"patternErrorMessage": "netns:NAME or ssh://user@host, with {address}, {name} or {id}"},
    )
    address: str | None = Field(None, description="Address to listen on, for a balancer on a host.")
    network: str | None = Field(None, description="Network of the VIP.")
    subnet: str | None = Field(None, description="Subnet of the VIP, where the network has several.")
    provider: str | None = Field(None, description="Octavia provider; the cloud's default where absent.")
    protocol: Literal["HTTP", "TCP"] = Field("HTTP", description="Of the listener and of the members.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(80, description="Port of the VIP.")
    algorithm: Literal["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"] = Field(
        "ROUND_ROBIN", description="How the next member is chosen; weights hold in each."
    )
    monitor: MonitorSpec | None = Field(None, description="Health monitor; none where absent.")
    weights: Literal["measured"] | None = Field(
        None, description="`measured`: from the newest calibration of each pin; the pins' own where absent."
    )
    reweigh: Reweigh | None = Field(None, description="Members that slow down lose weight; they keep it where absent.")
    tuned: dict[str, Tuned] | None = Field(
        None, description="Weights that cloudsentry has found, by unit; not for people to write."
    )
    drain: Seconds = Field(10, description="How long a member stays at weight 0 before it is removed.")
    members: list[MembersOf] = Field(min_length=1, description="Pools of the same site whose servers are members.")

    def weight_of(self, pool: str, unit: str, weight: int) -> int:
        """What a server of the unit has behind this balancer where its pin says ``weight``."""
        found = (self.tuned or {}).get(unit)
        if found is not None:
            return min(found.weight, weight)
        part = next(one for one in self.members if one.pool == pool)
        if part.fallback is not None:
            return 0
        return weight if part.ramp is None or not weight else max(1, round(weight * FIRST))


class Event(Part):
    """A flash crowd: when, how much, on which hypervisors of which clouds, weighted how."""

    event: Name = Field(description="Name of the event; part of every mark.")
    title: str = Field("", max_length=200, description="One line for people.")
    calendar: Calendar | None = Field(None, description="First and last day; without it only people start the event.")
    sites: dict[Name, Site] = Field(min_length=1, description="The clouds that take part, by a name of your own.")
    pools: dict[Name, Pool] = Field(min_length=1, description="Servers that are alike, by a name of your own.")
    balancers: dict[Name, BalancerSpec] = Field(
        default_factory=dict, description="VIPs over the pools' servers, by a name of your own."
    )
    stretches: dict[Name, StretchSpec] = Field(
        default_factory=dict, description="Private networks that reach from one site to another, by a name of your own."
    )
    steering: dict[Name, SteeringSpec] = Field(
        default_factory=dict, description="Shares of the clients of the farm and the clouds, by a name of your own."
    )
    calibration: CalibrationSpec | None = Field(
        None, description="Which calibrations hold, and the load that measured pools are sized for."
    )
    scaling: dict[Name, Scaling] = Field(
        default_factory=dict, description="Pools that grow and shrink with the crowd, by the pool's name."
    )
    moves: dict[Name, MoveSpec] = Field(
        default_factory=dict, description="What `migrate run EVENT NAME` moves, by a name of your own."
    )

    def cloud_of(self, site: str) -> str:
        """The cloud of a site."""
        return self.sites[site].cloud

    def place_of(self, spec: BalancerSpec) -> str:
        """Where a balancer lives: its host where it has one, the servers that carry it, else its site's cloud."""
        if spec.carried_by:
            return f"pair:{self.cloud_of(spec.site)}/{spec.carried_by}/{spec.reach or REACH}"
        return spec.host or self.cloud_of(spec.site)
