"""What a network or a router says of itself. Pure.

An association of the BGPVPN API has neither description nor tags: it is found by what is associated. That is unique:
Neutron has one association of a network with a BGPVPN, or none. So the tag that names the BGPVPN is written before
the association is made, and whatever is found between the two is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloudsentry.drivers.stretch.neutron import BGPVPN
from cloudsentry.records.marks import PREFIX, Mark
from cloudsentry.records.stretching import Offer

ADOPTED = f"{PREFIX}-associated"
"""Tag of what was there already: one filtered list finds it."""
SAYS = f"{ADOPTED}="
"""Tag that says whose it is just now: ``cloudsentry-associated=EVENT/UNIT/CALL/TEMPLATE``."""
FAR = f"{PREFIX}-bgpvpn-far-"
"""Tags that keep the offer that an end is joined to."""
OWN = (ADOPTED, BGPVPN, FAR)


def of(item: Mapping[str, Any]) -> tuple[str, ...]:
    """The tags of a network or router."""
    return tuple(str(tag) for tag in item.get("tags") or ())


def adopted(item: Mapping[str, Any]) -> Mark | None:
    """Whose end something is that was there already."""
    said = [tag[len(SAYS) :].split("/") for tag in of(item) if tag.startswith(SAYS)]
    if not said or len(said[0]) != 4:
        return None
    event, unit, op, template = said[0]
    return Mark(event=event, unit=unit, op=op, template=template)


def vpn(item: Mapping[str, Any]) -> str:
    """The id of the BGPVPN that it is, or is to be, associated with; empty where none is told."""
    return next((tag[len(BGPVPN) :] for tag in of(item) if tag.startswith(BGPVPN)), "")


def adopting(item: Mapping[str, Any], mark: Mark, vpn_id: str) -> set[str]:
    """All tags of something that is there already, while it is this end."""
    words = f"{SAYS}{mark.event}/{mark.unit}/{mark.op}/{mark.template}"
    kept = {tag for tag in of(item) if not tag.startswith((SAYS, BGPVPN))}
    return {*kept, ADOPTED, words, f"{BGPVPN}{vpn_id}"}


def released(item: Mapping[str, Any]) -> set[str]:
    """All tags of it afterwards: its own."""
    return {tag for tag in of(item) if not tag.startswith(OWN)}


def naming(item: Mapping[str, Any], vpn_id: str) -> set[str]:
    """All tags of a network of the event's own, with that BGPVPN."""
    return {*(tag for tag in of(item) if not tag.startswith(BGPVPN)), f"{BGPVPN}{vpn_id}"}


def joined(tags: Sequence[str]) -> Offer | None:
    """The offer that `joining` has written."""
    pairs = sorted(tuple(tag[len(FAR) :].split("=", 1)) for tag in tags if tag.startswith(FAR) and "=" in tag)
    return Offer(facts=tuple((key, value) for key, value in pairs)) if pairs else None


def joining(tags: Iterable[str], offer: Offer) -> set[str]:
    """All tags of an end that is joined to an offer: one more per fact."""
    return {*(tag for tag in tags if not tag.startswith(FAR)), *(f"{FAR}{key}={value}" for key, value in offer.facts)}
