"""Several moves under way at once, within a budget; a group as one unit or not at all."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from cloudsentry.records.moving import NO_RETURN, Budget, Move


class Gate:
    """Where the moves of a group meet before their point of no return: all pass, or none does. Thread-safe.

    One that is past it already, in an earlier process, opens it for all: the others had arrived then.
    """

    def __init__(self, moves: Sequence[Move]) -> None:
        self._wanted = {move.id for move in moves}
        self._there = {move.id for move in moves if move.phase == NO_RETURN or move.state == "done"}
        self._open = bool(self._there)
        self._shut = False
        self._lock = threading.Lock()

    def passes(self, number: int) -> bool | None:
        """Whether this move may pass: not known yet as long as others are on their way."""
        with self._lock:
            if self._shut and not self._open:
                return False
            self._there.add(number)
            self._open = self._open or self._there >= self._wanted
            return True if self._open else None

    def shut(self) -> None:
        """One of them cannot come: nobody passes who has not."""
        with self._lock:
            self._shut = True


class Slots:
    """How many moves may be under way from and to which hypervisor. Thread-safe."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._busy: Counter[str] = Counter()
        self._taken = 0
        self._free = threading.Condition()

    @contextlib.contextmanager
    def held(self, hypervisors: Sequence[str]) -> Iterator[Callable[[], None]]:
        """Wait for a place; what is given may be called to leave it early."""
        places = {name for name in hypervisors if name}
        with self._free:
            self._free.wait_for(lambda: self._fits(places))
            self._taken += 1
            self._busy.update(places)
        left = threading.Event()

        def leave() -> None:
            with self._free:
                if not left.is_set():
                    left.set()
                    self._taken -= 1
                    self._busy.subtract(places)
                    self._free.notify_all()

        try:
            yield leave
        finally:
            leave()

    def _fits(self, places: set[str]) -> bool:
        if self._taken >= self._budget.slots:
            return False
        most = self._budget.per_hypervisor
        return not most or all(self._busy[name] < most for name in places)


def sail(moves: Sequence[Move], each: Callable[[Move], Move], *, threads: int, halt: Callable[[], None]) -> list[Move]:
    """Every move by ``each``, in order, at most ``threads`` at once; how they ended, in the same order.

    With one at a time, what follows a move that did not end as ``done`` is not begun. An interrupt calls ``halt``,
    so that all stop at their next rest.
    """
    if threads <= 1 or len(moves) == 1:
        ended: list[Move] = []
        for move in moves:
            ended.append(each(move))
            if ended[-1].state != "done":
                break
        return ended
    with ThreadPoolExecutor(threads, thread_name_prefix="move") as pool:
        try:
            return list(pool.map(each, moves))
        except BaseException:
            halt()
            raise
