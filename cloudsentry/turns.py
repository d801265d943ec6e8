"""Changes of an event by hand, taken in turns: nobody's change is lost when several come at once.

A change is a function from an event to an event. It becomes a new revision, planned and applied through the same
corridor as any other. Who finds the event held, or moved on since it was read, reads it again and tries again.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import tenacity

from cloudsentry.errors import Owned, PlanStale, UserError
from cloudsentry.executor import Clock
from cloudsentry.records.reports import Listener, Report, silent
from cloudsentry.spec.event import Event

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

WAIT = 30.0
"""Seconds that a writer waits for its turn."""

Change = Callable[[Event], Event]


def proposed(sentry: Sentry, name: str, change: Change) -> tuple[Event, int]:
    """The event that `taken` would apply now, and the revision that it is made from.

    Raises `UserError` for an event that is not there to be changed, and what ``change`` raises.
    """
    row, _ = sentry.show(name)
    event, number = sentry.event(row.name)
    if row.state != "kept":
        raise UserError(f"event {name} is not there to be changed: it was destroyed")
    return change(event), number


def taken(
    sentry: Sentry,
    name: str,
    change: Change,
    *,
    wait: float = WAIT,
    clock: Clock | None = None,
    listen: Listener = silent,
) -> Report:
    """The change holds, made from the newest revision there is.

    Raises as `proposed`, `Owned` or `PlanStale` where no turn came within ``wait`` seconds, and as `Sentry.apply`.
    """
    time = clock or Clock()
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((Owned, PlanStale)),
        wait=tenacity.wait_random(0.05, 0.5),
        stop=tenacity.stop_after_delay(wait),
        sleep=time.sleep,
        reraise=True,
    )
    return retrying(_once, sentry, name, change, listen)


def _once(sentry: Sentry, name: str, change: Change, listen: Listener) -> Report:
    event, number = proposed(sentry, name, change)
    return sentry.apply(event, since=number, listen=listen)


def unknown(what: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not there: with the nearest ones, else with all."""
    names = tuple(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}"
    return UserError(f"no {what} is called {name!r}; {hint}")
