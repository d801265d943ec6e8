"""Where a fake cloud's servers go: the pin, room, and a group's rule; the emptiest hypervisor first."""

from __future__ import annotations

import collections
import heapq
from collections.abc import Mapping
from dataclasses import dataclass

from cloudsentry.records.orders import CreateServers


@dataclass(slots=True)
class FakeHypervisor:
    """A compute host. ``room`` is the most servers it takes; -1 is no limit."""

    zone: str = "nova"
    up: bool = True
    enabled: bool = True
    aggregates: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    room: int = -1
    memory: int = -1
    """Free MiB, told and not enforced; -1 is untold."""


@dataclass(slots=True)
class FakeGroup:
    """A server group."""

    name: str
    policy: str
    max_per_host: int = 1


def place(
    hypervisors: Mapping[str, FakeHypervisor],
    load: Mapping[str, int],
    order: CreateServers,
    group: tuple[FakeGroup, list[str]] | None,
) -> list[str]:
    """A hypervisor for each server of an order; all empty where one finds none: so does Nova's scheduler."""
    in_group = collections.Counter(group[1] if group else [])
    most = group[0].max_per_host if group and group[0].policy == "anti-affinity" else -1
    queue = [(load[name], name) for name, host in hypervisors.items() if _fits(name, host, order)]
    heapq.heapify(queue)
    placed: list[str] = []
    while queue and len(placed) < order.count:
        used, name = heapq.heappop(queue)
        room = hypervisors[name].room
        if (0 <= room <= used) or (0 <= most <= in_group[name]):
            continue
        placed.append(name)
        in_group[name] += 1
        heapq.heappush(queue, (used + 1, name))
    return placed if len(placed) == order.count else [""] * order.count


def _fits(name: str, host: FakeHypervisor, order: CreateServers) -> bool:
    return host.up and host.enabled and order.hypervisor in ("", name) and order.zone in ("", host.zone)
