"""What a cloud has room for: quotas, sizes, addresses, and how far its clock and our credentials can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A quota of the account's project. ``limit`` below 0 is none; ``kind`` is the service's word, in the plural."""

    kind: str
    limit: int
    used: int

    @property
    def free(self) -> int | None:
        """How many more there may be; None where there is no limit."""
        return None if self.limit < 0 else max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a server of a flavor takes, or what an image asks for at the least: VCPUs, MiB, GiB."""

    name: str
    vcpus: int = 0
    ram: int = 0
    disk: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Free addresses of a network: of the family (IPv4, IPv6) that has the fewest."""

    network: str
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What was asked of a cloud before anything is made there; what the account may not see is left out.

    ``skew`` is the seconds by which the cloud's clock is ahead of this machine's, None where it does not tell.
    ``until`` is when the credentials end (ISO 8601, UTC), empty where they do not or nobody tells.
    """

    limits: tuple[Limit, ...] = field(default=())
    flavors: tuple[Size, ...] = ()
    images: tuple[Size, ...] = ()
    rooms: tuple[Room, ...] = ()
    skew: float | None = None
    until: str = ""

    def free(self, kind: str) -> int | None:
        """How many more of a kind there may be; None where nothing says."""
        return next((limit.free for limit in self.limits if limit.kind == kind), None)

    def flavor(self, name: str) -> Size | None:
        """The size of a flavor, where it is known."""
        return next((size for size in self.flavors if size.name == name), None)
