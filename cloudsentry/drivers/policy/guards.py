"""What holds for every policy: bounds, steps, cool-down, and when servers may go."""

from __future__ import annotations

import datetime as dt

from cloudsentry.drivers.policy.timetable import open_windows, servers_for
from cloudsentry.drivers.policy.trend import doubt, followed, most_lately
from cloudsentry.records.scaling import Decision, Inputs, Missing, Reading, Rule


def guarded(
    inputs: Inputs, wish: int, rule: Rule, reasons: tuple[str, ...], *, demand: float | None = None
) -> Decision:
    """The decision that a policy's wish becomes.

    Growing is never delayed inside a match's window; outside of one it is while the load may be no crowd. Servers go
    only when: no window is open, unless the timetable itself no longer needs them, or ten minutes of readings show
    that nobody does; the signal, where there is one, answers; what is left carries the load with one
    server less; the last change is a cool-down ago; and no call has brought servers that are still held.
    """
    bounded = _bounded(inputs, wish)
    if bounded != wish:
        rule, reasons = "bounds", (*reasons, _told_bounds(inputs, wish))
    if bounded > inputs.current:
        return _growing(inputs, bounded, rule, reasons, demand)
    if bounded < inputs.current:
        return _shrinking(inputs, bounded, rule, reasons, demand)
    # Fewer wished than there must be, and so many there are: the everyday between matches, not worth a rule.
    return Decision(wanted=bounded, rule="steady" if wish < bounded else rule, demand=demand, reasons=reasons)


def _bounded(inputs: Inputs, wish: int) -> int:
    return max(min(wish, inputs.most, len(inputs.capacities) - 1), min(inputs.least, len(inputs.capacities) - 1))


def _told_bounds(inputs: Inputs, wish: int) -> str:
    if wish < inputs.least:
        return f"{wish} would be fewer than at least {inputs.least}"
    if wish > inputs.most:
        return f"{wish} would be more than at most {inputs.most}"
    return f"{wish} would be more than the pins hold, {len(inputs.capacities) - 1}"


def _growing(inputs: Inputs, wish: int, rule: Rule, reasons: tuple[str, ...], demand: float | None) -> Decision:
    least = _bounded(inputs, 0)
    if open_windows(inputs) or inputs.current < least:
        return Decision(wanted=wish, rule=rule, demand=demand, reasons=reasons)
    why = doubt(inputs)
    if rule == "load" and not why and inputs.signal is not None:
        return Decision(wanted=wish, rule=rule, demand=demand, reasons=reasons)
    if rule == "load" and why:
        rule, reasons = "doubt", (*reasons, f"the load may be no crowd: {why}")
    if (left := _cooling(inputs)) > 0:
        return _held(
            inputs, "cooldown", demand, (*reasons, f"no match is near: {left:.0f} s of the cool-down are left")
        )
    if wish > inputs.current + inputs.step:
        reasons = (*reasons, f"no match is near: {inputs.step} servers at a time")
    return Decision(wanted=min(wish, inputs.current + inputs.step), rule=rule, demand=demand, reasons=reasons)


def _shrinking(inputs: Inputs, wish: int, rule: Rule, reasons: tuple[str, ...], demand: float | None) -> Decision:
    top = min(inputs.most, len(inputs.capacities) - 1)
    if inputs.current > top:
        why = (*reasons, f"{inputs.current} servers are more than at most {top}")
        return Decision(wanted=top, rule="bounds", demand=demand, reasons=why)
    if isinstance(inputs.signal, Missing):
        return _held(inputs, "missing", demand, (*reasons, f"{told_missing(inputs.signal)}: nothing is taken away"))
    windows = open_windows(inputs)
    proven = inputs.ask is None and rule in ("load", "bounds") and most_lately(inputs) is not None
    if windows and rule in ("load", "asked", "bounds") and not proven:
        names = ", ".join(window.name for window in windows)
        return _held(inputs, "window", demand, (*reasons, f"nothing is taken away in the window of {names}"))
    if inputs.ask is None and (left := _left(inputs, inputs.called, inputs.hold)) > 0:
        return _held(inputs, "asked", demand, (*reasons, f"a call brought servers: kept for {left:.0f} s more"))
    if (left := _cooling(inputs)) > 0:
        return _held(inputs, "cooldown", demand, (*reasons, f"{left:.0f} s of the cool-down are left"))
    spare = _with_one_less(inputs)
    if spare > wish:
        rule, reasons = "spare", (*reasons, f"{spare} servers carry the load of now with one server less")
    wanted = max(wish, spare, inputs.current - inputs.step)
    if wanted >= inputs.current:
        return _held(inputs, rule, demand, reasons)
    return Decision(wanted=wanted, rule=rule, demand=demand, reasons=reasons)


def _with_one_less(inputs: Inputs) -> int:
    """Servers that carry the load of now when one of them fails; 0 without a signal."""
    if not isinstance(inputs.signal, Reading) or inputs.signal.value <= 0:
        return 0
    return servers_for(inputs.capacities, followed(inputs)) + 1


def _cooling(inputs: Inputs) -> float:
    """Seconds of the cool-down that are left."""
    return _left(inputs, inputs.changed, inputs.cooldown)


def _left(inputs: Inputs, since: dt.datetime | None, seconds: float) -> float:
    """What is left of so many seconds since a moment."""
    if since is None:
        return 0.0
    return max(0.0, (since + dt.timedelta(seconds=seconds) - inputs.now).total_seconds())


def _held(inputs: Inputs, rule: Rule, demand: float | None, reasons: tuple[str, ...]) -> Decision:
    return Decision(wanted=inputs.current, rule=rule, demand=demand, reasons=reasons)


def told_missing(signal: Missing) -> str:
    """A missing signal as a sentence's first half."""
    return f"{signal.source} tells no load ({signal.why})"
