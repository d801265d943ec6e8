"""The verbs of moves."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from cloudsentry import loading
from cloudsentry.drivers.mover.base import Forcible, MoverDriver
from cloudsentry.errors import Lost, Owned, PlanError, UserError
from cloudsentry.executor import Clock, Pace
from cloudsentry.executor.moves import MoveRun
from cloudsentry.executor.tries import reading
from cloudsentry.granting import Members, Revisions
from cloudsentry.journal import Journal
from cloudsentry.journal.moves import Moves
from cloudsentry.migrate.asking import Asked, Asking, Candidate, order_of, unplannable
from cloudsentry.migrate.fleet import Gate, Slots, sail
from cloudsentry.migrate.forecast import Forecast, closed
from cloudsentry.migrate.holds import Holds
from cloudsentry.migrate.placing import Placing
from cloudsentry.planner import moves as planner
from cloudsentry.records.moving import ENDED, NO_RETURN, PHASES, Budget, Memo, Move, MovePlan, Wish
from cloudsentry.records.progress import Progress
from cloudsentry.records.reports import Listener, silent
from cloudsentry.spec import moves as spec
from cloudsentry.spec.event import Event
from cloudsentry.spec.scaling import count_of

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry


class Migration:
    """Moves of the events of one journal; one process works on an event's moves at a time."""

    def __init__(self, sentry: Sentry, *, loader: loading.Loader | None = None, clock: Clock | None = None) -> None:
        self._sentry = sentry
        self._loader = loader or loading.Loader()
        self._clock = clock or Clock()
        self._pace = Pace(**asdict(sentry.settings.executor))
        self._moves = Moves(sentry.settings.journal.connection)
        self._journal = Journal(sentry.settings.journal.connection)
        self._holds = Holds(sentry.holding)
        # Moves under way at once write to the same balancers and revise the same event: one after the other.
        self._turn = threading.RLock()

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
        event, asked, candidates = self._candidates(asked)
        took = self._forecast.seconds(event, candidates)
        late = closed(event, asked, sum(took) / (asked.budget or Budget()).slots)
        return tuple(
            planner.row(
                one.order.name or one.order.pool,
                (one.move.source, one.move.target),
                (one.move.mover, one.why),
                one.found,
                (seconds, self._forecast.gap(one)),
                (*one.refusals, *late),
            )
            for one, seconds in zip(candidates, took, strict=True)
        )

    def _candidates(self, asked: Asked) -> tuple[Event, Asked, list[Candidate]]:
        event, number = self._sentry.event(asked.event)
        if not number:
            raise UserError(f"event {event.event} was never applied: apply it first")
        asked = asked.resolved(event)
        return event, asked, self._asking(event).candidates(asked)

    def _asking(self, event: Event) -> Asking:
        status = self._sentry.status(event.event)
        return Asking(
            event=event,
            servers=tuple(line for line in status.servers if line.status != "ERROR"),
            stretches=status.stretches,
            mover=self._mover,
            check=lambda mover, order: reading(lambda: mover.check(order), self._pace, self._clock),
            unplannable=unplannable(self._sentry.plan),
            warmer=self._forecast.warmer,
            at_once=self._pace.threads,
        )

    @property
    def _forecast(self) -> Forecast:
        return Forecast(self._sentry, self._moves.of())

    # Moving

    def run(self, asked: Asked, listen: Listener = silent) -> tuple[Move, ...]:
        """Move it. Raises `PlanError` with every reason at once before anything is touched.

        What fails before its point of no return is undone; then nothing further of the same call is begun. A group
        that moves together is undone as a whole.
        """
        event, asked, candidates = self._candidates(asked)
        if not candidates:
            raise UserError(f"there is no server of {asked.what} to move")
        took = self._forecast.seconds(event, candidates)
        refusals = [line for one in candidates for line in one.refusals]
        refusals += closed(event, asked, sum(took) / (asked.budget or Budget()).slots)
        if refusals:
            raise PlanError(tuple(dict.fromkeys(refusals)))
        ended: list[Move] = []
        with self._holds.alone(event.event):
            self._unmoved(event.event)
            for holds, part in itertools.groupby(candidates, lambda one: bool(one.move.memo["holds"])):
                with self._holds.event(event.event, holds):
                    ended += self._fleet([one.move for one in part], asked, listen)
                if any(move.state != "done" for move in ended):
                    break
        return tuple(ended)

    def _fleet(self, moves: Sequence[Move], asked: Asked, listen: Listener) -> list[Move]:
        budget = asked.budget or Budget()
        slots = Slots(budget)
        if asked.together:
            moves = [self._ledger(move.event).add(self._fresh(move)) for move in moves]
        gate = Gate(moves) if asked.together else None
        stop = threading.Event()

        def each(move: Move) -> Move:
            with slots.held(_places(move)) as leave:
                if stop.is_set() or self._clock.stopped:
                    return move
                event, _ = self._sentry.event(move.event)
                if not move.id and closed(event, asked, 0.0):
                    stop.set()
                    return move
                known = move if move.id else self._ledger(move.event).add(self._fresh(move))
                done = self._forward(known, listen, gate, leave)
            if done.state != "done" and gate is None:
                stop.set()
            return done

        threads = len(moves) if gate else min(len(moves), budget.slots)
        ended = sail(moves, each, threads=threads, halt=self._clock.stop)
        begun = [move for move in ended if move.id]
        if not begun:
            raise PlanError(closed(self._sentry.event(asked.event)[0], asked, 0.0) or ("nothing was begun",))
        return begun

    def retry(
        self, number: int, listen: Listener = silent, *, mover: str | None = None, hypervisors: tuple[str, ...] = ()
    ) -> Move:
        """Go on with a move from where it was left, or begin it again where it was undone; its group with it.

        A move that begins again may take another mover and other hypervisors; it turns to those first that have not
        said that they are full. Raises `UserError`, and `PlanError` where it can no longer be made.
        """
        move = self.move(number)
        if move.state == "done":
            raise UserError(f"move {number} is done")
        with self._holds.alone(move.event), self._holds.event(move.event, bool(move.memo["holds"])):
            group = self._group(self.move(number))
            for one in group:
                self._settle(one)
            onward = any(one.phase == NO_RETURN or one.state == "done" for one in group)
            if not onward and any(one.state in ("undoing", "failed", "undone") for one in group):
                if any(self._returned(one, listen).state != "undone" for one in group):
                    return self.move(number)
                for one in group:
                    self._anew(self.move(one.id), mover, hypervisors)
            elif mover or hypervisors:
                raise UserError(f"move {number} is under way: roll it back first, then retry it another way")
            for one in group:
                if one.state != "done":
                    self._ledger(one.event).turn(one.id, "open", "")
            fresh = [self.move(one.id) for one in group if one.state != "done"]
            gate = Gate([self.move(one.id) for one in group]) if len(group) > 1 else None
            sail(
                fresh,
                lambda one: self._forward(one, listen, gate),
                threads=len(fresh) if gate else 1,
                halt=self._clock.stop,
            )
            return self.move(number)

    def _returned(self, move: Move, listen: Listener) -> Move:
        return move if move.state == "undone" else self._back(move, listen)

    def _anew(self, move: Move, mover: str | None, hypervisors: tuple[str, ...]) -> None:
        """From the beginning, perhaps another way; checked again, as the clouds have moved on."""
        memo = {key: value for key, value in move.memo.items() if key in _LASTING}
        avoid = set(memo.get("avoid", ()))
        wanted = hypervisors or tuple(memo["hypervisors"])
        memo["hypervisors"] = sorted(wanted, key=lambda name: name in avoid)
        event, _ = self._sentry.event(move.event)
        if "new_unit" in memo:
            memo["new_unit"] = spec.unit_on(event, memo["pool"], memo["unit"], memo["hypervisors"][0])
        move = replace(move, memo=memo, mover=mover or move.mover)
        order = order_of(event, move)
        found = reading(lambda: self._mover(move).check(order), self._pace, self._clock)
        if found.refusals:
            raise PlanError(found.refusals)
        self._ledger(move.event).keep(move.id, phase=PHASES[0], memo=memo, attempts=0, mover=move.mover)

    def rollback(self, number: int, listen: Listener = silent) -> Move:
        """Undo a move, and its group. Raises `UserError` for one that is past its point of no return."""
        self._returnable(self.move(number))
        move = self.move(number)
        with self._holds.alone(move.event), self._holds.event(move.event, bool(move.memo["holds"])):
            group = self._group(self.move(number))
            for one in group:
                if one.state != "undone":
                    self._returnable(one)
            for one in group:
                self._settle(one)
                self._returned(one, listen)
            return self.move(number)

    def abort(self, number: int, listen: Listener = silent) -> Move:
        """Undo a move that another process works on, at its next step; one that nobody works on is rolled back here."""
        self._returnable(self.move(number))
        try:
            return self.rollback(number, listen)
        except Lost:
            raise
        except Owned:
            self._moves.turn(number, "undoing", "stopped by hand")
            return self.move(number)

    def force(self, number: int) -> Move:
        """Have a live migration that is under way brought to its end now. Raises `UserError` where there is none."""
        move = self.move(number)
        mover = self._mover(move)
        if not isinstance(mover, Forcible):
            raise UserError(f"move {number} goes by {move.mover}, which cannot be forced: nothing of it runs meanwhile")
        event, _ = self._sentry.event(move.event)
        forced = move.state == "open" and reading(
            lambda: mover.force(order_of(event, move), move.memo), self._pace, self._clock
        )
        if not forced:
            raise UserError(f"move {number} is {move.state}, at {move.phase}: no live migration of it is running")
        return self.move(number)

    def _group(self, move: Move) -> list[Move]:
        """The move and those that move together with it, by number."""
        group = move.memo.get("group")
        listed = [one for one in self._moves.of(move.event) if group and one.memo.get("group") == group]
        return sorted(listed, key=lambda one: one.id) or [move]

    @staticmethod
    def _returnable(move: Move) -> None:
        if move.state in ENDED:
            raise UserError(f"move {move.id} is {move.state}")
        if move.phase == NO_RETURN:
            raise UserError(
                f"move {move.id} is past its point of no return (phase {NO_RETURN}): finish it with `migrate retry "
                f"{move.id}`, then move back with `migrate run`"
            )

    def _forward(
        self, move: Move, listen: Listener, gate: Gate | None = None, leave: Callable[[], None] | None = None
    ) -> Move:
        """To its end. One that found its hypervisor full begins again on the next that was asked for."""
        while True:
            with self._holds.writing(move.event):
                state = self._runner(move, listen).go(_meeting(gate, move.id, leave) if gate else None)
            move = self.move(move.id)
            others = [name for name in move.memo["hypervisors"] if name not in move.memo.get("avoid", ())]
            if state == "undone" and move.memo.get("lack") and others:
                self._anew(move, None, ())
                self._ledger(move.event).turn(move.id, "open", "")
                move = self.move(move.id)
                continue
            if state != "done" and gate is not None:
                gate.shut()
            return move

    def _back(self, move: Move, listen: Listener) -> Move:
        with self._holds.writing(move.event):
            self._runner(move, listen).back(move.error or None)
        return self.move(move.id)

    def _runner(self, move: Move, listen: Listener) -> MoveRun:
        event, _ = self._sentry.event(move.event)
        order = order_of(event, move)
        hold = self._holds.of(move.event)
        journal = self._journal.under(hold) if hold else self._journal
        if "stretch" in move.memo:
            grant = Placing(self._loader, journal, event, order, self._turn).grant
        elif order.server:
            members = Members(
                self._loader, journal, event, order, move.memo, turn=self._turn, hidden=lambda: self._unsure(move)
            )

            def grant(wish: Wish, elapsed: float) -> Progress:
                return members.grant(wish, elapsed, self.move(move.id).memo)

        else:
            grant = Revisions(self._sentry, order, move.memo, listen).grant
        return MoveRun(
            self._mover(move),
            order,
            move,
            grant=grant,
            ledger=self._ledger(move.event),
            pace=self._pace,
            clock=self._clock,
            listen=listen,
        )

    def _unsure(self, move: Move) -> frozenset[str]:
        """Servers of other moves that may still go back: the event must not count them where they are just now."""
        others = [one for one in self._moves.unended(move.event) if one.id != move.id and one.phase != NO_RETURN]
        return frozenset(str(one.memo.get("server") or one.memo.get("server_id", "")) for one in others)

    def _mover(self, move: Move) -> MoverDriver:
        kind = loading.load("cloudsentry.mover", move.mover)
        mover: MoverDriver = kind(move.source, move.target, connect=self._loader.open)
        return mover

    def _settle(self, move: Move) -> None:
        """What a killed process asked for in its last moment must have time to show before it is looked for."""
        age = (dt.datetime.now(dt.UTC) - move.updated).total_seconds()
        if move.state not in ENDED and 0 <= age < self._pace.settle:
            self._clock.sleep(self._pace.settle - age)

    def _ledger(self, event: str) -> Moves:
        """The journal's moves, for whoever holds those of an event: what comes too late is refused."""
        hold = self._holds.moves_of(event)
        return self._moves.under(hold) if hold else self._moves

    def _unmoved(self, event: str) -> None:
        """What an earlier call has left is finished first: the next one's counts start from what that leaves."""
        for other in self._moves.unended(event):
            raise UserError(
                f"move {other.id} of {other.server} is {other.state}, at {other.phase}: "
                f"`migrate retry {other.id}` or `migrate rollback {other.id}` first"
            )

    def _fresh(self, move: Move) -> Move:
        """As it stands now: an earlier server of the same pool may have changed the counts."""
        event, _ = self._sentry.event(move.event)
        count = count_of(event.pools[move.memo["pool"]].pins) if move.memo["pool"] in event.pools else 0
        return replace(move, memo=move.memo | {"count": count}, started=dt.datetime.now(dt.UTC))


def _meeting(gate: Gate, number: int, leave: Callable[[], None] | None) -> Callable[[], bool | None]:
    """Asked by a move before its point of no return; while it waits there it burdens nobody."""

    def passes() -> bool | None:
        if leave is not None:
            leave()
        return gate.passes(number)

    return passes


def _places(move: Move) -> tuple[str, ...]:
    """The hypervisors that a move burdens, as ``cloud/name``."""
    found: Memo = move.memo
    first = found["hypervisors"][:1]
    places = [f"{move.target}/{name}" for name in first]
    return (*places, f"{move.source}/{found['hypervisor']}") if found.get("hypervisor") else tuple(places)


_LASTING = frozenset(
    {"pool", "new_pool", "count", "waves", "hypervisors", "op", "holds", "joined", "copy_bytes", "memory_mb"}
    | {"server_id", "name", "unit", "new_unit", "old_address", "hypervisor", "group", "avoid", "stretch"}
)
"""What a memo keeps when a move begins again: what was asked and found, not how far it had come."""
