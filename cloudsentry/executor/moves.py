"""Runs a move: phase by phase, every step remembered before the next, forwards or back.

The mover says how far it is, the hall grants what it wishes of the event and its balancers, and only here is
waited, tried again and given up. What fails for good before the point of no return is undone at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from cloudsentry.errors import Ambiguous, Busy, DriverError, NoCapacity, PlanError, SentryError
from cloudsentry.executor.clock import Clock
from cloudsentry.executor.pace import Pace
from cloudsentry.executor.tries import RETRIED, reading
from cloudsentry.records.moving import NO_RETURN, PHASES, Memo, Move, MoveOrder, MoveState, Phase, Stride, Wish
from cloudsentry.records.progress import Progress
from cloudsentry.records.reports import Listener, Note

T = TypeVar("T")
BUDGET = 30
"""Failures of all kinds that a move may have from its first try to its end, over all processes that work on it."""
FIRST_LOOK = 0.25
"""Seconds from a step that came on to the next look, doubled up to the usual rest: a server may be off meanwhile."""


class Mover(Protocol):
    """The part of `cloudsentry.drivers.mover.base.MoverDriver` that a run needs."""

    def advance(self, phase: Phase, order: MoveOrder, memo: Memo) -> Stride: ...

    def undo(self, order: MoveOrder, memo: Memo) -> Stride: ...


class Ledger(Protocol):
    """The part of the journal that a move writes."""

    def keep(
        self, number: int, *, phase: Phase | None = None, memo: Memo | None = None, attempts: int | None = None
    ) -> MoveState: ...

    def turn(self, number: int, state: MoveState, error: str | None = None) -> None: ...


Grant = Callable[[Wish, float], Progress]
"""Does what a mover wishes, or a bit of it; told the seconds since it was first wished."""


Passes = Callable[[], bool | None]
"""Whether a move may pass its point of no return; None as long as that is not known."""


class _Turned(SentryError):
    """Somebody wants the move to go back."""


class _Spent(SentryError):
    """The budget of failures is used up."""


class MoveRun:
    """One run of one move, from wherever the journal says it is."""

    def __init__(
        self,
        mover: Mover,
        order: MoveOrder,
        move: Move,
        *,
        grant: Grant,
        ledger: Ledger,
        pace: Pace,
        clock: Clock,
        listen: Listener,
    ) -> None:
        self._mover, self._order, self._move = mover, order, move
        self._grant, self._ledger, self._listen = grant, ledger, listen
        self._pace, self._clock = pace, clock
        self._memo: Memo = dict(move.memo)
        self._attempts, self._begun = move.attempts, clock.now()

    def go(self, passes: Passes | None = None) -> MoveState:
        """To the end; what cannot be done is undone, as long as it can be. Returns how the move ended.

        ``passes`` is asked before the point of no return, until it says that it may be passed, or not.
        """
        try:
            for phase in PHASES[PHASES.index(self._move.phase) :]:
                if phase == NO_RETURN and self._move.phase != NO_RETURN and passes is not None:
                    self._meet(passes)
                self._keep(phase=phase)
                self._say("started", phase)
                self._through(phase, lambda memo, phase=phase: self._mover.advance(phase, self._order, memo))  # type: ignore[misc]
                self._say("ended", phase, detail="done")
        except _Turned as turned:
            return self.back(str(turned) or "stopped by hand")
        except (DriverError, PlanError, _Spent) as error:
            if isinstance(error, NoCapacity):
                self._lacked()
            if self._move.phase == NO_RETURN:
                self._ledger.turn(self._move.id, "failed", str(error))
                return "failed"
            return self.back(str(error))
        self._ledger.turn(self._move.id, "done", "")
        return "done"

    def _meet(self, passes: Passes) -> None:
        """Until the group is there. Whoever is on the way has a deadline of its own."""
        while (may := passes()) is None:
            self._rest("verify", self._clock.now() + self._pace.boot_timeout, "waiting for the group")
        if not may:
            raise _Turned("another move of its group could not be made")

    def _lacked(self) -> None:
        """A next try avoids the hypervisor that has no room."""
        where = self._memo.get("on") or self._order.hypervisor
        avoid = [*self._memo.get("avoid", ()), *([where] if where else [])]
        self._memo = {**self._memo, "avoid": list(dict.fromkeys(avoid)), "lack": True}
        self._keep(memo=self._memo)

    def back(self, why: str | None = None) -> MoveState:
        """Undo all of it. Call only before the point of no return."""
        self._ledger.turn(self._move.id, "undoing", why)
        self._say("started", "undo", detail=why or "")
        try:
            self._through("undo", lambda memo: self._mover.undo(self._order, memo))
        except (DriverError, PlanError, _Spent) as error:
            self._ledger.turn(self._move.id, "failed", f"{why or 'rolled back'}; and it could not be undone: {error}")
            return "failed"
        self._ledger.turn(self._move.id, "undone", why)
        self._say("ended", "undo", detail="done")
        return "undone"

    def _through(self, phase: str, step: Callable[[Memo], Stride]) -> None:
        """Until the mover says that it is done."""
        end, last, looks = self._clock.now() + self._pace.boot_timeout, (-1, ""), 0
        while True:
            stride = self._tried(phase, lambda: step(dict(self._memo)))
            if stride.memo != self._memo:
                self._memo = stride.memo
                self._keep(memo=self._memo)
            if (stride.done, stride.detail) != last:
                last, end, looks = (stride.done, stride.detail), self._clock.now() + self._pace.boot_timeout, 0
                self._say("progress", phase, stride.done, stride.wanted, stride.detail)
            if stride.wish is not None:
                self._granted(phase, stride.wish)
            elif stride.state == "done":
                return
            else:
                self._rest(phase, end, stride.detail, FIRST_LOOK * 2**looks)
                looks += looks < 8

    def _granted(self, phase: str, wish: Wish) -> None:
        began = self._clock.now()
        while True:
            progress = self._tried(phase, lambda: self._grant(wish, self._clock.now() - began))
            if progress.state == "done":
                self._memo = {**self._memo, wish.key: True}
                self._keep(memo=self._memo)
                return
            if progress.state == "failed":
                raise DriverError(progress.detail)
            self._say("progress", phase, progress.done, progress.wanted, progress.detail or wish.kind)
            self._rest(phase, began + self._pace.boot_timeout, progress.detail)

    def _rest(self, phase: str, end: float, what: str, most: float = math.inf) -> None:
        """Until the next look, at most ``most`` seconds from now.

        A move that somebody wants back turns here, and so does one that does not come on.
        """
        if phase != "undo" and self._move.phase != NO_RETURN and self._keep() == "undoing":
            raise _Turned("")
        if self._clock.stopped:
            raise KeyboardInterrupt
        if self._clock.now() >= end:
            raise DriverError(f"{phase}: no progress in {self._pace.boot_timeout:.0f} s ({what})")
        self._clock.sleep(min(most, self._pace.poll_least))

    def _tried(self, phase: str, call: Callable[[], T]) -> T:
        """By meaning, as any other call; each failure costs one of the budget."""

        def once() -> T:
            try:
                return call()
            except RETRIED as error:
                self._attempts += 1
                self._ledger.keep(self._move.id, attempts=self._attempts)
                self._say("retry", phase, self._attempts, BUDGET, str(error))
                # A service that says that it is busy is alive: it costs patience, not budget.
                if self._attempts >= BUDGET and not isinstance(error, Busy):
                    raise _Spent(f"{BUDGET} failures, the last one: {error}") from error
                if isinstance(error, Ambiguous):
                    # Movers look before they make: what a lost call has made must have time to show.
                    self._clock.sleep(self._pace.settle)
                raise

        return reading(once, self._pace, self._clock)

    def _keep(self, *, phase: Phase | None = None, memo: Memo | None = None) -> MoveState:
        if phase is not None:
            self._move = replace(self._move, phase=phase)
        return self._ledger.keep(self._move.id, phase=phase, memo=memo)

    def _say(self, kind: str, phase: str, done: int = 0, wanted: int = 0, detail: str = "") -> None:
        self._listen(
            Note(
                kind=kind,  # type: ignore[arg-type]
                step=f"move {self._move.id} {phase}",
                unit=self._move.server,
                cloud=self._move.target,
                verb=phase,
                done=done,
                wanted=wanted,
                detail=detail,
                elapsed=self._clock.now() - self._begun,
            )
        )
