"""Octavia's JSON to views. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloudsentry.records.marks import Mark
from cloudsentry.records.views import Balancer, Member


def pool_of(balancer: Mapping[str, Any], pools: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The marked pool of a balancer; empty where it has none (yet)."""
    ids = {pool["id"] for pool in balancer.get("pools") or ()}
    return next((pool for pool in pools if pool["id"] in ids), {})


def balancer(
    item: Mapping[str, Any],
    pool: Mapping[str, Any],
    members: Sequence[Mapping[str, Any]],
    stats: Mapping[str, int] | None,
    event: str,
) -> Balancer | None:
    """One balancer with its pool and members; None where it does not bear the event's mark."""
    mark = Mark.from_tags(item.get("tags") or ())
    if mark is None or event not in ("", mark.event):
        return None
    listeners = item.get("listeners") or [{}]
    return Balancer(
        id=item["id"],
        name=item.get("name") or "",
        mark=mark,
        vip=item.get("vip_address") or "",
        provisioning=item["provisioning_status"],
        operating=item.get("operating_status") or "",
        listener=listeners[0].get("id", ""),
        pool=pool.get("id", ""),
        monitor=pool.get("healthmonitor_id") or "",
        algorithm=pool.get("lb_algorithm") or "",
        members=tuple(sorted(map(member, members), key=lambda one: (one.address, one.port))),
        connections=None if stats is None else stats.get("active_connections"),
        served=None if stats is None else stats.get("total_connections"),
        octets=None if stats is None else stats.get("bytes_out"),
    )


def member(item: Mapping[str, Any]) -> Member:
    """One member, ours or not."""
    return Member(
        id=item["id"],
        name=item.get("name") or "",
        address=item["address"],
        port=int(item["protocol_port"]),
        weight=int(item["weight"]),
        mark=Mark.from_tags(item.get("tags") or ()),
        provisioning=item.get("provisioning_status") or "",
        operating=item.get("operating_status") or "",
        subnet=item.get("subnet_id") or "",
        backup=bool(item.get("backup")),
    )
