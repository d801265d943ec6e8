"""Looking at an event again and again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

from cloudsentry.errors import DriverError
from cloudsentry.executor.clock import Clock
from cloudsentry.osc.columns import shown
from cloudsentry.records.reports import Status
from cloudsentry.render import rows, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

Show = Callable[[Status | DriverError], None]


def until_stopped(look: Callable[[], Status], *, every: float, times: int) -> None:
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


def _looked(look: Callable[[], Status]) -> Status | DriverError:
    try:
        return look()
    except DriverError as error:
        return error


@contextmanager
def _lines() -> Iterator[Show]:
    yield lambda seen: print(str(seen) if isinstance(seen, DriverError) else text.status_summary(seen), flush=True)


@contextmanager
def _screen() -> Iterator[Show]:
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        yield lambda seen: live.update(_drawn(seen), refresh=True)


def _drawn(seen: Status | DriverError) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if isinstance(seen, DriverError):
        return Text(str(seen), style="red")
    columns, lines = rows.servers(seen)
    table = Table(*columns)
    for line in lines:
        table.add_row(*(str(cell) for cell in shown(line)))
    below = [*(text.balancer(line) for line in seen.balancers), *(text.drift(one) for one in seen.drift)]
    return Group(table, *(Text(line) for line in (*below, text.status_summary(seen))))
