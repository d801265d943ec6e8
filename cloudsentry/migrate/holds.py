"""The leases under which this process moves things: one of the event's moves, one of the event itself where need be."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from cloudsentry.clouds.guard import guarded
from cloudsentry.journal.ownership import Hold

MOVES = ".move"
"""What is behind an event's name in the name of its moves' lease."""


@dataclass(frozen=True, slots=True)
class Leases:
    """Several leases that must all last for anything to be written."""

    all: tuple[Hold, ...]

    @property
    def origin(self) -> str:
        """Whose a request is: of the narrowest lease, which was taken last."""
        return self.all[-1].origin

    def check(self) -> None:
        """Raises `Lost` where one of them is over."""
        for hold in self.all:
            hold.check()


class Holds:
    """Who is held by this process, by name. Thread-safe: a name is held once, whatever threads work under it."""

    def __init__(self, take: Callable[[str], AbstractContextManager[Hold]]) -> None:
        self._take = take
        self._held: dict[str, Hold] = {}

    @contextlib.contextmanager
    def alone(self, event: str) -> Iterator[None]:
        """Nobody else moves anything of the event. Raises `Owned`."""
        with self._kept(f"{event}{MOVES}"):
            yield

    @contextlib.contextmanager
    def event(self, event: str, wanted: bool) -> Iterator[None]:
        """Where wanted, hold the event itself as well. Raises `Owned`."""
        with self._kept(event) if wanted else contextlib.nullcontext():
            yield

    def moves_of(self, event: str) -> Hold | None:
        """The lease of an event's moves."""
        return self._held.get(f"{event}{MOVES}")

    def of(self, event: str) -> Hold | None:
        """The lease of the event itself."""
        return self._held.get(event)

    @contextlib.contextmanager
    def writing(self, event: str) -> Iterator[None]:
        """In this thread, no cloud is written to once a lease of the event is over. Raises `Lost`."""
        held = tuple(hold for hold in (self.moves_of(event), self.of(event)) if hold is not None)
        with guarded(Leases(held) if held else None):
            yield

    @contextlib.contextmanager
    def _kept(self, name: str) -> Iterator[None]:
        with self._take(name) as hold:
            self._held[name] = hold
            try:
                yield
            finally:
                del self._held[name]
