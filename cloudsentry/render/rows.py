"""Records as columns and rows of plain values, the shape that tables and JSON are made from.

Column names are an interface: they are the keys of ``-f json`` and the words for ``-c``.
"""

from __future__ import annotations

from typing import Any

from cloudsentry.records.plans import Plan
from cloudsentry.records.reports import CircuitLine, Report, Status
from cloudsentry.render import text

Rows = tuple[tuple[str, ...], list[tuple[Any, ...]]]

PLAN = ("Action", "Unit", "Cloud", "What", "Why")
SERVERS = (
    "Cloud",
    "Unit",
    "Server",
    "Status",
    "Hypervisor",
    "Placed",
    "Address",
    "Weight",
    "Member",
)
BALANCERS = ("Cloud", "Unit", "Balancer", "VIP", "Provisioning", "Operating", "Member", "Weight", "Member status")
CIRCUITS = ("Cloud", "Service", "Circuit", "Failures", "Asked again in")
DRIFT = ("Kind", "Cloud", "Unit", "What")


def plan(one: Plan) -> Rows:
    """One row per step, in the order of the plan."""
    return PLAN, [(step.action, step.unit, step.cloud, text.what(step), step.why) for step in one.steps]


def drift(status: Status) -> Rows:
    """One row per difference between the event and the clouds."""
    return DRIFT, [(line.kind, line.cloud, line.unit, line.what) for line in status.drift]


def circuits(lines: tuple[CircuitLine, ...]) -> Rows:
    """One row per service of a cloud that did not answer of late; seconds."""
    return CIRCUITS, [(line.cloud, line.family, line.state, line.failures, line.seconds) for line in lines]


def servers(status: Status) -> Rows:
    """One row per server."""
    return SERVERS, [
        (
            line.cloud,
            line.unit,
            line.name,
            line.status,
            line.hypervisor,
            line.placed,
            line.address,
            line.weight,
            line.member,
        )
        for line in status.servers
    ]


def balancers(status: Status) -> Rows:
    """One row per member; a balancer without members has one row."""
    return BALANCERS, [
        (line.cloud, line.unit, line.name, line.vip, line.provisioning, line.operating, address, weight, state)
        for line in status.balancers
        for address, weight, state in (line.members or (("", None, ""),))
    ]


def report(one: Report) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The fields of a run's end, the same for every goal and outcome."""
    ended = {kind: sum(step.outcome == kind for step in one.steps) for kind in ("done", "failed", "skipped")}
    counts = {"wanted": one.servers.wanted, "active": one.servers.active, "misplaced": one.servers.misplaced}
    fields: dict[str, Any] = {
        "run": one.run,
        "event": one.event,
        "goal": one.goal,
        "outcome": one.outcome,
        "seconds": round(one.seconds, 2),
        "writes": one.writes,
        "reads": one.reads,
        "steps": ended,
        "servers": counts,
        "left": list(one.left),
    }
    if one.forsaken:  # only who asked for it gets it
        fields["forsaken"] = list(one.forsaken)
    return tuple(fields), tuple(fields.values())
