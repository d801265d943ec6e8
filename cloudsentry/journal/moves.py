"""Moves in the journal: every phase and every memo is on disk before the next step is made.

Every method is one transaction and thread-safe, and raises `SentryError` where the database cannot be used.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
from dataclasses import asdict, replace
from typing import Any, Self

import sqlalchemy as sa

from cloudsentry.errors import UserError
from cloudsentry.journal.ownership import Hold
from cloudsentry.journal.store import Store
from cloudsentry.journal.tables import moves
from cloudsentry.records.moving import ENDED, Memo, Move, MoveState, Phase


class Moves:
    """What moves, how far it is, and what it must remember."""

    def __init__(self, url: str) -> None:
        """Open the journal at an SQLAlchemy URL. Raises as `cloudsentry.journal.store.Store` does."""
        self._store = Store(url)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def under(self, hold: Hold) -> Self:
        """The same for whoever holds an event: a write after a later holder came raises `Lost`, and is not made."""
        same = copy.copy(self)
        same._store = self._store.behind(hold.fence)
        return same

    def add(self, move: Move) -> Move:
        """Keep a new move; returns it with its number."""
        values = asdict(move) | {"memo": json.dumps(move.memo, sort_keys=True)}
        del values["id"]
        with self._store.writing() as db:
            made = db.execute(moves.insert().values(values)).inserted_primary_key
        return replace(move, id=int(made[0]) if made else 0)

    def keep(
        self,
        number: int,
        *,
        phase: Phase | None = None,
        memo: Memo | None = None,
        attempts: int | None = None,
        mover: str | None = None,
    ) -> MoveState:
        """Note how far a move is; returns its state, which another process may have changed meanwhile."""
        values: dict[str, Any] = {"updated": _now()}
        values |= {"phase": phase} if phase is not None else {}
        values |= {"memo": json.dumps(memo, sort_keys=True)} if memo is not None else {}
        values |= {"attempts": attempts} if attempts is not None else {}
        values |= {"mover": mover} if mover is not None else {}
        with self._store.writing() as db:
            db.execute(moves.update().where(moves.c.id == number).values(values))
            state: MoveState = db.execute(sa.select(moves.c.state).where(moves.c.id == number)).scalar_one()
            return state

    def turn(self, number: int, state: MoveState, error: str | None = None) -> None:
        """Note that a move goes another way, or has ended."""
        now = _now()
        values: dict[str, Any] = {"state": state, "updated": now, "ended": now if state in ENDED else None}
        values |= {"error": error} if error is not None else {}
        with self._store.writing() as db:
            db.execute(moves.update().where(moves.c.id == number).values(values))

    def get(self, number: int) -> Move:
        """One move. Raises `UserError` where there is none of that number."""
        with self._store.reading() as db:
            row = db.execute(sa.select(moves).where(moves.c.id == number)).mappings().first()
        if row is None:
            raise UserError(f"there is no move {number} in the journal")
        return _move(row)

    def of(self, event: str | None = None, limit: int = 100) -> tuple[Move, ...]:
        """The newest moves, newest first."""
        query = sa.select(moves) if event is None else sa.select(moves).where(moves.c.event == event)
        with self._store.reading() as db:
            return tuple(map(_move, db.execute(query.order_by(moves.c.id.desc()).limit(limit)).mappings()))

    def unended(self, event: str) -> tuple[Move, ...]:
        """An event's moves that are neither done nor undone, oldest first."""
        query = sa.select(moves).where(moves.c.event == event, moves.c.state.not_in(ENDED))
        with self._store.reading() as db:
            return tuple(map(_move, db.execute(query.order_by(moves.c.id)).mappings()))


def _move(found: Any) -> Move:
    return Move(**{**found, "memo": json.loads(found["memo"])})


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
