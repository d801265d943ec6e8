"""The contract of a mover: three methods.

Constructed with the two clouds and its options; it keeps no memory of a move: what it must know later it puts into the
memo, which the journal keeps. It never sleeps, retries, starts a thread, reads configuration or prints. Traffic and
the event are not its own: it says what it wishes of them (`cloudsentry.records.moving.Wish`), and is asked again then.
"""

from __future__ import annotations

import abc
from typing import Protocol, runtime_checkable

from cloudsentry.records.moving import Findings, Memo, MoveOrder, Phase, Stride


class MoverDriver(abc.ABC):
    """Moves what an order names from its source to its target."""

    @abc.abstractmethod
    def check(self, order: MoveOrder) -> Findings:
        """Look whether it can be moved, and write nothing: every reason against it at once. Raises `DriverError`."""

    @abc.abstractmethod
    def advance(self, phase: Phase, order: MoveOrder, memo: Memo) -> Stride:
        """Look how far a phase has come, make at most one write that it still lacks, and return.

        Called until it answers ``done``; called again after a kill it goes on from what is there. Nothing that
        serves at the source is deleted before the phase ``release``. Raises a `DriverError`.
        """

    @abc.abstractmethod
    def undo(self, order: MoveOrder, memo: Memo) -> Stride:
        """As `advance`, backwards from wherever it is: the source serves again, and nothing is left at the target.

        Only called before ``release`` has begun.
        """


@runtime_checkable
class Forcible(Protocol):
    """A mover whose server runs while it moves, so that somebody may want the end now, at the price of a gap."""

    def force(self, order: MoveOrder, memo: Memo) -> bool:
        """Ask for the end of what is under way; whether there was anything. Raises `DriverError`."""
