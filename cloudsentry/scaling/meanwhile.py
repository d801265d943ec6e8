"""What is wanted while a run waits for servers that boot: decided as ever, and taken into a larger run."""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from collections.abc import Callable

from cloudsentry.errors import Lost, SentryError
from cloudsentry.journal.decisions import DecisionRow

LOG = logging.getLogger(__name__)
RETHINK = 15.0
"""Seconds between decisions while servers boot."""


class Meanwhile:
    """Asked by a run that waits: decides now and then, and is true once more servers are wanted than are coming.

    ``grown`` are the decisions for which the run gives way; those that would take servers away are held until it ends.
    """

    def __init__(
        self,
        wall: Callable[[], dt.datetime],
        decide: Callable[[], tuple[DecisionRow, ...]],
        keep: Callable[[DecisionRow], DecisionRow],
        called: Callable[[], tuple[DecisionRow, ...]],
    ) -> None:
        """``decide`` decides on what is coming, ``keep`` puts it into the journal, ``called`` are the open calls."""
        self._wall, self._decide, self._keep, self._called = wall, decide, keep, called
        self._next = wall() + dt.timedelta(seconds=RETHINK)
        self.grown: tuple[DecisionRow, ...] = ()

    def __call__(self) -> bool:
        """Whether more is wanted. What cannot be read just now changes nothing; raises `Lost` as the journal does."""
        if self._wall() < self._next:
            return False
        try:
            rows = tuple(self._keep(_held(row)) for row in self._decide())
            self.grown = tuple(row for row in (*rows, *self._called()) if row.wanted > row.current)
        except Lost:
            raise
        except SentryError as error:
            LOG.warning("no decision while servers boot: %s", error)
        self._next = self._wall() + dt.timedelta(seconds=RETHINK)
        return bool(self.grown)


def _held(row: DecisionRow) -> DecisionRow:
    if row.wanted >= row.current:
        return row
    reasons = (*row.reasons, f"{row.wanted} servers would do, but others boot still: none is taken away meanwhile")
    return dataclasses.replace(row, wanted=row.current, rule="booting", state="held", reasons=reasons)
