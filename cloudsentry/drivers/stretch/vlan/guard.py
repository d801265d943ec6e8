"""What would go wrong at one end, found out by reading, before anything is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.clouds.names import missing
from cloudsentry.drivers.stretch import neutron
from cloudsentry.drivers.stretch.neutron import SERVICE, Item
from cloudsentry.drivers.stretch.vlan import adopt
from cloudsentry.errors import Denied
from cloudsentry.records.stretching import End

NEEDS = {
    "provider": "the segment of a network",
    "standard-attr-description": "the event's mark",
    "standard-attr-tag": "the event's mark",
}
Wanted = Sequence[tuple[str, Mapping[str, str]]]


def refusals(cloud: Cloud, wanted: Wanted, ends: Sequence[End], event: str = "") -> tuple[str, ...]:
    """One sentence per reason why a wanted end cannot be, or no longer is as it must be."""
    if not wanted:
        return ()
    lack = neutron.lacking(cloud, NEEDS | _mtu_needs(wanted))
    if lack:
        return lack
    standing = {end.mark.unit: end for end in ends}
    networks = cloud.listed(SERVICE, "/networks", "networks")
    if any("provider:network_type" not in network for network in networks):
        return (_no_rights(),)
    subnets = cloud.listed(SERVICE, "/subnets", "subnets", params={"fields": ["id", "name", "cidr", "network_id"]})
    found = _Found(cloud, networks, subnets)
    lines = [line for unit, options in wanted for line in found.against(unit, options, standing.get(unit))]
    for unit, options in wanted:
        if options.get("adopt"):
            lines += adopt.faults(cloud, unit, options, networks, event)
    new = sum(unit not in standing and not options.get("adopt") for unit, options in wanted)
    return (*lines, *neutron.room(cloud, {"network": new, "subnet": new}))


def _mtu_needs(wanted: Wanted) -> dict[str, str]:
    return {"net-mtu-writable": "the MTU"} if any(options.get("mtu") for _, options in wanted) else {}


def _no_rights() -> str:
    return (
        "right of the account to choose a segment (policy "
        "create_network:provider:physical_network, by default an administrator's): "
        "use such an account, or the driver vpnaas"
    )


class _Found:
    """What is there on one cloud."""

    def __init__(self, cloud: Cloud, networks: list[dict[str, Any]], subnets: list[dict[str, Any]]) -> None:
        self._cloud = cloud
        self._networks = networks
        self._subnets = subnets
        self._physical = _physical_networks(cloud, networks)

    def against(self, unit: str, options: Mapping[str, str], end: End | None) -> Iterator[str]:
        """Everything that speaks against one end; what is the end's own does not."""
        own = {id for _, id in end.objects} if end else set()
        if options.get("adopt"):
            own |= {str(network["id"]) for network in adopt.named(self._networks, options["adopt"])}
        others = [network for network in self._networks if network["id"] not in own]
        yield from self._segment(unit, options, others)
        yield from self._name(unit, others)
        yield from self._mtu(unit, options, others)
        yield from self._addresses(unit, options, others)

    def _segment(self, unit: str, options: Mapping[str, str], others: list[dict[str, Any]]) -> Iterator[str]:
        physical = options["physical_network"]
        if self._physical and physical not in self._physical:
            yield f"{missing('physical network', physical, self._physical)} for stretch {unit}"
        for network in others:
            if (physical, options["vlan"]) in _segments(network):
                yield (
                    f"free VLAN {options['vlan']} on {physical} for stretch {unit}: "
                    f"network {network['name']!r} ({network['id']}) has it"
                )

    def _name(self, unit: str, others: list[dict[str, Any]]) -> Iterator[str]:
        taken = [network for network in others if network["name"] == unit and self._usable(network)]
        if taken:
            yield (
                f"free name for stretch {unit}: there is a network {unit!r} ({taken[0]['id']}) that the event "
                "did not make, and servers could not tell the two apart; call the stretch something else"
            )

    def _mtu(self, unit: str, options: Mapping[str, str], others: list[dict[str, Any]]) -> Iterator[str]:
        """Neutron tells a physical network's MTU to nobody: what its networks have is known to be carried."""
        physical = options["physical_network"]
        known = [int(network["mtu"]) for network in others if _on(network, physical) and network.get("mtu")]
        if options.get("mtu") and known and int(options["mtu"]) > max(known):
            yield (
                f"MTU of {options['mtu']} on {physical} for stretch {unit}: "
                f"the networks there have at most {max(known)}"
            )

    def _addresses(self, unit: str, options: Mapping[str, str], others: list[dict[str, Any]]) -> Iterator[str]:
        near = {network["id"]: network for network in others if self._usable(network)}
        for subnet in self._subnets:
            if subnet["network_id"] in near and neutron.overlap(options["cidr"], subnet["cidr"]):
                yield (
                    f"free addresses {options['cidr']} for stretch {unit}: subnet {subnet['name']!r} "
                    f"({subnet['id']}) has {subnet['cidr']}"
                )

    def _usable(self, network: Item) -> bool:
        """Whether the account's servers could be on it: an administrator merely sees everybody else's."""
        own = network.get("project_id") == self._cloud.project()
        return bool(own or network.get("shared") or network.get("router:external"))


def _segments(network: Item) -> set[tuple[str, str]]:
    parts = network.get("segments") or [network]
    return {(str(part.get("provider:physical_network")), str(part.get("provider:segmentation_id"))) for part in parts}


def _on(network: Item, physical: str) -> bool:
    return any(name == physical for name, _ in _segments(network))


def _physical_networks(cloud: Cloud, networks: list[dict[str, Any]]) -> set[str]:
    """Those that agents have mapped to a bridge; empty where the cloud does not tell (its driver has no agents)."""
    try:
        agents = cloud.listed(SERVICE, "/agents", "agents")
    except Denied:
        return set()
    mapped = {name for agent in agents for name in _mappings(agent.get("configurations") or {})}
    used = {name for network in networks for name, _ in _segments(network) if name != "None"}
    return mapped | used if mapped else set()


def _mappings(configurations: Mapping[str, Any]) -> list[str]:
    """``bridge_mappings`` of Open vSwitch's agent is a mapping, ``bridge-mappings`` of OVN's a text."""
    text = str(configurations.get("bridge-mappings") or "")
    named = [pair.split(":")[0].strip() for pair in text.split(",") if ":" in pair]
    physical = [name for key in ("bridge_mappings", "interface_mappings") for name in configurations.get(key) or {}]
    return [*named, *physical]
