"""Nova's JSON to views. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cloudsentry.records.marks import PREFIX, Mark
from cloudsentry.records.views import Server, ServerGroup


def servers(items: Iterable[Mapping[str, Any]], event: str) -> tuple[Server, ...]:
    """The servers whose metadata bears the event's mark, sorted by name and id.

    One in BUILD on a hypervisor that is down reads as in ERROR: it will not come up."""
    found = (_server(item, event) for item in items)
    return tuple(sorted((server for server in found if server), key=lambda server: (server.name, server.id)))


SILENT = ("UNKNOWN", "DOWN")
"""Nova's ``host_status`` of a hypervisor that has not reported for ``service_down_time``, or was forced down. Only
accounts that may see it are told."""


def _server(item: Mapping[str, Any], event: str) -> Server | None:
    mark = Mark.from_metadata(item.get("metadata") or {})
    if mark is None or event not in ("", mark.event):
        return None
    status, fault = item.get("status") or "UNKNOWN", (item.get("fault") or {}).get("message") or ""
    if status == "BUILD" and item.get("host_status") in SILENT:
        # Nova leaves it so as long as the hypervisor is down, and puts it in ERROR when that comes back.
        status, fault = "ERROR", f"its hypervisor {item.get('OS-EXT-SRV-ATTR:host') or ''} went down as it was made"
    return Server(
        id=item["id"],
        name=item.get("name") or "",
        status=status,
        mark=mark,
        hypervisor=item.get("OS-EXT-SRV-ATTR:host") or "",
        zone=item.get("OS-EXT-AZ:availability_zone") or "",
        task=item.get("OS-EXT-STS:task_state") or "",
        addresses=addresses(item.get("addresses") or {}),
        fault=fault,
        created=item.get("created") or "",
    )


def addresses(by_network: Mapping[str, Iterable[Mapping[str, Any]]]) -> tuple[str, ...]:
    """Fixed addresses in Nova's order of networks, IPv4 before IPv6 within one."""
    return tuple(
        entry["addr"]
        for entries in by_network.values()
        for entry in sorted(entries, key=lambda entry: int(entry.get("version", 4)))
        if entry.get("OS-EXT-IPS:type", "fixed") == "fixed"
    )


def group_prefix(event: str) -> str:
    """How the names of an event's server groups begin: groups have neither tags nor metadata."""
    return f"{PREFIX}.{event}." if event else f"{PREFIX}."


def groups(items: Iterable[Mapping[str, Any]], event: str) -> tuple[ServerGroup, ...]:
    """The event's server groups, sorted by name and id."""
    mine = (item for item in items if str(item["name"]).startswith(group_prefix(event)))
    return tuple(
        ServerGroup(
            id=item["id"],
            name=item["name"],
            policy=item.get("policy") or "",
            members=tuple(item.get("members") or ()),
        )
        for item in sorted(mine, key=lambda item: (item["name"], item["id"]))
    )
