"""Neutron, as far as the drivers of stretches speak to it.

An object's description is the event's tag from the very create on, so that one filtered list finds it whenever
the process ends; its tags, which follow with a second call, hold the whole mark.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.errors import Denied
from cloudsentry.records.marks import PREFIX, Mark, event_tag

SERVICE = "network"
GATEWAY = f"{PREFIX}-gateway-"
"""How a tag begins by which `gateway` and `router` know a network of theirs; the end's settings are behind it."""
BGPVPN = f"{PREFIX}-bgpvpn="
"""How the tag begins by which `bgpvpn` knows a network or router of its own; the BGPVPN's id is behind it."""
Item = Mapping[str, Any]


def marked(cloud: Cloud, kind: str, event: str) -> list[dict[str, Any]]:
    """The account's objects of a kind (``networks``, ``routers``) that the event made, sorted by id."""
    params: dict[str, str | int | list[str]] = {"description": event_tag(event), "project_id": cloud.project()}
    items = cloud.listed(SERVICE, f"/{kind}", kind, params=params)
    return sorted(items, key=lambda item: str(item["id"]))


def mark_of(item: Item, event: str) -> Mark:
    """The mark of the tags; where they are not there yet, the name is the unit."""
    mark = Mark.from_tags(item.get("tags") or ())
    return mark if mark is not None and mark.event == event else Mark(event=event, unit=str(item["name"]))


def own_tags(item: Item, mark: Mark) -> bool:
    """Whether the object bears this very mark (and perhaps more)."""
    return set(mark.tags()) <= set(item.get("tags") or ())


def anothers(item: Item) -> bool:
    """Whether it is a driver's that tags its networks: `vlan` does not."""
    return any(str(tag).startswith((GATEWAY, BGPVPN)) for tag in item.get("tags") or ())


def outside(pools: Iterable[Mapping[str, str]], allocation: str) -> list[str]:
    """The allocation pools of a subnet, as text, that reach beyond a share such as ``10.9.0.10-10.9.0.99``."""
    first, last = (int(ipaddress.ip_address(end)) for end in allocation.split("-"))
    ends = [(ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])) for pool in pools]
    return [f"{low}-{high}" for low, high in ends if int(low) < first or int(high) > last]


def tag(cloud: Cloud, kind: str, id: str, tags: Iterable[str]) -> None:
    """The object has exactly these tags."""
    cloud.put(SERVICE, f"/{kind}/{id}/tags", {"tags": sorted(tags)})


def extensions(cloud: Cloud) -> frozenset[str]:
    """The aliases of what this Neutron can."""
    items = cloud.listed(SERVICE, "/extensions", "extensions", params={"fields": "alias"})
    return frozenset(str(item["alias"]) for item in items)


def lacking(cloud: Cloud, wanted: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each extension that is not loaded; ``wanted`` says what each is for."""
    known = extensions(cloud)
    return tuple(
        f"extension {alias!r} of Neutron, for {use}" for alias, use in sorted(wanted.items()) if alias not in known
    )


def room(cloud: Cloud, wanted: Mapping[str, int]) -> tuple[str, ...]:
    """A sentence for each quota that has no room for what is wanted of it; none where the account may not ask."""
    if not any(wanted.values()):
        return ()
    try:
        quota = cloud.get(SERVICE, f"/quotas/{cloud.project()}/details.json")["quota"]
    except Denied:
        return ()
    return tuple(
        f"room in the quota of {kind}s: the limit is {quota[kind]['limit']}, "
        f"{quota[kind]['used']} are used, {count} asked for"
        for kind, count in sorted(wanted.items())
        if count and kind in quota and 0 <= int(quota[kind]["limit"]) < int(quota[kind]["used"]) + count
    )


def overlap(one: str, other: str) -> bool:
    """Whether two networks, as text, have an address in common."""
    first, second = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return first.version == second.version and first.overlaps(second)
