"""Why a pool has as many servers as it has: the decisions of scaling, and the calls that asked for some.

Every method is one transaction and thread-safe, and raises `SentryError` where the database cannot be used.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, Self

import sqlalchemy as sa

from cloudsentry.errors import UserError
from cloudsentry.journal.ownership import Hold
from cloudsentry.journal.store import Store
from cloudsentry.journal.tables import decisions, deliveries
from cloudsentry.records.scaling import Decision, Inputs

DecisionState = Literal["held", "queued", "running", "done", "failed"]
SIGNATURES = "signature"
"""The deliveries' source under which used signatures are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """One decision. ``held``: nothing changes; held again for the same reason it is the same row, ``times`` more.

    ``at`` and ``until`` are the clock readings of the first and the last time. ``reasons`` are sentences,
    ``inputs`` what the policy saw, as plain data. ``run`` is the run that carried it out.
    """

    id: int = 0
    event: str
    pool: str
    source: str
    policy: str
    rule: str
    current: int
    wanted: int
    state: DecisionState
    at: dt.datetime
    until: dt.datetime
    times: int = 1
    run: int | None = None
    error: str = ""
    demand: float | None = None
    reasons: tuple[str, ...] = ()
    inputs: dict[str, Any]


def row_of(inputs: Inputs, decision: Decision, *, source: str, policy: str, queued: bool = False) -> DecisionRow:
    """A decision as it is kept, before it has a number."""
    changes: DecisionState = "queued" if queued else "running"
    return DecisionRow(
        event=inputs.event,
        pool=inputs.pool,
        source=source,
        policy=policy,
        rule=decision.rule,
        current=inputs.current,
        wanted=decision.wanted,
        state="held" if decision.wanted == inputs.current else changes,
        at=inputs.now,
        until=inputs.now,
        demand=decision.demand,
        reasons=decision.reasons,
        inputs=json.loads(json.dumps(inputs, default=_plain)),
    )


# Made once: every tick asks them several times, and SQLAlchemy takes longer to put a statement together than SQLite
# to answer it.
_MINE = (decisions.c.event == sa.bindparam("of")) & (decisions.c.pool == sa.bindparam("its"))
_NEWEST = sa.select(decisions).where(_MINE).order_by(decisions.c.id.desc()).limit(1)
_NEWEST_BARE = (
    sa.select(*(column for column in decisions.c if column.name != "body"))
    .where(_MINE)
    .order_by(decisions.c.id.desc())
    .limit(1)
)
_CHANGED = sa.select(sa.func.max(decisions.c.at)).where(_MINE, decisions.c.state.in_(("queued", "running", "done")))


class Decisions:
    """What was decided, why, and how it went."""

    def __init__(self, url: str) -> None:
        """Open the journal at an SQLAlchemy URL. Raises as `cloudsentry.journal.store.Store` does."""
        self.url = url
        self._store = Store(url)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def under(self, hold: Hold) -> Self:
        """The same for whoever holds an event: a write after a later holder came raises `Lost`, and is not made."""
        same = copy.copy(self)
        same._store = self._store.behind(hold.fence)
        return same

    def add(self, row: DecisionRow) -> DecisionRow:
        """Keep a decision, and return it with its number."""
        with self._store.writing() as db:
            return _added(db, row)

    def repeated(self, source: str, digest: str, since: dt.datetime) -> DecisionRow | None:
        """The decision that the same delivery made since ``since``, and count the repetition; None where it is new."""
        with self._store.writing() as db:
            known = _delivery(db, source, digest, since)
            if known is None or known.decision is None:
                return None
            _again(db, source, digest)
            return _row(_one(db, known.decision))

    def accept(
        self, row: DecisionRow, source: str, digest: str, since: dt.datetime, now: dt.datetime
    ) -> tuple[DecisionRow, bool]:
        """Keep a decision that a delivery asked for, or find the one that the same delivery made since ``since``.

        Returns the decision and whether the delivery is new. Both are on disk together, or neither is:
        what is killed in between will be delivered again, and is new then.
        """
        with self._store.writing() as db:
            known = _delivery(db, source, digest, since)
            if known is not None and known.decision is not None:
                _again(db, source, digest)
                return _row(_one(db, known.decision)), False
            added = _added(db, row)
            _deliver(db, source, digest, now, added.id)
            return added, True

    def used(self, digest: str, since: dt.datetime, now: dt.datetime) -> bool:
        """Whether a signature was used since ``since``; from now on it is. Older ones are forgotten."""
        with self._store.writing() as db:
            if _delivery(db, SIGNATURES, digest, since) is not None:
                return True
            db.execute(deliveries.delete().where(deliveries.c.source == SIGNATURES, deliveries.c.received < since))
            _deliver(db, SIGNATURES, digest, now, None)
            return False

    def move(self, ids: Iterable[int], state: DecisionState, *, run: int | None = None, error: str = "") -> None:
        """Note how decisions go on."""
        with self._store.writing() as db:
            db.execute(
                decisions.update().where(decisions.c.id.in_(list(ids))).values(state=state, run=run, error=error)
            )

    def get(self, number: int) -> DecisionRow:
        """One decision. Raises `UserError` where there is none of that number."""
        with self._store.reading() as db:
            row = db.execute(sa.select(decisions).where(decisions.c.id == number)).mappings().first()
        if row is None:
            raise UserError(f"there is no decision {number} in the journal")
        return _row(row)

    def of(self, event: str, limit: int = 50, at: dt.datetime | None = None) -> tuple[DecisionRow, ...]:
        """An event's newest decisions, newest first; with ``at`` those that had been made by then."""
        query = sa.select(decisions).where(decisions.c.event == event)
        if at is not None:
            query = query.where(decisions.c.at <= at)
        with self._store.reading() as db:
            return tuple(map(_row, db.execute(query.order_by(decisions.c.id.desc()).limit(limit)).mappings()))

    def newest(self, event: str, pool: str) -> DecisionRow | None:
        """A pool's newest decision, or None."""
        with self._store.reading() as db:
            row = db.execute(_NEWEST, {"of": event, "its": pool}).mappings().first()
        return None if row is None else _row(row)

    def open(self, source: str, event: str | None = None) -> tuple[DecisionRow, ...]:
        """Decisions whose source begins so, and that are still to be carried out, oldest first."""
        query = sa.select(decisions).where(
            decisions.c.state.in_(("queued", "running")), decisions.c.source.startswith(source, autoescape=True)
        )
        if event is not None:
            query = query.where(decisions.c.event == event)
        with self._store.reading() as db:
            return tuple(map(_row, db.execute(query.order_by(decisions.c.id)).mappings()))

    def changed(self, event: str, pool: str, *, grown_by: str | None = None) -> dt.datetime | None:
        """When the newest decision was made that changed a pool, or is about to.

        With ``grown_by`` the newest that brought servers, and whose source begins so.
        """
        query, asked = _CHANGED, {"of": event, "its": pool}
        if grown_by is not None:
            source = decisions.c.source.startswith(grown_by, autoescape=True)
            query = query.where(source, decisions.c.wanted > decisions.c.current)
        with self._store.reading() as db:
            return db.execute(query, asked).scalar()


