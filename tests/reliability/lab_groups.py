"""Several cases of an operation for the price of one, where they cannot stand in each other's way.

* What passes by itself strikes one run at several calls, no two of them of one API and method.
* Kills before a run has announced its first call leave everything as it was: the next run is killed elsewhere, until
  one comes further.

The verdict is that of all of them together. Where it is not good, or what should pass has not, nothing is known of any
of them, and each is to be done alone.
"""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lab_lane import KILLS, PASSING, Lane, Point, Verdict

MOST = 5
"""Of the cases that strike one run, and of the kills one after the other: fewer than what opens a circuit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """How cases that were done together ended. Those that were not ``struck`` have not been done."""

    points: tuple[Point, ...]
    struck: tuple[bool, ...]
    verdict: Verdict

    @property
    def good(self) -> bool:
        """Nothing is to be done again: all went well, and what passes has passed within the struck run."""
        return self.verdict.good and (self.verdict.alone or self.points[0].fault in KILLS)

    @property
    def rows(self) -> list[tuple[Point, Verdict]]:
        """Each case that was done with a verdict of its own; the seconds are an equal share."""
        seconds = round(self.verdict.seconds / max(1, sum(self.struck)), 1)
        own = replace(self.verdict, struck=True, seconds=seconds)
        return [(point, own) for point, struck in zip(self.points, self.struck, strict=True) if struck]

    @property
    def left(self) -> list[Point]:
        """Those that are to be done alone."""
        if not self.good:
            return list(self.points)
        return [point for point, struck in zip(self.points, self.struck, strict=True) if not struck]


def joins(point: Point, group: Sequence[Point]) -> bool:
    """Whether a case may be done together with the others."""
    if len(group) >= MOST:
        return False
    if group[0].fault in PASSING:
        return point.fault in PASSING and (point.place, point.method) not in {(one.place, one.method) for one in group}
    return group[0].fault in KILLS and early(point)


def early(point: Point) -> bool:
    """A kill at one of the first reads: before any write, as likely as not. Whether it was, the journal says."""
    return point.fault in KILLS and "during" not in point.fault and point.nth <= 5 and point.method == "GET"


def together(lane: Lane, points: Sequence[Point]) -> Group:
    """One run, struck by all of them; then as with a single case."""
    began = time.monotonic()
    code, struck, told = lane.struck(points)
    verdict = lane.gone_on(points[0], code, all(struck), told)
    return Group(points=tuple(points), struck=tuple(struck), verdict=_timed(verdict, began))


def in_turn(lane: Lane, points: Sequence[Point]) -> Group:
    """Killed at each in turn while that leaves everything as it was; the last goes on as a single case does.

    Points that no run came to, as an earlier one had begun its writes, are not among the struck.
    """
    began = time.monotonic()
    done: list[bool] = []
    code, told = 0, ""
    for point in points:
        before = _announced(lane)
        code, struck, told = lane.struck([point])
        done += struck
        if code != -signal.SIGKILL or _announced(lane) != before:
            break
    verdict = lane.gone_on(points[0], code, any(done), told)
    rest = [False] * (len(points) - len(done))
    return Group(points=tuple(points), struck=(*done, *rest), verdict=_timed(verdict, began))


def way(points: Sequence[Point]) -> Callable[[Lane, Sequence[Point]], Group]:
    """How a group of cases is done."""
    return in_turn if points[0].fault in KILLS else together


def _timed(verdict: Verdict, began: float) -> Verdict:
    return replace(verdict, seconds=round(time.monotonic() - began, 1))


def _announced(lane: Lane) -> int:
    """How many calls the runs of the event have announced in its journal: each is there before it is made."""
    journal = lane.folder / "state" / "journal.sqlite"
    if not journal.exists():
        return 0
    with sqlite3.connect(journal) as db:
        return int(db.execute("select coalesce(sum(attempts), 0) + count(called) from steps").fetchone()[0])
