"""What speaks against an event before anything is made: each finding with what to do about it. Pure.

``preflight`` is the whole of `event check`; ``shortages`` is the part of it that every apply asks first.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator

from cloudsentry.planner.make import compare
from cloudsentry.records.ground import Ground
from cloudsentry.records.orders import (
    CreateBalancer,
    CreateServerGroup,
    CreateServers,
    DeleteServers,
    Order,
    SetMembers,
)
from cloudsentry.records.plans import Step
from cloudsentry.records.reports import Finding
from cloudsentry.records.views import BalancerView, Hypervisor, PoolView, Snapshot
from cloudsentry.spec.event import Event

SKEW_MOST = 30.0
"""Seconds: keystoneauth renews a token this long before its end, so a clock further off meets tokens that ended."""

_DO = {
    "image": "upload it, or name one that is there",
    "flavor": "make it, or name one that is there",
    "network": "make it, or name one that is there",
    "keypair": "import it into this account, or leave key_name out",
    "security group": "make it in this project, or leave it out",
    "available zone": "name one that is there and has a compute host that is up",
    "hypervisor": "name one that is there (`openstack hypervisor list`)",
    "weights": "use a provider that weighs, such as amphora",
    "provider": "name one that is enabled, or leave it out",
}


_DO_STRETCH = {
    "extension": "have the cloud's operator load it, or take another driver",
    "room": "have the quota raised, or ask for less",
    "free": "take another one in the event file, or free it",
    "right": "ask the cloud's operator for it, or take another driver",
}
"""By the first word of what a stretch's end misses."""


def preflight(event: Event, snapshot: Snapshot, *, whole: bool = True) -> tuple[Finding, ...]:
    """Everything that would make an apply fail now; empty where all is well.

    ``snapshot`` is of a full look that asked for limits; ``whole`` False says that some places did not answer,
    so that what seems to be refused may only be unseen. Sorted by (cloud, check, found).
    """
    parts = compare(event, snapshot)
    steps = [step for part in parts.parts for step in part.steps]
    found = [*_missing(snapshot), *_refused(parts.refusals if whole else ()), *shortages(steps, snapshot)]
    found += [one for view in snapshot.pools for one in _trust(event, view.cloud, view.ground)]
    found += [one for view in snapshot.pools for one in _images(steps, view)]
    return tuple(sorted(dict.fromkeys(found), key=lambda one: (one.cloud, one.check, one.found)))


def shortages(steps: Iterable[Step], snapshot: Snapshot) -> tuple[Finding, ...]:
    """What the steps would make and there is no room for: quotas, hypervisors, addresses."""
    listed = tuple(steps)
    found: list[Finding] = []
    for pools in snapshot.pools:
        mine = [step.subject for step in listed if (step.cloud, step.driver) == (pools.cloud, pools.driver)]
        vips = [step.subject for step in listed if step.cloud == pools.cloud]
        found += _quotas(pools.cloud, pools.ground, _asked(mine, vips, pools))
        found += _hypervisors(mine, pools)
        found += _addresses(mine, vips, pools)
    for balancers in snapshot.balancers:
        mine = [step.subject for step in listed if (step.cloud, step.driver) == (balancers.cloud, balancers.driver)]
        found += _quotas(balancers.cloud, balancers.ground, _asked_of_balancers(mine, balancers))
    return tuple(found)


def _missing(snapshot: Snapshot) -> Iterator[Finding]:
    for view in snapshot.views:
        for line in view.missing:
            kind = line.partition(" '")[0]
            if view.family in ("stretch", "steering"):
                do = _DO_STRETCH.get(kind.partition(" ")[0], f"change the {view.family} in the event file, or make it")
                yield Finding(check=view.family, cloud=view.cloud, found=f"no {line}", do=do)
                continue
            do = next(
                (text for word, text in _DO.items() if kind.startswith(word)), "make it, or change the event file"
            )
            yield Finding(check=kind.split(" of ")[0].split(" at ")[0], cloud=view.cloud, found=f"no {line}", do=do)


def _refused(refusals: Iterable[str]) -> Iterator[Finding]:
    """A refusal is a sentence, and behind its semicolon what to do."""
    for line in refusals:
        found, _, do = line.partition("; ")
        yield Finding(check="plan", cloud="", found=found, do=do or "change the event file")


def _asked(mine: list[Order], all_of_cloud: list[Order], view: PoolView) -> Counter[str]:
    creates = [order for order in mine if isinstance(order, CreateServers)]
    broken = {server.id for server in view.servers if server.status == "ERROR"}
    cleared = sum(len(broken & set(order.ids)) for order in mine if isinstance(order, DeleteServers))
    asked = Counter[str]()
    for order in creates:
        size = view.ground.flavor(order.template.flavor)
        asked["instances"] += order.count
        asked["cores"] += order.count * (size.vcpus if size else 0)
        asked["ram"] += order.count * (size.ram if size else 0)
        asked["ports"] += order.count * len(order.template.networks)
    asked["instances"] = max(0, asked["instances"] - cleared)
    asked["ports"] += sum(isinstance(order, CreateBalancer) for order in all_of_cloud)
    asked["server groups"] += sum(isinstance(order, CreateServerGroup) for order in mine)
    return asked


