"""Where a server goes and which addresses it gets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cloudsentry.clouds.hypervisors import FlavorSpec, NetworkSpec
from cloudsentry.errors import NoCapacity
from cloudsentry.records.views import Hypervisor

RESERVE = 256
"""MiB of a host's memory that stay its own."""


def spread(hosts: Iterable[Hypervisor], flavor: FlavorSpec, count: int, *, pin: str = "", zone: str = "") -> list[str]:
    """A hypervisor for each of ``count`` servers, the one with the most free memory first.

    Raises `NoCapacity`, with the numbers, where not all of them have room: then none is to be made.
    """
    free = {
        host.name: host.free_ram - RESERVE
        for host in hosts
        if host.up and host.enabled and pin in ("", host.name) and zone in ("", host.zone)
    }
    chosen: list[str] = []
    for _ in range(count):
        best = max(free, key=lambda name: (free[name], name), default="")
        if not best or free[best] < flavor.ram:
            asked = f"{count} servers of {flavor.ram} MiB"
            room = ", ".join(f"{name} {max(0, left)} MiB" for name, left in sorted(free.items())) or "no host"
            raise NoCapacity(f"{asked} do not fit: {len(chosen)} placed, then free is {room}")
        chosen.append(best)
        free[best] -= flavor.ram
    return chosen


def addresses(network: NetworkSpec, used: Iterable[str], count: int, name: str) -> list[str]:
    """The first free addresses of a network's range. Raises `NoCapacity`."""
    taken = set(used)
    free = [address for address in network.addresses() if address not in taken]
    if len(free) < count:
        raise NoCapacity(f"network {name!r} has {len(free)} free addresses, {count} are needed")
    return free[:count]


def named(kind: str, name: str, known: Mapping[str, object]) -> list[str]:
    """Nothing where the name is known, else what is said of it."""
    from cloudsentry.clouds.names import missing

    return [] if name in known else [missing(kind, name, known)]
