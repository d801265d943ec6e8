"""What would go wrong at one end, found out by reading, before anything is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.clouds.names import ambiguous, missing
from cloudsentry.drivers.stretch import neutron
from cloudsentry.drivers.stretch.gateway import calls, figures
from cloudsentry.drivers.stretch.neutron import SERVICE
from cloudsentry.errors import Denied, NotSupported
from cloudsentry.records.stretching import End, Fact

NEEDS = {
    "allowed-address-pairs": "the address that two gateways share",
    "net-mtu-writable": "the MTU",
    "port-security": "a gateway's inner port",
    "security-group": "the tunnel's firewall",
    "standard-attr-description": "the event's mark",
    "standard-attr-tag": "the event's mark",
}
PER_END = {"network": 1, "subnet": 1, "port": 6, "security_group": 1}
"""What one end takes of Neutron's quotas."""

Wanted = Sequence[tuple[str, Mapping[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What speaks against the ends, and the addresses that are in use there."""

    missing: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()


def look(cloud: Cloud, wanted: Wanted, ends: Sequence[End]) -> Findings:
    """Everything about the wanted ends of a cloud."""
    if not wanted:
        return Findings()
    if lack := neutron.lacking(cloud, NEEDS):
        return Findings(missing=lack)
    standing = {end.mark.unit: end for end in ends}
    networks = cloud.listed(SERVICE, "/networks", "networks")
    subnets = cloud.listed(SERVICE, "/subnets", "subnets", params={"fields": ["id", "name", "cidr", "network_id"]})
    lines: list[str] = []
    for unit, options in wanted:
        end = standing.get(unit)
        lines += _outside(cloud, unit, options)
        lines += _images(cloud, unit, options) if end is None else []
        lines += _taken(cloud, unit, options, end, networks, subnets)
    new = sum(unit not in standing for unit, _ in wanted)
    lines += neutron.room(cloud, {kind: count * new for kind, count in PER_END.items()})
    return Findings(missing=tuple(lines), facts=tuple(_facts(cloud, ends)))


def outside(cloud: Cloud, options: Mapping[str, str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """By which network an end reaches the other: an external one; an end that roams may leave by any that is named."""
    name = options.get("external", "")
    if options.get("roams") != "near" or not name:
        return external(cloud, name)
    found = cloud.listed(SERVICE, "/networks", "networks", params={"name": name})
    if len(found) != 1:
        every = cloud.listed(SERVICE, "/networks", "networks")
        told = (str(item["id"]) for item in found)
        return {}, (
            ambiguous("network", name, told)
            if found
            else missing("network", name, (str(item["name"]) for item in every)),
        )
    return _four(cloud, found[0])


def external(cloud: Cloud, name: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The external network of that name (empty: the only one) with its ``subnet`` of IPv4; and why there is none."""
    items = cloud.listed(SERVICE, "/networks", "networks", params={"router:external": "true"})
    found = [item for item in items if not name or name in (item["name"], item["id"])]
    if len(found) > 1:
        return {}, (ambiguous("external network", name, (str(item["id"]) for item in found)),)
    if not found:
        return {}, (missing("external network", name, (str(item["name"]) for item in items)),)
    return _four(cloud, found[0])


def _four(cloud: Cloud, network: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    subnets = cloud.listed(SERVICE, "/subnets", "subnets", params={"network_id": str(network["id"])})
    four = next((subnet for subnet in subnets if subnet["ip_version"] == 4), None)
    if four is None:
        return {}, (f"IPv4 subnet on the network {network['name']!r}",)
    return {**network, "subnet": four}, ()


def _outside(cloud: Cloud, unit: str, options: Mapping[str, str]) -> list[str]:
    """The tunnel's own addresses must not be those of what it carries, nor the MTU more than it can carry."""
    network, faults = outside(cloud, options)
    if faults:
        return [f"{fault} for stretch {unit}" for fault in faults]
    lines = _hypervisor(cloud, unit, options.get("hypervisor", ""))
    for cidr in (options["cidr"], options.get("far_cidr", "")):
        if cidr and neutron.overlap(cidr, str(network["subnet"]["cidr"])):
            lines.append(f"free addresses {cidr} for stretch {unit}: the external network {network['name']!r} has them")
    most = figures.inner_mtu(int(network["mtu"]), options["mode"], over=figures.transport(options))
    if options.get("mtu") and int(options["mtu"]) > most:
        lines.append(
            f"MTU of {options['mtu']} for stretch {unit}: {network['name']!r} carries {network['mtu']} bytes, "
            f"of which the tunnel leaves {most}"
        )
    return lines


def _hypervisor(cloud: Cloud, unit: str, name: str) -> list[str]:
    if not name:
        return []
    try:
        params = {"binary": "nova-compute"}
        known = cloud.listed("compute", "/os-services", "services", params=params, microversion=calls.PINNED)
    except Denied:
        return [f"right to put the router of stretch {unit} on a hypervisor (an administrator's)"]
    names = [str(one["host"]) for one in known]
    return [] if name in names else [f"{missing('hypervisor', name, names)} for the router of stretch {unit}"]


def _images(cloud: Cloud, unit: str, options: Mapping[str, str]) -> list[str]:
    lines = []
    for look in (calls.image, calls.flavor):
        try:
            look(cloud, options[look.__name__])
        except NotSupported as fault:
            lines.append(f"{str(fault).partition('there is no ')[2] or fault} for the gateways of stretch {unit}")
    return lines


def _taken(
    cloud: Cloud,
    unit: str,
    options: Mapping[str, str],
    end: End | None,
    networks: list[dict[str, Any]],
    subnets: list[dict[str, Any]],
) -> list[str]:
    own = {id for _, id in end.objects} if end else set()
    ours = {
        str(network["id"]): network
        for network in networks
        if network["id"] not in own and (network.get("project_id") == cloud.project() or network.get("shared"))
    }
    lines = [
        f"free name for stretch {unit}: there is a network {unit!r} ({id}) that the event did not make; "
        "call the stretch something else"
        for id, network in ours.items()
        if network["name"] == unit
    ]
    for cidr in filter(None, (options["cidr"], options.get("far_cidr", ""))):
        lines += [
            f"free addresses {cidr} for stretch {unit}: subnet {subnet['name']!r} ({subnet['id']}) has {subnet['cidr']}"
            for subnet in subnets
            if subnet["network_id"] in ours and neutron.overlap(cidr, str(subnet["cidr"]))
        ]
    return lines


def _facts(cloud: Cloud, ends: Sequence[End]) -> list[Fact]:
    """Addresses in use on the stretched network; those of layer 2 must not be in use at the other end too."""
    found = []
    for end in ends:
        for network in (id for kind, id in end.objects if kind == "network"):
            ports = cloud.listed(
                SERVICE,
                "/ports",
                "ports",
                params={"network_id": network, "fields": ["id", "fixed_ips", "device_owner"]},
            )
            addresses = {
                str(ip["ip_address"])
                for port in ports
                if port["device_owner"] != "network:dhcp"
                for ip in port["fixed_ips"]
            }
            found += [Fact(unit=end.mark.unit, kind="address", value=address) for address in sorted(addresses)]
    return found
