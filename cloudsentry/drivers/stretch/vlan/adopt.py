"""A network that is there already, as one end: it is tagged while the event lasts, and changed in nothing else.

Its tags are not those of a mark. What bears a mark may be deleted as a leak one day, and this is somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.clouds.names import ambiguous, missing
from cloudsentry.drivers.stretch import neutron
from cloudsentry.drivers.stretch.neutron import SERVICE
from cloudsentry.errors import NotSupported
from cloudsentry.records.marks import PREFIX, Mark

TAG = f"{PREFIX}-adopted"
SAYS = f"{TAG}="
"""Tag that says whose it is just now: ``cloudsentry-adopted=EVENT/UNIT/CALL/TEMPLATE``."""
KIND = "adoption"
"""What such a network is among an end's objects: it is let go of, and not deleted."""


def standing(cloud: Cloud, event: str) -> list[dict[str, Any]]:
    """The networks that an event has adopted, sorted by id."""
    found = cloud.listed(SERVICE, "/networks", "networks", params={"tags": TAG})
    mine = [network for network in found if (mark := mark_of(network)) is not None and mark.event == event]
    return sorted(mine, key=lambda network: str(network["id"]))


def mark_of(network: Mapping[str, Any]) -> Mark | None:
    """Whose end an adopted network is."""
    said = [str(tag)[len(SAYS) :].split("/") for tag in network.get("tags") or () if str(tag).startswith(SAYS)]
    if not said or len(said[0]) != 4:
        return None
    event, unit, op, template = said[0]
    return Mark(event=event, unit=unit, op=op, template=template)


def named(networks: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The networks of that name or id."""
    return [network for network in networks if name in (network["name"], network["id"])]


def subnets(cloud: Cloud, network: str) -> list[dict[str, Any]]:
    """All subnets of a network, whoever made them."""
    return cloud.listed(SERVICE, "/subnets", "subnets", params={"network_id": network})


def faults(
    cloud: Cloud, unit: str, options: Mapping[str, str], networks: list[dict[str, Any]], event: str
) -> Iterator[str]:
    """Why the named network cannot be this end."""
    name = options["adopt"]
    found = named(networks, name)
    if len(found) != 1:
        told = ambiguous("network", name, (str(one["id"]) for one in found))
        yield f"{told if found else missing('network', name, (str(one['name']) for one in networks))} for {unit}"
        return
    network = found[0]
    segment = (network.get("provider:physical_network"), str(network.get("provider:segmentation_id")))
    if segment != (options["physical_network"], options["vlan"]):
        told = f"{options['vlan']} of {options['physical_network']}"
        yield f"network {name!r} on VLAN {told} for stretch {unit}: it is on {segment[1]} of {segment[0]}"
    mark = mark_of(network)
    if mark is not None and (mark.event, mark.unit) != (event, unit):
        yield f"network {name!r} to itself for stretch {unit}: {mark.unit} of event {mark.event} has adopted it"
    if neutron.anothers(network):
        yield f"network {name!r} to itself for stretch {unit}: a stretch by gateway or bgpvpn has it"
    mine = [subnet for subnet in subnets(cloud, str(network["id"])) if subnet["cidr"] == options["cidr"]]
    if not mine:
        yield f"subnet {options['cidr']} on network {name!r} for stretch {unit}"
        return
    for beyond in neutron.outside(mine[0].get("allocation_pools") or (), options["allocation"]):
        yield (
            f"network {name!r} that gives away {options['allocation']} at most, for stretch {unit}: its subnet gives "
            f"away {beyond}; shrink its allocation pools, or this share of the stretch's addresses must be larger"
        )


def take(cloud: Cloud, mark: Mark, name: str) -> dict[str, Any]:
    """The network says whose end it is, beside its own tags. Raises `NotSupported` where there is none such."""
    found = named(cloud.listed(SERVICE, "/networks", "networks"), name)
    if len(found) != 1:
        raise NotSupported(f"there is no network {name!r} to adopt", cloud=cloud.name)
    network = found[0]
    others = {str(tag) for tag in network.get("tags") or () if not str(tag).startswith(SAYS)}
    wanted = {*others, TAG, f"{SAYS}{mark.event}/{mark.unit}/{mark.op}/{mark.template}"}
    if wanted != set(network.get("tags") or ()):
        neutron.tag(cloud, "networks", str(network["id"]), wanted)
    return {**network, "tags": sorted(wanted)}


def let_go(cloud: Cloud, id: str) -> None:
    """The network says nothing of us any more; nothing else of it has changed."""
    network = cloud.get(SERVICE, f"/networks/{id}")["network"]
    tags = {str(tag) for tag in network.get("tags") or ()}
    kept = {tag for tag in tags if tag != PREFIX and not tag.startswith(f"{PREFIX}-")}
    if kept != tags:
        neutron.tag(cloud, "networks", id, kept)
