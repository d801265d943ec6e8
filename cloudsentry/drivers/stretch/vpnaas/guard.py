"""What would go wrong at one end, found out by reading, before anything is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloudsentry.clouds import Cloud
from cloudsentry.clouds.names import ambiguous, missing, resolve
from cloudsentry.drivers.stretch import neutron
from cloudsentry.drivers.stretch.neutron import SERVICE
from cloudsentry.records.stretching import End, Fact

NEEDS = {
    "vpnaas": "IPsec tunnels",
    "vpn-endpoint-groups": "several subnets in one tunnel",
    "router": "the tunnel's end",
    "ext-gw-mode": "the tunnel's end",
    "standard-attr-description": "the event's mark",
    "standard-attr-tag": "the event's mark",
}
PER_END = {
    "router": 1,
    "vpnservice": 1,
    "ikepolicy": 1,
    "ipsecpolicy": 1,
    "endpoint_group": 2,
    "ipsec_site_connection": 1,
}
"""What one end takes of Neutron's quotas."""

Wanted = Sequence[tuple[str, Mapping[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What speaks against the ends, and the addresses that each would reach."""

    missing: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()


def look(cloud: Cloud, wanted: Wanted, ends: Sequence[End]) -> Findings:
    """Everything about the wanted ends of a cloud."""
    if not wanted:
        return Findings()
    if lack := neutron.lacking(cloud, NEEDS):
        return Findings(missing=lack)
    lines: list[str] = []
    facts: list[Fact] = []
    standing = {end.mark.unit: end for end in ends}
    for unit, options in wanted:
        _, faults = external(cloud, options.get("external", ""))
        lines += [f"{fault} for stretch {unit}" for fault in faults]
        names = subnets_of(options)
        found, faults = resolve(cloud, "subnet", names)
        lines += [f"{fault} for stretch {unit}" for fault in faults]
        described = [cloud.get(SERVICE, f"/subnets/{id}")["subnet"] for id in found.values()]
        facts += [Fact(unit=unit, kind="cidr", value=str(subnet["cidr"])) for subnet in described]
        lines += _gateways(cloud, unit, described, standing.get(unit))
    new = sum(unit not in standing for unit, _ in wanted)
    lines += neutron.room(cloud, {kind: count * new for kind, count in PER_END.items()})
    return Findings(missing=tuple(lines), facts=tuple(facts))


def subnets_of(options: Mapping[str, str]) -> list[str]:
    """The names of an end's subnets."""
    return [name for name in options.get("subnets", "").split(",") if name]


def external(cloud: Cloud, name: str) -> tuple[str, tuple[str, ...]]:
    """The id of the external network of that name (empty: of the only one), and why there is none."""
    fields = ["id", "name", "project_id"]
    items = cloud.listed(SERVICE, "/networks", "networks", params={"router:external": "true", "fields": fields})
    found = [item for item in items if not name or name in (item["name"], item["id"])]
    if len(found) == 1:
        return str(found[0]["id"]), ()
    if found:
        return "", (ambiguous("external network", name, (item["id"] for item in found)),)
    return "", (missing("external network", name, (item["name"] for item in items)),)


def _gateways(cloud: Cloud, unit: str, subnets: Iterable[Mapping[str, object]], end: End | None) -> list[str]:
    """The router takes the subnet's gateway address: nobody may have it, and there must be one."""
    own = {id.split("/")[-1] for kind, id in end.objects if kind == "interface"} if end else set()
    lines = []
    for subnet in subnets:
        gateway = subnet.get("gateway_ip")
        if not gateway:
            lines.append(f"gateway address on subnet {subnet['name']!r} for stretch {unit}: its router needs one")
            continue
        params: dict[str, str | int | list[str]] = {
            "network_id": str(subnet["network_id"]),
            "fixed_ips": f"ip_address={gateway}",
        }
        taken = [port for port in cloud.listed(SERVICE, "/ports", "ports", params=params) if port["id"] not in own]
        lines += [
            f"free gateway address {gateway} on subnet {subnet['name']!r} for stretch {unit}: "
            f"port {port['id']} ({port['device_owner'] or 'no owner'}) has it"
            for port in taken
        ]
    return lines
