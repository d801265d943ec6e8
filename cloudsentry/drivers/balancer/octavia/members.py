"""The batch of a pool's members: Octavia removes what it does not name, so it names everybody. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cloudsentry.records.marks import Mark
from cloudsentry.records.views import Member

KEPT = (
    "name",
    "address",
    "protocol_port",
    "weight",
    "backup",
    "subnet_id",
    "monitor_address",
    "monitor_port",
    "admin_state_up",
    "vnic_type",
    "tags",
)
"""What a member is made of; the rest of the answer is Octavia's own."""


def batch(
    wanted: Iterable[Member], found: Iterable[Mapping[str, Any]], *, subnets: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The wanted members, and every unmarked one as it is. ``subnets``: ids by name."""
    kept = [_as_it_is(item) for item in found if not _marked(item)]
    return [_as_wanted(member, subnets) for member in wanted] + kept


def clash(wanted: Iterable[Member], found: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Addresses of wanted members that a person's member has already: Octavia knows an address and port once."""
    taken = {(item["address"], int(item["protocol_port"])) for item in found if not _marked(item)}
    return tuple(f"{member.address}:{member.port}" for member in wanted if (member.address, member.port) in taken)


def weigh_alike(wanted: Iterable[Member]) -> bool:
    """Whether all weights are one and the same, so that a balancer that cannot weigh will do."""
    return len({member.weight for member in wanted}) <= 1


def _marked(item: Mapping[str, Any]) -> bool:
    return Mark.from_tags(item.get("tags") or ()) is not None


def _as_wanted(member: Member, subnets: Mapping[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": member.name,
        "address": member.address,
        "protocol_port": member.port,
        "weight": member.weight,
        "backup": member.backup,
        "tags": list(member.mark.tags()) if member.mark else [],
    }
    return body | ({"subnet_id": subnets[member.subnet]} if member.subnet else {})


def _as_it_is(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in KEPT if item.get(name) is not None}
