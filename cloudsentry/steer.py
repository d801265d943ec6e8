"""The hall's floor for steering: which share of the clients goes where, and shares set by hand.

New shares are a new revision of the event, planned and applied through the same corridor as any other. Who finds
the event held, or moved on since it was read, reads it again and tries again.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import tenacity

from cloudsentry.errors import Owned, PlanStale, UserError
from cloudsentry.executor import Clock
from cloudsentry.records.plans import Plan
from cloudsentry.records.reports import Listener, Note, Report, SteerLine
from cloudsentry.spec.event import Event

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

WAIT = 30.0
"""Seconds that a writer waits for its turn."""


def silent(note: Note) -> None:
    """A listener that hears nothing."""


def steering(sentry: Sentry, name: str) -> tuple[SteerLine, ...]:
    """Every target of an event's steerings: wanted share and the one that its means give. Writes nothing."""
    return sentry.status(name).steers


def proposed(sentry: Sentry, name: str, unit: str, shares: Mapping[str, float]) -> tuple[Event, int]:
    """The event that `set_shares` would apply now, and the revision that it is made from. Raises `UserError`."""
    row, _ = sentry.show(name)
    event, number = sentry.event(row.name)
    if row.state != "kept":
        raise UserError(f"event {name} is not there to be steered: it was destroyed")
    return resteered(event, unit, shares), number


def planned(sentry: Sentry, name: str, unit: str, shares: Mapping[str, float]) -> Plan:
    """What `set_shares` would do now. Raises `UserError`, and as `Sentry.plan`."""
    return sentry.plan(proposed(sentry, name, unit, shares)[0])


def set_shares(
    sentry: Sentry,
    name: str,
    unit: str,
    shares: Mapping[str, float],
    *,
    wait: float = WAIT,
    clock: Clock | None = None,
    listen: Listener = silent,
) -> Report:
    """The targets named in ``shares`` get these percents of the clients, home what all leave; no other change is lost.

    Raises `UserError` for a name that is not there (with the nearest) and for shares that cannot be, `Owned` or
    `PlanStale` where no turn came within ``wait`` seconds, and as `Sentry.apply`.
    """

    def once() -> Report:
        event, number = proposed(sentry, name, unit, shares)
        return sentry.apply(event, since=number, listen=listen)

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((Owned, PlanStale)),
        wait=tenacity.wait_random(0.05, 0.5),
        stop=tenacity.stop_after_delay(wait),
        sleep=(clock or Clock()).sleep,
        reraise=True,
    )
    return retrying(once)


def resteered(event: Event, unit: str, shares: Mapping[str, float]) -> Event:
    """The event with other shares. Raises `UserError`."""
    if unit not in event.steering:
        raise UserError(_unknown("steering", unit, tuple(event.steering)))
    spec = event.steering[unit]
    others = tuple(name for name in spec.targets if name != spec.home)
    for name, share in shares.items():
        if name == spec.home:
            raise UserError(f"{name} is home and gets what the other targets leave: give their shares")
        if name not in others:
            raise UserError(_unknown(f"target of {unit}", name, others))
        if not 0 <= share <= 100:
            raise UserError(f"{name}: a share is within 0 and 100 %, not {share:g}")
    targets = {
        name: one.model_copy(update={"share": shares[name]}) if name in shares else one
        for name, one in spec.targets.items()
    }
    total = sum(targets[name].share or 0.0 for name in others)
    if total > 100:
        raise UserError(f"the shares of {unit} would add up to {total:g} %: lower another's as well")
    made = spec.model_copy(update={"targets": targets})
    return event.model_copy(update={"steering": {**event.steering, unit: made}})


def _unknown(what: str, name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
    return f"no {what} is called {name!r}; {hint}"
