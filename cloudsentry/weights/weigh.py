"""The hall's floor for weights: what each member's weight is and why, and weights set by hand.

New weights are a new revision of the event. Writers that come at once take turns, and each one's weights hold.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudsentry import turns
from cloudsentry.errors import UserError
from cloudsentry.executor import Clock
from cloudsentry.measured import Reason, is_measured, reasons
from cloudsentry.records.reports import BalancerLine, Listener, Report, ServerLine, Status, silent
from cloudsentry.spec.event import BalancerSpec, Event, Pin
from cloudsentry.spec.event import unit_of as unit_of

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

WEIGHT_MOST = 256
"""Octavia's and HAProxy's range; `cloudsentry.spec.event.Weight` has the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightLine:
    """One member of a balancer. ``share`` is its part of new requests in percent, None where no member has weight.

    ``wanted`` is None for a member that the event does not ask for.
    """

    balancer: str
    server: str
    address: str
    weight: int
    wanted: int | None
    share: float | None
    why: str
    unit: str = ""


def weights(sentry: Sentry, name: str) -> tuple[WeightLine, ...]:
    """Every member of an event's balancers, by balancer and address. Raises `UserError`, or `DriverError`."""
    event, _ = sentry.event(name)
    status = sentry.status(name)
    lines = [line for balancer in status.balancers for line in _lines(event, balancer, status)]
    if is_measured(event):
        lines = _measured(event, lines, sentry.settings.journal.connection)
    return tuple(sorted(lines, key=lambda line: (line.balancer, line.address)))


def set_weights(
    sentry: Sentry,
    name: str,
    balancer: str,
    wanted: Mapping[str, int],
    *,
    wait: float = turns.WAIT,
    clock: Clock | None = None,
    listen: Listener = silent,
) -> Report:
    """The units named in ``wanted`` have these weights, and no other writer's change is lost.

    Raises `UserError` for a name that is not there (with the nearest) and for a weight that cannot be, `Owned` or
    `PlanStale` where no turn came within ``wait`` seconds, and as `Sentry.apply`.
    """
    return turns.taken(
        sentry, name, lambda event: reweighed(event, balancer, wanted), wait=wait, clock=clock, listen=listen
    )


def proposed(sentry: Sentry, name: str, balancer: str, wanted: Mapping[str, int]) -> tuple[Event, int]:
    """The event that `set_weights` would apply now, and the revision that it is made from. Raises `UserError`."""
    return turns.proposed(sentry, name, lambda event: reweighed(event, balancer, wanted))


def reweighed(event: Event, balancer: str, wanted: Mapping[str, int]) -> Event:
    """The event with other weights; a pool's hold behind every balancer that it serves. Raises `UserError`."""
    if balancer not in event.balancers:
        raise turns.unknown("balancer", balancer, event.balancers)
    spec = event.balancers[balancer]
    known = tuple(unit for unit, _ in _pins(event, spec))
    for unit, weight in wanted.items():
        if unit not in known:
            raise turns.unknown(f"unit behind balancer {balancer}", unit, known)
        if not 0 <= weight <= WEIGHT_MOST:
            raise UserError(f"{unit}: a weight is within 0 and {WEIGHT_MOST}, not {weight}")
    pools = dict(event.pools)
    for part in spec.members:
        pins = [
            pin.model_copy(update={"weight": wanted.get(unit_of(part.pool, pin), pin.weight)})
            for pin in event.pools[part.pool].pins
        ]
        pools[part.pool] = event.pools[part.pool].model_copy(update={"pins": pins})
    made = event.model_copy(update={"pools": pools, "balancers": _untuned(event, tuple(wanted))})
    if not any(pin.weight for _, pin in _pins(made, spec) if pin.count):
        raise UserError(f"balancer {balancer} would have no member with a weight: nobody would be served")
    return made


def _untuned(event: Event, units: tuple[str, ...]) -> dict[str, BalancerSpec]:
    """The balancers without what was found for these units: a person's word comes first."""
    made = {}
    for name, spec in event.balancers.items():
        kept = {unit: one for unit, one in (spec.tuned or {}).items() if not unit.startswith(units)}
        made[name] = spec.model_copy(update={"tuned": kept or None}) if spec.tuned else spec
    return made


