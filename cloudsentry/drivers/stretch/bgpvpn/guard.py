"""What would go wrong at one end, found out by reading, before anything is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.clouds.names import ambiguous, missing
from cloudsentry.drivers.stretch import neutron
from cloudsentry.drivers.stretch.bgpvpn import calls, read, tags
from cloudsentry.drivers.stretch.neutron import SERVICE, Item
from cloudsentry.records.marks import PREFIX
from cloudsentry.records.stretching import Fact

NEEDS = {
    "bgpvpn": "the operator's BGPVPN",
    "standard-attr-description": "the event's mark",
    "standard-attr-tag": "the event's mark",
}
Options = Mapping[str, str]
Wanted = Sequence[tuple[str, Options]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What speaks against the ends, and what of each must fit the other end."""

    missing: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()


def look(cloud: Cloud, wanted: Wanted, parts: Mapping[str, read.Part], event: str) -> Findings:
    """Everything about the wanted ends of a cloud."""
    if not wanted:
        return Findings()
    needs = NEEDS | ({"net-mtu-writable": "the MTU"} if any(options.get("mtu") for _, options in wanted) else {})
    if lack := neutron.lacking(cloud, needs):
        return Findings(missing=lack)
    vpns = calls.bgpvpns(cloud)
    lines: list[str] = []
    facts: list[Fact] = []
    for unit, options in wanted:
        part = parts.get(unit)
        vpn, faults = offered(cloud, vpns, options)
        lines += [f"{fault} for stretch {unit}" for fault in faults]
        kind, name = named(options)
        if name:
            item, faults = standing(cloud, kind, name)
            found = (*faults, *(_unfit(cloud, options, kind, item, vpn, event, unit) if item else ()))
            lines += [f"{fault} for stretch {unit}" for fault in found]
        else:
            lines += [f"{fault} for stretch {unit}" for fault in _taken(cloud, unit, options, part)]
        facts += _facts(cloud, unit, options, part, vpn)
    new = sum(unit not in parts and not named(options)[1] for unit, options in wanted)
    return Findings(missing=(*lines, *neutron.room(cloud, {"network": new, "subnet": new})), facts=tuple(facts))


def named(options: Options) -> tuple[str, str]:
    """What is there already and is to be the end: its collection and its name; none where it is to be made."""
    return ("routers", options["router"]) if options.get("router") else ("networks", options.get("adopt", ""))


def offered(cloud: Cloud, vpns: list[dict[str, Any]], options: Options) -> tuple[Item | None, tuple[str, ...]]:
    """The operator's BGPVPN of that name or id, and why there is none that fits. Of several, the project's own wins."""
    name, project = options["bgpvpn"], cloud.project()
    found = [vpn for vpn in vpns if name in (vpn["name"], vpn["id"])]
    if len(found) > 1:
        found = [vpn for vpn in found if vpn.get("project_id") == project] or found
    if len(found) != 1:
        told = ambiguous("BGPVPN", name, (str(vpn["id"]) for vpn in found))
        return None, (told if found else missing("BGPVPN", name, (str(vpn["name"]) for vpn in vpns)),)
    vpn = found[0]
    if vpn["type"] != options["mode"]:
        return vpn, (f"BGPVPN {name!r} of type {options['mode']}: it is of type {vpn['type']} ({vpn['id']})",)
    if vpn.get("project_id") not in (None, project):  # told to administrators alone; others see their own only
        return vpn, (f"BGPVPN {name!r} of this project: it is project {vpn['project_id']}'s",)
    return vpn, ()


def standing(cloud: Cloud, kind: str, name: str) -> tuple[Item | None, tuple[str, ...]]:
    """The network or router of that name or id, and why there is none."""
    items = cloud.listed(SERVICE, f"/{kind}", kind)
    found = [item for item in items if name in (item["name"], item["id"])]
    if len(found) > 1:
        found = [item for item in found if item.get("project_id") == cloud.project()] or found
    if len(found) == 1:
        return found[0], ()
    told = ambiguous(calls.FIELDS[kind], name, (str(item["id"]) for item in found))
    return None, (told if found else missing(calls.FIELDS[kind], name, (str(item["name"]) for item in items)),)