def _added(db: sa.Connection, row: DecisionRow) -> DecisionRow:
    newest = db.execute(_NEWEST_BARE, {"of": row.event, "its": row.pool}).mappings().first()
    if newest is not None and _same(newest, row):
        same = replace(row, id=newest["id"], at=newest["at"], times=newest["times"] + 1)
        changed = {"until": same.until, "times": same.times, "body": _body(same)}
        db.execute(decisions.update().where(decisions.c.id == same.id).values(changed))
        return same
    values = {column.name: getattr(row, column.name) for column in decisions.c if column.name not in ("id", "body")}
    made = db.execute(decisions.insert().values(**values, body=_body(row))).inserted_primary_key
    return replace(row, id=int(made[0]) if made else 0)


def _same(old: Mapping[Any, Any], new: DecisionRow) -> bool:
    """Whether nothing has happened again, for the same reason."""
    names = ("source", "policy", "rule", "current", "wanted", "state")
    return new.state == "held" and all(old[name] == getattr(new, name) for name in names)


def _body(row: DecisionRow) -> str:
    return json.dumps({"demand": row.demand, "reasons": row.reasons, "inputs": row.inputs}, sort_keys=True)


def _one(db: sa.Connection, number: int) -> Any:
    return db.execute(sa.select(decisions).where(decisions.c.id == number)).mappings().one()


def _row(found: Any) -> DecisionRow:
    body = json.loads(found["body"])
    plain = {key: value for key, value in found.items() if key != "body"}
    return DecisionRow(**plain, demand=body["demand"], reasons=tuple(body["reasons"]), inputs=body["inputs"])


def _delivery(db: sa.Connection, source: str, digest: str, since: dt.datetime) -> Any:
    return db.execute(
        sa.select(deliveries).where(
            deliveries.c.source == source, deliveries.c.digest == digest, deliveries.c.received >= since
        )
    ).first()


def _deliver(db: sa.Connection, source: str, digest: str, now: dt.datetime, decision: int | None) -> None:
    same = (deliveries.c.source == source) & (deliveries.c.digest == digest)
    db.execute(deliveries.delete().where(same))
    db.execute(deliveries.insert().values(source=source, digest=digest, received=now, times=1, decision=decision))


def _again(db: sa.Connection, source: str, digest: str) -> None:
    same = (deliveries.c.source == source) & (deliveries.c.digest == digest)
    db.execute(deliveries.update().where(same).values(times=deliveries.c.times + 1))


def _plain(value: object) -> object:
    # One level at a time: `asdict` would copy every match of the timetable before it is written, ten times as slow.
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
