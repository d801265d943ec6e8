"""Neutron's JSON to ends. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cloudsentry.drivers.stretch.neutron import Item, mark_of
from cloudsentry.drivers.stretch.vlan import adopt
from cloudsentry.records.marks import PREFIX, Mark
from cloudsentry.records.stretching import End, Offer

FAR = f"{PREFIX}-far-"
"""Tags of the network that keep what it was joined to."""


def ends(networks: Sequence[Item], subnets: Sequence[Item], event: str) -> tuple[End, ...]:
    """One end per unit, sorted; whatever else bears the unit's mark is in its ``objects`` too."""
    units: dict[str, list[Item]] = {}
    for network in networks:
        units.setdefault(whose(network, event).unit, []).append(network)
    return tuple(_end(units[unit], subnets, event) for unit in sorted(units))


def _end(networks: list[Item], subnets: Sequence[Item], event: str) -> End:
    main = networks[0]
    ids = [str(network["id"]) for network in networks]
    mine = [subnet for subnet in subnets if subnet["network_id"] in ids]
    own = next((subnet for subnet in mine if subnet["network_id"] == main["id"]), None)
    mark = whose(main, event)
    tags = tuple(main.get("tags") or ())
    return End(
        mark=mark,
        state="BUILD" if own is None else str(main.get("status") or "ACTIVE"),
        offer=offer(main, own) if own is not None and mark.template else None,
        joined=joined(tags),
        objects=((adopt.KIND, ids[0]),)
        if adopt.TAG in tags
        else (*(("subnet", str(subnet["id"])) for subnet in mine), *(("network", id) for id in ids)),
        detail="" if len(networks) == 1 else f"{len(networks)} networks of this name bear the mark",
    )


def whose(network: Item, event: str) -> Mark:
    """The mark of a network, made or adopted."""
    return adopt.mark_of(network) or mark_of(network, event)


def offer(network: Item, subnet: Item) -> Offer:
    """What the far end must know: segment, MTU, addresses and which of them this end gives away."""
    pools = ";".join(f"{pool['start']}-{pool['end']}" for pool in subnet.get("allocation_pools") or ())
    facts = {
        "allocation": pools,
        "cidr": str(subnet["cidr"]),
        "mtu": str(network.get("mtu") or ""),
        "vlan": str(network.get("provider:segmentation_id") or ""),
    }
    return Offer(facts=tuple(sorted(facts.items())))


def joined(tags: Sequence[str]) -> Offer | None:
    """The offer that `far_tags` has written."""
    pairs = sorted(tuple(tag[len(FAR) :].split("=", 1)) for tag in tags if tag.startswith(FAR) and "=" in tag)
    return Offer(facts=tuple((key, value) for key, value in pairs)) if pairs else None


def far_tags(offer: Offer) -> tuple[str, ...]:
    """An offer as tags, one per fact."""
    return tuple(f"{FAR}{key}={value}" for key, value in offer.facts)
