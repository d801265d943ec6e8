"""What moves just now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudsentry.journal.moves import Moves
from cloudsentry.records.moving import Move

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry


def under_way(sentry: Sentry, event: str) -> tuple[Move, ...]:
    """An event's moves that are neither done nor undone, oldest first. Raises `SentryError` without a journal."""
    moves = Moves(sentry.settings.journal.connection)
    try:
        return moves.unended(event)
    finally:
        moves.close()