def _unfit(
    cloud: Cloud, options: Options, kind: str, item: Item, vpn: Item | None, event: str, unit: str
) -> Iterator[str]:
    """Why something that is there cannot be this end."""
    what = f"{calls.FIELDS[kind]} {item['name']!r}"
    mark, mine = tags.adopted(item), tags.of(item)
    ours = mark is not None and (mark.event, mark.unit) == (event, unit)
    if mark is not None and not ours:
        yield f"{what} to itself: {mark.unit} of event {mark.event} has it"
    elif mark is None and any(tag == PREFIX or tag.startswith(f"{PREFIX}-") for tag in mine):
        yield f"{what} of somebody's own: an event has made it, or has it as a part of another stretch"
    if item.get("project_id") not in (None, cloud.project()):
        yield f"{what} of this project: it is project {item['project_id']}'s"
    if vpn is not None and not ours:
        yield from _associated(cloud, kind, what, item, vpn)
    subnets = calls.subnets(cloud, kind, item)
    mine_of = [subnet for subnet in subnets if subnet["cidr"] == options["cidr"]]
    if not mine_of:
        yield f"subnet {options['cidr']} on {what}"
    elif options["mode"] == "l2":
        for beyond in neutron.outside(mine_of[0].get("allocation_pools") or (), options["allocation"]):
            yield f"{what} that gives away {options['allocation']} at most (its subnet gives away {beyond})"


def _associated(cloud: Cloud, kind: str, what: str, item: Item, vpn: Item) -> Iterator[str]:
    """An association that somebody else has made would be taken away with the event; and Neutron refuses to have a
    network and its router in one project's BGPVPNs both.
    """
    id = str(item["id"])
    if id in (vpn.get(kind) or ()):
        yield f"{what} without BGPVPN {vpn['name']!r}: it is associated with it already, and needs no stretch"
    if kind == "networks":
        others, near = "routers", calls.routers_of(cloud, id)
    else:
        others, near = "networks", {str(port["network_id"]) for port in calls.interfaces(cloud, id)}
    for other in calls.bgpvpns(cloud):
        for one in sorted(near & set(other.get(others) or ())):
            yield f"{what} apart from {calls.FIELDS[others]} {one}: that is associated with BGPVPN {other['name']!r}"


def _taken(cloud: Cloud, unit: str, options: Options, part: read.Part | None) -> Iterator[str]:
    """Name and addresses of a network that is to be made."""
    own = {str(one["id"]) for one in (part.item, *part.surplus)} if part else set()
    near = {
        str(network["id"]): network
        for network in cloud.listed(SERVICE, "/networks", "networks")
        if network["id"] not in own and (network.get("project_id") == cloud.project() or network.get("shared"))
    }
    for id, network in near.items():
        if network["name"] == unit:
            yield f"free name (there is a network {unit!r}, {id}, that the event did not make)"
    for subnet in cloud.listed(SERVICE, "/subnets", "subnets"):
        for cidr in filter(None, (options["cidr"], options.get("far_cidr", ""))):
            if subnet["network_id"] in near and neutron.overlap(cidr, str(subnet["cidr"])):
                yield f"free addresses {cidr} (subnet {subnet['name']!r}, {subnet['id']}, has {subnet['cidr']})"


def _facts(cloud: Cloud, unit: str, options: Options, part: read.Part | None, vpn: Item | None) -> Iterator[Fact]:
    """Layer 3: networks that must differ. Layer 2: addresses in use. Both: route targets, where they may be seen."""
    if options["mode"] == "l3":
        cidrs = {str(subnet["cidr"]) for subnet in part.subnets} if part else set()
        yield from (Fact(unit=unit, kind="cidr", value=cidr) for cidr in sorted(cidrs or {options["cidr"]}))
    elif part is not None:
        ports = cloud.listed(SERVICE, "/ports", "ports", params={"network_id": str(part.item["id"])})
        used = {str(ip["ip_address"]) for port in ports for ip in port["fixed_ips"]}
        yield from (Fact(unit=unit, kind="address", value=address) for address in sorted(used))
    for way in ("import", "export") if vpn is not None else ():
        assert vpn is not None
        yield from (Fact(unit=unit, kind=f"{way}s", value=target) for target in read.targets(vpn, way))
