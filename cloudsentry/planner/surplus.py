"""What an audit asks of one event: what bears its mark beyond its wish, and what it misses. Pure."""

from __future__ import annotations

from cloudsentry.planner.make import compare
from cloudsentry.records.orders import DeleteBalancer, DeleteServers
from cloudsentry.records.plans import Drift, Step
from cloudsentry.records.stretching import CloseEnd
from cloudsentry.records.views import Snapshot
from cloudsentry.spec.event import Event


def surplus_and_gone(event: Event, snapshot: Snapshot) -> tuple[set[str], tuple[Drift, ...], tuple[Step, ...]]:
    """Ids of what the event does not want, what is missing, and the steps that would take away what it no longer has.

    ``snapshot`` is of a full look. Servers that a next apply would replace (misplaced, outdated, in ERROR) are drift
    and no surplus.
    """
    parts = compare(event, snapshot)
    ids = {server.id for pool in parts.pools.values() for one in pool.standing.values() for server in one.surplus}
    for step in parts.leftovers:
        if isinstance(step.subject, DeleteServers):
            ids |= set(step.subject.ids)
        elif isinstance(step.subject, DeleteBalancer):
            ids.add(step.subject.id)
        elif isinstance(step.subject, CloseEnd):
            ids |= {id for _, id in step.subject.objects}
    return ids, tuple(line for line in parts.drift if line.kind == "missing"), tuple(parts.leftovers)
