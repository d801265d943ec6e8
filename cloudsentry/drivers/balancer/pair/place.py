"""Which servers carry a balancer: ``pair:CLOUD/POOL/REACH``, and how each is reached.

``REACH`` is a balancer host (`cloudsentry.clouds.hosts`) in which ``{address}``, ``{name}`` and ``{id}`` are the
server's, ``{id:.13}`` the first 13 characters of its id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cloudsentry.clouds.hosts import Host, host_of
from cloudsentry.errors import NotSupported

_PLACE = re.compile(r"pair:([^/]+)/([a-z0-9-]+)/(.+)")
_FIELD = re.compile(r"\{(address|name|id)(?::\.(\d{1,2}))?\}")
KEYS = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----\s*(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)
"""How cloud-init (and what cloudsentry boots) writes a server's host keys to its console: only the cloud can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A server that carries balancers: ACTIVE, with an address."""

    id: str
    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlace:
    """The servers of one pool."""

    text: str
    cloud: str
    pool: str
    reach: str

    @classmethod
    def of(cls, text: str) -> PairPlace:
        """From a place. Raises `NotSupported` for anything else."""
        found = _PLACE.fullmatch(text)
        if found is None:
            raise NotSupported(f"{text!r} names no servers that carry a balancer: pair:CLOUD/POOL/REACH")
        return cls(text=text, cloud=found[1], pool=found[2], reach=found[3])

    def host(self, carrier: Carrier, keys: tuple[str, ...] = ()) -> Host:
        """One of them as a balancer host; ``keys`` are its SSH host keys, as a line of known_hosts has them."""
        facts = {"address": carrier.address, "name": carrier.name, "id": carrier.id}
        if ":" in carrier.address and self.reach.startswith("ssh://"):
            facts["address"] = f"[{carrier.address}]"
        reach = _FIELD.sub(lambda field: facts[field[1]][: int(field[2] or 255)], self.reach)
        return host_of(reach, keys)

    @property
    def by_ssh(self) -> bool:
        """Whether its servers prove who they are by host keys."""
        return self.reach.startswith("ssh://")


def keys_of(console: str) -> tuple[str, ...]:
    """The host keys of a server's newest boot, as ``TYPE BASE64``; empty where its console has none."""
    found = KEYS.findall(console)
    lines = (line.split() for line in found[-1].splitlines()) if found else ()
    return tuple(" ".join(words[:2]) for words in lines if len(words) >= 2)
