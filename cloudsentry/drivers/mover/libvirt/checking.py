"""Every reason why a server cannot move live, looked up before anything is touched."""

from __future__ import annotations

from cloudsentry.clouds.domains import Shape
from cloudsentry.clouds.hypervisors import SiteSpec
from cloudsentry.drivers.mover.libvirt.ends import End
from cloudsentry.errors import DriverError
from cloudsentry.records.moving import Findings, MoveOrder

RESERVE = 256
"""MiB of a target's memory that stay its own."""


def check(near: End, far: End, order: MoveOrder) -> Findings:
    """As the contract of a mover says. ``joined`` means that every network of the server is one segment at both."""
    standing = near.standing(order.server)
    if standing is None or not standing.running:
        state = "is gone" if standing is None else "does not run: a live move needs a running server"
        return Findings(refusals=(f"server {order.name or order.server} {state}",))
    told = near.shape(standing.hypervisor, order.server)
    faults = [f"server {order.name} has {other}: it cannot move" for other in told.others]
    faults += _networks(near.site.spec, far.site.spec, told, (near.site.name, far.site.name))
    faults += _arrival(far, order, told)
    paths = to_copy(near, far, told)
    size = near.bytes_of(standing.hypervisor, paths) if paths else 0
    return Findings(
        refusals=tuple(faults),
        joined=not faults,
        copy_bytes=size + told.ram * 1024**2,
        memory_mb=told.ram,
        hypervisor=standing.hypervisor,
    )


def to_copy(near: End, far: End, told: Shape) -> tuple[str, ...]:
    """The disks that the target does not see as they are."""
    shared = near.site.spec.shared
    return () if shared and shared == far.site.spec.shared else told.disks


def place(near: End, far: End, order: MoveOrder) -> tuple[str, str]:
    """(from, to): the hypervisor that the server leaves, and the one asked for, else the one with most memory free."""
    standing = near.standing(order.server)
    known = sorted(far.site.spec.hypervisors)
    best = order.hypervisor or max(known, key=lambda name: (far.free(name), name))
    return (standing.hypervisor if standing else "", best)


def _networks(near: SiteSpec, far: SiteSpec, told: Shape, sites: tuple[str, str]) -> list[str]:
    faults = []
    for bridge in told.bridges:
        name = next((name for name, spec in sorted(near.networks.items()) if spec.bridge == bridge), "")
        here, there = near.networks.get(name), far.networks.get(name)
        if here is None:
            faults.append(f"bridge {bridge} is no network of site {sites[0]}")
        elif there is None:
            faults.append(f"site {sites[1]} has no network {name!r}")
        elif not here.segment or here.segment != there.segment:
            faults.append(f"network {name!r} is not one segment at {sites[0]} and {sites[1]}: stretch it first")
        elif here.bridge != there.bridge:
            faults.append(f"network {name!r} is bridge {here.bridge} at {sites[0]}, but {there.bridge} at {sites[1]}")
    return faults


def _arrival(far: End, order: MoveOrder, told: Shape) -> list[str]:
    site = far.site.spec
    names = [order.hypervisor] if order.hypervisor else sorted(site.hypervisors)
    if unknown := [name for name in names if name not in site.hypervisors]:
        return [f"site {far.site.name} has no hypervisor {unknown[0]!r}"]
    faults = []
    room: dict[str, int] = {}
    for name in names:
        try:
            room[name] = far.free(name) - RESERVE
        except DriverError as error:
            faults.append(f"hypervisor {name} does not answer: {error}")
    if room and max(room.values()) < told.ram:
        listed = ", ".join(f"{name} {max(0, left)} MiB" for name, left in sorted(room.items()))
        faults.append(f"server {order.name} needs {told.ram} MiB; free is {listed}")
    if len(room) == len(names) and far.standing(order.server) is not None:
        faults.append(f"site {far.site.name} knows a server {order.server} already")
    return faults if len(faults) == 1 or len(faults) >= len(names) or order.hypervisor else []