def full_weights(event: Event, balancer: str, units: Mapping[str, str]) -> dict[str, int]:
    """By unit that has servers (``units`` says whose each is), the weight that its pin says behind a balancer."""
    pins = dict(_pins(event, event.balancers[balancer]))
    found = {}
    for unit in set(units.values()):
        pin = next((name for name in pins if unit == name or unit.startswith(f"{name}:")), None)
        if pin is not None:
            found[unit] = pins[pin].weight
    return found


def _pins(event: Event, spec: BalancerSpec) -> list[tuple[str, Pin]]:
    return [(unit_of(part.pool, pin), pin) for part in spec.members for pin in event.pools[part.pool].pins]


def _lines(event: Event, balancer: BalancerLine, status: Status) -> list[WeightLine]:
    spec = event.balancers.get(balancer.unit)
    pins = dict(_pins(event, spec)) if spec else {}
    pools = {part.pool for part in spec.members} if spec else set()
    servers = {line.address: line for line in status.servers if line.unit.split("@")[0] in pools}
    total = sum(weight for _, weight, _ in balancer.members)
    lines = [
        WeightLine(
            balancer=balancer.unit,
            server=servers[address].name if address in servers else "",
            address=address,
            weight=weight,
            wanted=None,
            share=round(100 * weight / total, 2) if total else None,
            why="",
        )
        for address, weight, _ in balancer.members
    ]
    return [_explained(event, line, servers.get(line.address), pins) for line in lines]


def _measured(event: Event, lines: list[WeightLine], journal: str) -> list[WeightLine]:
    """The same lines; behind balancers with measured weights each says from what its number comes."""
    known: dict[str, Reason] = {}
    lost = ""
    try:
        known = reasons(event, journal)
    except UserError as error:
        lost = str(error)
    return [_with_reason(event, line, known, lost) for line in lines]


def _with_reason(event: Event, line: WeightLine, known: Mapping[str, Reason], lost: str) -> WeightLine:
    spec = event.balancers.get(line.balancer)
    unit = next((unit for unit in known if line.unit == unit or line.unit.startswith(f"{unit}:")), None)
    if spec is None or spec.weights != "measured" or line.wanted is None:
        return line
    if unit is None:
        return dataclasses.replace(line, why=f"{line.why}; {lost}" if lost else line.why)
    pin = dict(_pins(event, spec))[unit]
    newer = "" if known[unit].weight == pin.weight else f"; now it would be {known[unit].weight}: apply the file again"
    return dataclasses.replace(line, why=f"{line.why}; {known[unit]}{newer}")


def _explained(event: Event, line: WeightLine, server: ServerLine | None, pins: Mapping[str, Pin]) -> WeightLine:
    if server is None:
        return dataclasses.replace(line, why="none of the event's servers: left alone")
    line = dataclasses.replace(line, unit=server.unit)
    unit = next((name for name in pins if server.unit == name or server.unit.startswith(f"{name}:")), None)
    if unit is None:
        return dataclasses.replace(line, why=f"no pin {server.unit} in the event: it leaves")
    spec = event.balancers[line.balancer]
    wanted = spec.weight_of(unit.split("@")[0], server.unit, pins[unit].weight)
    tuned = (spec.tuned or {}).get(server.unit)
    if tuned is not None and line.weight == wanted:
        return dataclasses.replace(line, wanted=wanted, why=f"pin {unit} says {pins[unit].weight}; {tuned.why}")
    if line.weight == wanted < pins[unit].weight:
        why = f"pin {unit} says {pins[unit].weight}; `weights follow` gives it more, once the pool's path is tried"
        why += " or by and by"
    elif line.weight == wanted:
        why = f"the weight of pin {unit}"
    elif line.weight == 0:
        why = f"drained; pin {unit} says {wanted}"
    else:
        why = f"pin {unit} says {wanted}: changed by hand, or not yet applied"
    return dataclasses.replace(line, wanted=wanted, why=why)