def _asked_of_balancers(mine: list[Order], view: BalancerView) -> Counter[str]:
    creates = [order for order in mine if isinstance(order, CreateBalancer)]
    wanted: dict[str, int] = {}
    for order in mine:
        if isinstance(order, SetMembers):
            wanted[order.unit] = max(wanted.get(order.unit, 0), sum(share.count for share in order.shares))
    there = {balancer.mark.unit: len(balancer.members) for balancer in view.balancers}
    return Counter(
        {
            "load balancers": len(creates),
            "listeners": len(creates),
            "pools": len(creates),
            "health monitors": sum(order.monitor is not None for order in creates),
            "members": sum(max(0, count - there.get(unit, 0)) for unit, count in wanted.items()),
        }
    )


def _quotas(cloud: str, ground: Ground, asked: Counter[str]) -> Iterator[Finding]:
    for limit in ground.limits:
        free, more = limit.free, asked[limit.kind]
        if more and free is not None and free < more:
            unit = " MiB" if limit.kind == "ram" else ""
            yield Finding(
                check="quota",
                cloud=cloud,
                found=f"the quota of {limit.kind} is {limit.limit}{unit}, {limit.used} are used "
                f"and {more} more are asked for",
                do=f"raise it by {more - free}{unit}, or ask for less",
            )


def _hypervisors(mine: list[Order], view: PoolView) -> Iterator[Finding]:
    hosts = {host.name: host for host in view.hypervisors}
    asked: dict[str, Counter[str]] = {}
    for order in mine:
        size = view.ground.flavor(order.template.flavor) if isinstance(order, CreateServers) else None
        if isinstance(order, CreateServers) and order.hypervisor in hosts and size:
            of_host = asked.setdefault(order.hypervisor, Counter())
            of_host.update(vcpus=order.count * size.vcpus, ram=order.count * size.ram, disk=order.count * size.disk)
    for name, wanted in sorted(asked.items()):
        for what, free, unit in _free(hosts[name]):
            if 0 <= free < wanted[what]:
                yield Finding(
                    check="room",
                    cloud=view.cloud,
                    found=f"hypervisor '{name}' has {free} {unit} free, {wanted[what]} are asked for",
                    do="pin fewer servers there, take a smaller flavor, or give the pool a `spill`",
                )


def _free(host: Hypervisor) -> tuple[tuple[str, int, str], ...]:
    return (
        ("vcpus", host.free_vcpus, "VCPUs"),
        ("ram", host.free_ram, "MiB of memory"),
        ("disk", host.free_disk, "GiB of disk"),
    )


def _addresses(mine: list[Order], all_of_cloud: list[Order], view: PoolView) -> Iterator[Finding]:
    asked = Counter[str]()
    for order in mine:
        if isinstance(order, CreateServers):
            asked.update(dict.fromkeys(order.template.networks, order.count))
    asked.update(order.network for order in all_of_cloud if isinstance(order, CreateBalancer) and order.network)
    for room in view.ground.rooms:
        if room.free < asked[room.network]:
            yield Finding(
                check="addresses",
                cloud=view.cloud,
                found=f"network '{room.network}' has {room.free} addresses free, {asked[room.network]} are asked for",
                do="widen the allocation pool of its subnet, or add a subnet",
            )


def _images(steps: list[Step], view: PoolView) -> Iterator[Finding]:
    """An image says what it needs at the least; Nova refuses a flavor that is smaller."""
    needs = {size.name: size for size in view.ground.images}
    for step in steps:
        order = step.subject
        if not isinstance(order, CreateServers) or (step.cloud, step.driver) != (view.cloud, view.driver):
            continue
        need, size = needs.get(order.template.image), view.ground.flavor(order.template.flavor)
        if need and size and (need.ram > size.ram or (size.disk and need.disk > size.disk)):
            yield Finding(
                check="flavor",
                cloud=view.cloud,
                found=f"image '{need.name}' needs {need.ram} MiB of memory and {need.disk} GiB of disk, "
                f"flavor '{size.name}' has {size.ram} MiB and {size.disk} GiB",
                do="take a larger flavor",
            )


def _trust(event: Event, cloud: str, ground: Ground) -> Iterator[Finding]:
    if ground.skew is not None and abs(ground.skew) > SKEW_MOST:
        side = "ahead of" if ground.skew > 0 else "behind"
        yield Finding(
            check="clock",
            cloud=cloud,
            found=f"the cloud's clock is {abs(ground.skew):.0f} s {side} this machine's",
            do="let both follow NTP: tokens and signatures go by the clock",
        )
    ends = dt.datetime.fromisoformat(ground.until).date() if ground.until else None
    if ends and event.calendar and ends <= event.calendar.last:
        yield Finding(
            check="credentials",
            cloud=cloud,
            found=f"the credentials end on {ends}, the event on {event.calendar.last}",
            do="renew the password or the application credential before the event",
        )
