"""Neutron's JSON to ends. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloudsentry.drivers.stretch.bgpvpn import tags
from cloudsentry.drivers.stretch.neutron import Item, mark_of, own_tags
from cloudsentry.records.marks import Mark
from cloudsentry.records.stretching import End, Offer

ADOPTION = "adoption"
"""What a network or router that was there already is among an end's objects: it is let go of, and not deleted."""


FACT_MAX = 200
"""Characters of a fact of an offer: a router may have many networks behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one end is made of. ``kind`` of ``item``: ``networks`` or ``routers``; ``surplus`` bear the same mark."""

    mark: Mark
    kind: str
    item: Item
    made: bool
    subnets: Sequence[Item] = ()
    vpn: Item | None = None
    association: str = ""
    surplus: Sequence[Item] = ()

    @property
    def own_subnets(self) -> list[Item]:
        """Those of the event's own network."""
        return list(self.subnets) if self.made else []


def whose(item: Item, event: str) -> Mark:
    """The mark of something made or adopted."""
    return tags.adopted(item) or mark_of(item, event)


def end(part: Part) -> End:
    """One end, with its objects in the order in which they may go."""
    adoption = ((ADOPTION, f"{part.kind}/{part.item['id']}"),)
    made = (
        *(("subnet", str(subnet["id"])) for subnet in part.own_subnets),
        *(("network", str(network["id"])) for network in (part.item, *part.surplus)),
    )
    offered = _offer(part)
    return End(
        mark=part.mark,
        state="BUILD" if offered is None else str(part.item.get("status") or "ACTIVE"),
        offer=offered,
        joined=tags.joined(tags.of(part.item)),
        objects=(
            *((("association", part.association),) if part.association else ()),
            *(made if part.made else adoption),
        ),
        detail=_detail(part),
    )


def targets(vpn: Item, way: str) -> list[str]:
    """The route targets that a BGPVPN imports or exports, sorted; none where the account may not see them."""
    return sorted({*map(str, vpn.get("route_targets") or ()), *map(str, vpn.get(f"{way}_targets") or ())})


def _offer(part: Part) -> Offer | None:
    """Made when everything is there: a network with its addresses, the association, and the whole mark."""
    whole = own_tags(part.item, part.mark) if part.made else bool(tags.adopted(part.item))
    if part.vpn is None or not part.association or not part.subnets or not whole:
        return None
    found = {
        "cidrs": ",".join(sorted(str(subnet["cidr"]) for subnet in part.subnets)),
        "type": str(part.vpn["type"]),
        "exports": ",".join(targets(part.vpn, "export")),
        "imports": ",".join(targets(part.vpn, "import")),
    }
    if part.vpn["type"] == "l2":
        pools = [pool for subnet in part.subnets for pool in subnet.get("allocation_pools") or ()]
        found["allocation"] = ";".join(f"{pool['start']}-{pool['end']}" for pool in pools)
        found["mtu"] = str(part.item.get("mtu") or "")
    return Offer(facts=tuple(sorted((key, _short(value)) for key, value in found.items() if value)))


def _short(value: str) -> str:
    """What a tag holds (255 characters with its key): of more, how many and which, as a digest."""
    if len(value) <= FACT_MAX:
        return value
    return f"{value.count(',') + 1} of digest {hashlib.sha256(value.encode()).hexdigest()[:16]}"


def _detail(part: Part) -> str:
    what = {"networks": "network", "routers": "router"}[part.kind]
    if part.vpn is None:
        return f"{what} {part.item['name']!r} is to be associated with a BGPVPN that is not there"
    told = f"BGPVPN {part.vpn['name']!r} ({part.vpn['type']}, {part.vpn['id']})"
    if part.surplus:
        return f"{1 + len(part.surplus)} networks of this name bear the mark"
    return f"{what} {part.item['name']!r} is {'' if part.association else 'not '}associated with {told}"


def disagreement(near: Offer, far: Offer) -> str:
    """Why two offers do not make one stretch, as said of the far end; empty where they do."""
    alike = ("type", "cidrs", "mtu") if near.get("type") == "l2" else ("type",)
    for key in alike:
        if near.get(key) != far.get(key):
            return f"has {key} {far.get(key)}, this one {near.get(key)}"
    for way, back in (("exports", "imports"), ("imports", "exports")):
        one, other = _set(near, way), _set(far, back)
        if one and other and not one & other:
            return f"{back} {', '.join(sorted(other))}, this one {way} {', '.join(sorted(one))}"
    return ""


def _set(offer: Offer, key: str) -> set[str]:
    return {one for one in offer.get(key).split(",") if one and " " not in one}


def by_unit(items: Sequence[Item], event: str) -> Mapping[str, list[Item]]:
    """Things of one kind by the unit that they are of."""
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(whose(item, event).unit, []).append(item)
    return found
