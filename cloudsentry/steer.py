"""The hall's floor for steering: which share of the clients goes where, and shares set by hand.

New shares are a new revision of the event. Writers that come at once take turns, and each one's shares hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloudsentry import turns
from cloudsentry.errors import UserError
from cloudsentry.executor import Clock
from cloudsentry.records.plans import Plan
from cloudsentry.records.reports import Listener, Report, SteerLine, silent
from cloudsentry.spec.event import Event

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry


def steering(sentry: Sentry, name: str) -> tuple[SteerLine, ...]:
    """Every target of an event's steerings: wanted share and the one that its means give. Writes nothing."""
    return sentry.status(name).steers


def proposed(sentry: Sentry, name: str, unit: str, shares: Mapping[str, float]) -> tuple[Event, int]:
    """The event that `set_shares` would apply now, and the revision that it is made from. Raises `UserError`."""
    return turns.proposed(sentry, name, lambda event: resteered(event, unit, shares))


def planned(sentry: Sentry, name: str, unit: str, shares: Mapping[str, float]) -> Plan:
    """What `set_shares` would do now. Raises `UserError`, and as `Sentry.plan`."""
    return sentry.plan(proposed(sentry, name, unit, shares)[0])


def set_shares(
    sentry: Sentry,
    name: str,
    unit: str,
    shares: Mapping[str, float],
    *,
    wait: float = turns.WAIT,
    clock: Clock | None = None,
    listen: Listener = silent,
) -> Report:
    """The targets named in ``shares`` get these percents of the clients, home what all leave; no other change is lost.

    Raises `UserError` for a name that is not there (with the nearest) and for shares that cannot be, `Owned` or
    `PlanStale` where no turn came within ``wait`` seconds, and as `Sentry.apply`.
    """
    return turns.taken(
        sentry, name, lambda event: resteered(event, unit, shares), wait=wait, clock=clock, listen=listen
    )


def resteered(event: Event, unit: str, shares: Mapping[str, float]) -> Event:
    """The event with other shares. Raises `UserError`."""
    if unit not in event.steering:
        raise turns.unknown("steering", unit, event.steering)
    spec = event.steering[unit]
    others = tuple(name for name in spec.targets if name != spec.home)
    for name, share in shares.items():
        if name == spec.home:
            raise UserError(f"{name} is home and gets what the other targets leave: give their shares")
        if name not in others:
            raise turns.unknown(f"target of {unit}", name, others)
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
