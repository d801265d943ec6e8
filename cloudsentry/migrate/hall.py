"""The hall's floor for moves: what would move how, moving it, and going on, back or away after a crash.

A pool moves by revisions of its event (`replace`), so that everybody else may go on applying them. A single server
moves with its event held (`image`): while it is stopped nobody may start it, delete it or make it anew. A move that
was killed in between keeps holding its event, in the journal, until it is retried or rolled back.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from cloudsentry import loading
from cloudsentry.clouds.guard import guarded
from cloudsentry.drivers.mover.base import MoverDriver
from cloudsentry.errors import Owned, PlanError, UserError
from cloudsentry.executor import Clock, Pace
from cloudsentry.executor.moves import MoveRun
from cloudsentry.executor.tries import reading
from cloudsentry.granting import Members, Revisions, way_of
from cloudsentry.journal import Journal
from cloudsentry.journal.moves import Moves
from cloudsentry.planner import moves as planner
from cloudsentry.planner.servers import template_of
from cloudsentry.planner.units import digest, template_digest
from cloudsentry.records.marks import Mark
from cloudsentry.records.moving import ENDED, NO_RETURN, PHASES, Findings, Memo, Move, MoveOrder, MovePlan, Wish
from cloudsentry.records.progress import Progress
from cloudsentry.records.reports import Listener, Note, ServerLine
from cloudsentry.spec import moves as spec
from cloudsentry.spec.event import Event
from cloudsentry.spec.scaling import count_of

if TYPE_CHECKING:
    from cloudsentry.journal.ownership import Hold
    from cloudsentry.sentry import Sentry


def silent(note: Note) -> None:
    """A listener that hears nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks to be moved. ``what`` is a pool, a server's name or its id; ``to`` a cloud or a site.

    ``wave`` is how many servers are made, and later drained, at once; 0 is all of them. ``hypervisors`` are the
    target's, to be spread over; none leaves it to its scheduler.
    """

    event: str
    what: str
    to: str
    mover: str | None = None
    wave: int = 0
    hypervisors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """One move that could be made."""

    move: Move
    order: MoveOrder
    found: Findings
    why: str
    refusals: tuple[str, ...]


class Migration:
    """Moves of the events of one journal; one process works on an event's moves at a time."""

    def __init__(self, sentry: Sentry, *, loader: loading.Loader | None = None, clock: Clock | None = None) -> None:
        self._sentry = sentry
        self._loader = loader or loading.Loader()
        self._clock = clock or Clock()
        self._pace = Pace(**asdict(sentry.settings.executor))
        self._moves = Moves(sentry.settings.journal.connection)
        self._journal = Journal(sentry.settings.journal.connection)

    def close(self) -> None:
        """Let go of the journal."""
        self._moves.close()
        self._journal.close()

    # Looking

    def moves(self, event: str | None = None) -> tuple[Move, ...]:
        """The newest moves, newest first."""
        return self._moves.of(event)

    def move(self, number: int) -> Move:
        """One move. Raises `UserError`."""
        return self._moves.get(number)

    def plan(self, asked: Asked) -> tuple[MovePlan, ...]:
        """What would move how, how long it would take, and every reason why it cannot. Writes nothing."""
        candidates = self._candidates(asked)
        earlier = self._moves.of()
        boots = self._boots(asked.event)
        rows = []
        for one in candidates:
            event, _ = self._sentry.event(one.order.event)
            drain = max((event.balancers[name].drain for name in spec.balancers_of(event, one.order.pool)), default=0.0)
            took = planner.seconds(
                one.move.mover,
                copy_bytes=one.found.copy_bytes,
                per_second=planner.rate(earlier, one.move.source, one.move.target),
                boots=boots,
                drain=drain,
            )
            clouds = (one.move.source, one.move.target)
            server = one.order.name or one.order.pool
            rows.append(planner.row(server, clouds, (one.move.mover, one.why), one.found, took, one.refusals))
        return tuple(rows)

    def _boots(self, event: str) -> list[float]:
        return [
            (run.ended - run.started).total_seconds()
            for run in self._sentry.runs(event)
            if run.goal == "apply" and run.outcome == "done" and run.ended is not None and run.writes
        ]

    # Moving

    def run(self, asked: Asked, listen: Listener = silent) -> tuple[Move, ...]:
        """Move it; servers one after another. Raises `PlanError` with every reason at once before anything is touched.

        What fails before its point of no return is undone; then nothing further of the same call is begun.
        """
        candidates = self._candidates(asked)
        refusals = [line for one in candidates for line in one.refusals]
        if refusals:
            raise PlanError(tuple(dict.fromkeys(refusals)))
        ended: list[Move] = []
        for one in candidates:
            with self._alone(one.move.event, one.move.mover) as hold:
                self._unmoved(one.move.event)
                fresh = self._fresh(one.move)
                move = self._moves.under(hold).add(fresh)
                ended.append(self._forward(move, listen, hold))
            if ended[-1].state != "done":
                break
        return tuple(ended)

    def retry(self, number: int, listen: Listener = silent) -> Move:
        """Go on with a move from where it was left, or begin it again where it was undone. Raises `UserError`."""
        move = self.move(number)
        if move.state == "done":
            raise UserError(f"move {number} is done")
        with self._alone(move.event, move.mover) as hold:
            move = self.move(number)
            self._settle(move)
            moves = self._moves.under(hold)
            if move.state == "undoing" or (move.state == "failed" and move.phase != NO_RETURN):
                self._back(move, listen, hold)
                move = self.move(number)
            if move.state == "undone":
                self._unmoved(move.event)
                memo = {key: value for key, value in move.memo.items() if key in _LASTING}
                moves.keep(number, phase=PHASES[0], memo=memo, attempts=0)
            if move.state != "failed" or move.phase == NO_RETURN:
                moves.turn(number, "open", "")
                return self._forward(self.move(number), listen, hold)
            return move

    def rollback(self, number: int, listen: Listener = silent) -> Move:
        """Undo a move. Raises `UserError` for one that is past its point of no return."""
        move = self.move(number)
        self._returnable(move)
        with self._alone(move.event, move.mover) as hold:
            move = self.move(number)
            self._returnable(move)
            self._settle(move)
            return self._back(move, listen, hold)

    def abort(self, number: int, listen: Listener = silent) -> Move:
        """Undo a move that another process works on, at its next step; one that nobody works on is rolled back here."""
        move = self.move(number)
        self._returnable(move)
        try:
            return self.rollback(number, listen)
        except Owned:
            self._moves.turn(number, "undoing", "stopped by hand")
            return self.move(number)

    @staticmethod
    def _returnable(move: Move) -> None:
        if move.state in ENDED:
            raise UserError(f"move {move.id} is {move.state}")
        if move.phase == NO_RETURN:
            raise UserError(
                f"move {move.id} is past its point of no return (phase {NO_RETURN}): finish it with `migrate retry "
                f"{move.id}`, then move back with `migrate run`"
            )

    def _forward(self, move: Move, listen: Listener, hold: Hold) -> Move:
        with guarded(hold.check):
            self._runner(move, listen, hold).go()
        return self.move(move.id)

    def _back(self, move: Move, listen: Listener, hold: Hold) -> Move:
        with guarded(hold.check):
            self._runner(move, listen, hold).back(move.error or None)
        return self.move(move.id)

    def _runner(self, move: Move, listen: Listener, hold: Hold) -> MoveRun:
        event, _ = self._sentry.event(move.event)
        order = self._order(event, move)
        if order.server:
            members = Members(self._loader, self._journal, event, order, move.memo)

            def grant(wish: Wish, elapsed: float) -> Progress:
                return members.grant(wish, elapsed, self.move(move.id).memo)

        else:
            grant = Revisions(self._sentry, order, move.memo, listen).grant
        return MoveRun(
            self._mover(move),
            order,
            move,
            grant=grant,
            ledger=self._moves.under(hold),
            pace=self._pace,
            clock=self._clock,
            listen=listen,
        )

    def _mover(self, move: Move) -> MoverDriver:
        kind = loading.load("cloudsentry.mover", move.mover)
        mover: MoverDriver = kind(move.source, move.target, connect=self._loader.open)
        return mover

    def _settle(self, move: Move) -> None:
        """What a killed process asked for in its last moment must have time to show before it is looked for."""
        age = (dt.datetime.now(dt.UTC) - move.updated).total_seconds()
        if move.state not in ENDED and 0 <= age < self._pace.settle:
            self._clock.sleep(self._pace.settle - age)

    @contextlib.contextmanager
    def _alone(self, event: str, mover: str) -> Iterator[Hold]:
        """Nobody else moves anything of the event; a single server's move holds the event itself as well."""
        with contextlib.ExitStack() as held:
            hold = held.enter_context(self._sentry.holding(f"{event}.move"))
            if mover != "replace":
                held.enter_context(self._sentry.holding(event))
            yield hold

    def _unmoved(self, event: str) -> None:
        """One move of an event at a time: the next one's counts start from what this one leaves."""
        for other in self._moves.unended(event):
            raise UserError(
                f"move {other.id} of {other.server} is {other.state}, at {other.phase}: "
                f"`migrate retry {other.id}` or `migrate rollback {other.id}` first"
            )

    # What is asked, in the house's words

    def _candidates(self, asked: Asked) -> list[_Candidate]:
        event, number = self._sentry.event(asked.event)
        if not number:
            raise UserError(f"event {event.event} was never applied: apply it first")
        cloud = spec.cloud_named(event, asked.to)
        servers = [line for line in self._sentry.status(event.event).servers if line.status != "ERROR"]
        mine = [line for line in servers if asked.what in (line.name, line.id)]
        if len(mine) > 1:
            raise UserError(f"{len(mine)} servers are called {asked.what!r}: take an id")
        pool = mine[0].unit.split("@")[0] if mine else asked.what
        spec.pool_of(event, pool)
        behind = bool(spec.balancers_of(event, pool))
        mover, why = planner.choose(asked.mover, pool=not mine, behind_balancer=behind)
        if mover == "replace":
            return [self._candidate(event, asked, (mover, why), cloud, pool, mine[0] if mine else None)]
        listed = mine or [line for line in servers if line.unit.split("@")[0] == pool]
        return [self._candidate(event, asked, (mover, why), cloud, pool, line) for line in listed]

    def _candidate(
        self, event: Event, asked: Asked, choice: tuple[str, str], cloud: str, pool: str, line: ServerLine | None
    ) -> _Candidate:
        now = dt.datetime.now(dt.UTC)
        source = event.cloud_of(event.pools[pool].site)
        count = count_of(event.pools[pool].pins)
        memo: Memo = {
            "pool": pool,
            "new_pool": spec.new_name(event, pool, cloud),
            "count": count,
            "waves": math.ceil(count / asked.wave) if asked.wave else 1,
            "hypervisors": list(asked.hypervisors),
            "op": digest(event.event, line.id if line else pool, cloud, now.isoformat()),
            "holds": choice[0] != "replace",
        }
        if line is not None:
            memo |= {"server_id": line.id, "name": line.name, "unit": line.unit, "old_address": line.address}
        move = Move(
            event=event.event,
            server=line.id if line else pool,
            source=source,
            target=cloud,
            mover=choice[0],
            memo=memo,
            started=now,
            updated=now,
        )
        if source == cloud:
            reason = f"pool {pool} is on {cloud} already"
            order = self._order(event, move)
            return _Candidate(move=move, order=order, found=Findings(), why=choice[1], refusals=(reason,))
        return self._checked(event, move, choice[1])

    def _checked(self, event: Event, move: Move, why: str) -> _Candidate:
        """With every reason against it: the mover's, the balancers', and what planning the new pool refuses."""
        order = self._order(event, move)
        mover = self._mover(move)
        found = reading(lambda: mover.check(order), self._pace, self._clock)
        move = replace(move, memo=move.memo | {"joined": found.joined, "copy_bytes": found.copy_bytes})
        way = way_of(order, move.memo)
        refusals = (*found.refusals, *spec.refusals(event, way))
        count = 1 if order.server else order.count
        if order.new_pool in event.pools and not order.server:
            refusals += (f"event {event.event} has a pool {order.new_pool} already: its servers would be taken over",)
        else:
            refusals += self._unplannable(spec.weighed(event, way, count, 0))
        return _Candidate(move=move, order=order, found=found, why=why, refusals=refusals)

    def _unplannable(self, event: Event) -> tuple[str, ...]:
        try:
            self._sentry.plan(event)
        except PlanError as error:
            return error.refusals
        return ()

    def _fresh(self, move: Move) -> Move:
        """As it stands now that nobody else moves: an earlier server of the same pool may have changed the counts."""
        event, _ = self._sentry.event(move.event)
        pools = event.pools
        new = pools.get(move.memo["new_pool"])
        count = count_of(pools[move.memo["pool"]].pins) if move.memo["pool"] in pools else 0
        return replace(move, memo=move.memo | {"count": count, "new_count": (count_of(new.pins) if new else 0) + 1})

    def _order(self, event: Event, move: Move) -> MoveOrder:
        """What the mover is asked, made anew from the event each time: a memo holds no secrets."""
        memo = move.memo
        pool = event.pools[memo["pool"] if memo["pool"] in event.pools else memo["new_pool"]]
        hypervisors = memo["hypervisors"]
        place = hypervisors[0] if hypervisors else "any"
        unit = f"{memo['new_pool']}@{place}"
        return MoveOrder(
            event=event.event,
            pool=memo["pool"],
            new_pool=memo["new_pool"],
            source=move.source,
            target=move.target,
            driver=pool.driver,
            count=memo["count"],
            waves=memo["waves"],
            server=memo.get("server_id", ""),
            name=memo.get("name", ""),
            hypervisor=hypervisors[0] if hypervisors else "",
            template=template_of(pool),
            mark=Mark(event=event.event, unit=unit, op=memo["op"], template=template_digest(pool)),
        )


_LASTING = frozenset(
    {"pool", "new_pool", "count", "new_count", "waves", "hypervisors", "op", "holds", "joined", "copy_bytes"}
    | {"server_id", "name", "unit", "old_address"}
)
"""What a memo keeps when a move begins again: what was asked and found, not how far it had come."""
