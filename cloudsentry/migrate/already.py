"""Whether what is asked to be moved is there already, so that asking twice moves once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudsentry.migrate.asking import Asked
from cloudsentry.spec import moves as spec

if TYPE_CHECKING:
    from cloudsentry.migrate.hall import Migration
    from cloudsentry.sentry import Sentry


def already(sentry: Sentry, migration: Migration, asked: Asked) -> bool:
    """Whether every pool and server that is asked for stands on the target cloud, as earlier moves have left it.

    A pool that was replaced has another name there: the journal knows of its move. Within a cloud it is never so, for
    a hypervisor is asked for again on purpose. Raises `UserError` as `Migration.plan` does for an unknown event.
    """
    event, _ = sentry.event(asked.event)
    asked = asked.resolved(event)
    target = spec.cloud_named(event, asked.to)
    done = [move for move in migration.moves(event.event) if move.state == "done" and move.target == target]
    replaced = {move.memo["pool"] for move in done if move.source != target} - event.pools.keys()
    wanted = {asked.what, *asked.group}
    if wanted <= replaced:
        return True
    moved = {key for move in done if move.source != target for key in (move.server, move.memo.get("name"))}
    there = {key for line in sentry.status(event.event).servers if line.cloud == target for key in (line.id, line.name)}
    return all(one in replaced or one in (moved & there) for one in wanted)
