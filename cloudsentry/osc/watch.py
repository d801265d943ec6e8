"""Looking at an event again and again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from cloudsentry.errors import DriverError
from cloudsentry.executor.clock import Clock
from cloudsentry.osc.columns import shown
from cloudsentry.records.moving import Move
from cloudsentry.records.reports import Status
from cloudsentry.render import rows, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An event at one moment. ``resting`` has a line per service that is left alone as it did not answer."""

    status: Status
    moves: tuple[Move, ...] = ()
    resting: tuple[str, ...] = ()


Show = Callable[[Look | DriverError], None]


def until_stopped(look: Callable[[], Look], *, every: float, times: int) -> None:
    """Look and show, ``every`` seconds, ``times`` times or (0) until Ctrl-C, which is the way to end this.

    A driver's error is shown instead of the status and the next look is made all the same.
    """
    clock = Clock()
    with _screen() if sys.stdout.isatty() else _lines() as show:
        try:
            for number in count(1):
                show(_looked(look))
                if number == times:
                    return
                clock.sleep(every)
        except KeyboardInterrupt:
            return


def lines(look: Look) -> tuple[str, ...]:
    """What is beside the servers, a line each: stretches, steering, moves, services left alone; then the summary."""
    return (
        *(text.stretch(one) for one in look.status.stretches),
        *(text.steer(one) for one in look.status.steers),
        *(text.move(one) for one in look.moves),
        *look.resting,
        text.status_summary(look.status),
    )


def _looked(look: Callable[[], Look]) -> Look | DriverError:
    try:
        return look()
    except DriverError as error:
        return error


@contextmanager
def _lines() -> Iterator[Show]:
    """Plain lines; what has not changed since the last look is not said again, the summary aside."""
    said: set[str] = set()

    def show(seen: Look | DriverError) -> None:
        if isinstance(seen, DriverError):
            print(seen, flush=True)
            return
        *beside, summary = lines(seen)
        print(*(line for line in beside if line not in said), summary, sep="\n", flush=True)
        said.clear()
        said.update(beside)

    yield show


@contextmanager
def _screen() -> Iterator[Show]:
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        yield lambda seen: live.update(_drawn(seen), refresh=True)


def _drawn(seen: Look | DriverError) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if isinstance(seen, DriverError):
        return Text(str(seen), style="red")
    columns, cells = rows.servers(seen.status)
    table = Table(*columns)
    for line in cells:
        table.add_row(*(str(cell) for cell in shown(line)))
    status = seen.status
    below = [*(text.balancer(line) for line in status.balancers), *(text.drift(one) for one in status.drift)]
    return Group(table, *(Text(line) for line in (*below, *lines(seen))))
