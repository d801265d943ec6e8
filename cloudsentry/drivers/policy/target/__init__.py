"""Capacity by the load of now and its rise, on top of the timetable."""

from __future__ import annotations

from cloudsentry.drivers.policy.base import PolicyDriver
from cloudsentry.drivers.policy.guards import guarded, told_missing
from cloudsentry.drivers.policy.timetable import floor, lost, needed, reasons, servers_for
from cloudsentry.drivers.policy.trend import coming, doubt, followed, most_lately
from cloudsentry.records.scaling import Decision, Inputs, Reading, Rule


class TargetPolicy(PolicyDriver):
    """Keeps the load at a share of the capacity; a timetable is what there is at least until its crowd is there."""

    def decide(self, inputs: Inputs) -> Decision:
        """The larger of what the load and the timetable need; without a reading at least what there is.

        Grows for the load that is to be expected when new servers serve; gives back what was not needed for the
        last ten minutes, also of what the timetable had announced.
        """
        if not isinstance(inputs.signal, Reading):
            return _blind(inputs)
        load, expected = followed(inputs), coming(inputs)
        if expected > load and doubt(inputs):
            expected = load
        demand = floor(inputs)
        least = servers_for(inputs.capacities, demand)
        wish = max(least, servers_for(inputs.capacities, expected / inputs.utilisation))
        if wish < inputs.current:
            lately = max(most_lately(inputs) or load, expected) / inputs.utilisation
            wish = min(inputs.current, max(least, servers_for(inputs.capacities, lately)))
        rule: Rule = "steady" if wish == inputs.current else "calendar" if wish == least > inputs.current else "load"
        wanted = expected / inputs.utilisation
        told = (_told(inputs, load, expected), *reasons(inputs, demand), *_corrected(inputs, demand))
        return guarded(inputs, wish, rule, told, demand=max(demand, wanted))


def _blind(inputs: Inputs) -> Decision:
    demand = needed(inputs)
    least = servers_for(inputs.capacities, demand) + lost(inputs)
    signal = inputs.signal
    why = "there is no signal" if signal is None or isinstance(signal, Reading) else told_missing(signal)
    rule: Rule = "calendar" if least > inputs.current else "missing"
    told = (*reasons(inputs, demand), f"{why}: the capacity is held")
    return guarded(inputs, max(least, inputs.current), rule, told, demand=demand)


def _told(inputs: Inputs, load: float, expected: float) -> str:
    assert isinstance(inputs.signal, Reading)
    signal = inputs.signal
    told = f"{signal.source}: {signal.value:g} {signal.unit}"
    if load < signal.value:
        told += f", of which {load:g} are borne out by the witness"
    if expected > load:
        told += f", rising to {expected:.0f} within a boot"
    return f"{told}, for which {expected / inputs.utilisation:g} are wanted"


def _corrected(inputs: Inputs, demand: float) -> tuple[str, ...]:
    announced = needed(inputs)
    if demand >= announced:
        return ()
    return (f"{announced:g} requests/s were announced, but the crowd is there and is smaller",)
