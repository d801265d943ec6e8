"""What was seen: one view per driver and cloud; all views of one look are a snapshot.

Words and states are the services' own (``ACTIVE``, ``PENDING_UPDATE``, ``ONLINE``).
Every view holds only what bears the event's mark, a few named things the event refers
to (hypervisors, names it mentions), and nothing of anybody else's, members added by
hand to a marked pool aside: those are kept, flagged by ``mark is None``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from cloudsentry.records.ground import Ground
from cloudsentry.records.marks import Mark
from cloudsentry.records.steering import SteeringView
from cloudsentry.records.stretching import StretchView

RESTING = ("PAUSED", "SHUTOFF", "SHELVED", "SHELVED_OFFLOADED")
"""States of servers that cloudsentry lays to rest, the ones that come back soonest first."""

FALLING = (
    "powering-off",
    "pausing",
    "shelving",
    "shelving_image_pending_upload",
    "shelving_image_uploading",
    "shelving_offloading",
)
"""Nova's tasks on the way there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A Nova server. ``hypervisor`` is empty where the account may not see it."""

    id: str
    name: str
    status: str
    mark: Mark
    hypervisor: str = ""
    zone: str = ""
    task: str = ""
    addresses: tuple[str, ...] = ()
    """Fixed addresses, in the order of the networks, IPv4 before IPv6 within one."""
    fault: str = ""
    created: str = ""

    @property
    def alive(self) -> bool:
        """Serves, or is about to: counts towards what the event wants."""
        if self.task == "deleting" or self.task in FALLING:
            return False
        up = self.status in ("ACTIVE", "BUILD", "REBOOT", "HARD_REBOOT", "MIGRATING", "RESIZE", "PASSWORD")
        return up or (self.status in RESTING and bool(self.task))

    @property
    def active(self) -> bool:
        """Serves now."""
        return self.status == "ACTIVE" and self.task != "deleting" and self.task not in FALLING

    @property
    def rests(self) -> bool:
        """Stopped, paused or shelved, or about to be."""
        return self.task in FALLING or (self.status in RESTING and not self.task)

    @property
    def gone(self) -> bool:
        """On its way out: neither counts nor may be deleted again."""
        return self.task == "deleting" or self.status in ("DELETED", "SOFT_DELETED")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerGroup:
    """A Nova server group; its name carries the mark (Nova's groups have no tags)."""

    id: str
    name: str
    policy: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypervisor:
    """A compute host that a pin names or could resolve to. Sizes in MiB, GiB and VCPUs."""

    name: str
    up: bool
    enabled: bool
    zone: str = ""
    aggregates: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    free_vcpus: int = -1
    free_ram: int = -1
    free_disk: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """One cloud, as a pool driver sees it for one event."""

    family: ClassVar[str] = "pool"
    driver: str
    cloud: str
    servers: tuple[Server, ...] = ()
    groups: tuple[ServerGroup, ...] = ()
    hypervisors: tuple[Hypervisor, ...] = ()
    pins_allowed: bool = True
    """Whether the account may name a hypervisor (Nova's requested_destination policy)."""
    missing: tuple[str, ...] = ()
    """Named things that are not there, each as it stands behind "there is no": ``image 'tinny'``."""
    ground: Ground = field(default=Ground())
    """Quotas and room, where the scope asked for limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a balancer pool. ``name`` is the server's id where cloudsentry made it."""

    id: str = ""
    name: str
    address: str
    port: int
    weight: int
    mark: Mark | None = None
    provisioning: str = "ACTIVE"
    operating: str = ""
    subnet: str = ""
    backup: bool = False
    connections: int | None = None
    """Connections open on it now, or None where the driver cannot tell."""
    served: int | None = None
    """Requests that it was given since its balancer started, or None where the driver cannot tell."""
    octets: int | None = None
    """Bytes that it answered since its balancer started, or None where the driver cannot tell."""
    time_ms: float | None = None
    """Mean time to the head of its recent answers, or None where the driver cannot tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancer:
    """A balancer with its one listener and its one pool."""

    id: str
    name: str
    mark: Mark
    vip: str
    provisioning: str
    operating: str = ""
    listener: str = ""
    pool: str = ""
    monitor: str = ""
    algorithm: str = ""
    members: tuple[Member, ...] = ()
    connections: int | None = None
    """Connections open now, or None where the driver cannot tell."""
    served: int | None = None
    """Connections or requests since it was made, where its driver tells them of the whole and not by member."""
    octets: int | None = None
    """Bytes answered since it was made, likewise."""

    @property
    def settled(self) -> bool:
        """No call of ours or anybody's is being worked on."""
        return not self.provisioning.startswith("PENDING")


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerView:
    """The balancers of one event at one place; ``cloud`` is that place (a cloud, or a balancer host)."""

    family: ClassVar[str] = "balancer"
    driver: str
    cloud: str
    balancers: tuple[Balancer, ...] = ()
    missing: tuple[str, ...] = ()
    ground: Ground = field(default=Ground())
    """Quotas, where the scope asked for limits."""

    def named(self, unit: str) -> Balancer | None:
        """The balancer of a unit, or None."""
        return next((balancer for balancer in self.balancers if balancer.mark.unit == unit), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dark:
    """A place that did not answer: what is there is not known, and is neither missing nor gone. ``why`` in words."""

    family: str
    cloud: str
    driver: str
    why: str

    def __str__(self) -> str:
        return f"{self.cloud}: {self.family} not seen: {self.why.removeprefix(f'{self.cloud}: ')}"


View = PoolView | BalancerView | StretchView | SteeringView


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at everything an event touches; views of a family are sorted by (cloud, driver)."""

    event: str
    pools: tuple[PoolView, ...] = field(default=())
    balancers: tuple[BalancerView, ...] = field(default=())
    stretches: tuple[StretchView, ...] = field(default=())
    steerings: tuple[SteeringView, ...] = field(default=())
    dark: tuple[Dark, ...] = field(default=())

    @classmethod
    def of(cls, event: str, views: Iterable[View], dark: Iterable[Dark] = ()) -> Snapshot:
        """A snapshot from views of any family, and of the places that did not answer."""
        listed = sorted(views, key=lambda view: (view.cloud, view.driver))
        return cls(
            event=event,
            pools=tuple(view for view in listed if isinstance(view, PoolView)),
            balancers=tuple(view for view in listed if isinstance(view, BalancerView)),
            stretches=tuple(view for view in listed if isinstance(view, StretchView)),
            steerings=tuple(view for view in listed if isinstance(view, SteeringView)),
            dark=tuple(sorted(dark, key=lambda one: (one.cloud, one.family, one.driver))),
        )

    @property
    def views(self) -> tuple[View, ...]:
        """All of them."""
        return (*self.pools, *self.balancers, *self.stretches, *self.steerings)

    def steering(self, cloud: str, driver: str) -> SteeringView:
        """The view of a steering driver at a place; empty where nothing was observed."""
        return next(
            (view for view in self.steerings if (view.cloud, view.driver) == (cloud, driver)),
            SteeringView(driver=driver, cloud=cloud),
        )

    def unseen(self, family: str, cloud: str, driver: str) -> Dark | None:
        """Why a place was not seen; None where it was."""
        place = (family, cloud, driver)
        return next((one for one in self.dark if (one.family, one.cloud, one.driver) == place), None)

    def stretch(self, cloud: str, driver: str) -> StretchView:
        """The view of a stretch driver on a cloud; empty where nothing was observed."""
        return next(
            (view for view in self.stretches if (view.cloud, view.driver) == (cloud, driver)),
            StretchView(driver=driver, cloud=cloud),
        )

    def pool(self, cloud: str, driver: str) -> PoolView:
        """The view of a pool driver on a cloud; empty where nothing was observed."""
        return next(
            (view for view in self.pools if (view.cloud, view.driver) == (cloud, driver)),
            PoolView(driver=driver, cloud=cloud),
        )

    def balancer(self, cloud: str, driver: str) -> BalancerView:
        """The view of a balancer driver on a cloud; empty where nothing was observed."""
        return next(
            (view for view in self.balancers if (view.cloud, view.driver) == (cloud, driver)),
            BalancerView(driver=driver, cloud=cloud),
        )
