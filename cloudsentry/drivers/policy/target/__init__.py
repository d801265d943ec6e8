"""Capacity by the load of now, on top of the timetable."""

from __future__ import annotations

from cloudsentry.drivers.policy.base import PolicyDriver
from cloudsentry.drivers.policy.guards import guarded, told_missing
from cloudsentry.drivers.policy.timetable import needed, reasons, servers_for
from cloudsentry.records.scaling import Decision, Inputs, Reading, Rule


class TargetPolicy(PolicyDriver):
    """Keeps the measured load at a share of the capacity; a timetable is what there is at least."""

    def decide(self, inputs: Inputs) -> Decision:
        """The larger of what the load and the timetable need; without a reading at least what there is."""
        demand = needed(inputs)
        floor = servers_for(inputs.capacities, demand)
        signal = inputs.signal
        if not isinstance(signal, Reading):
            why = told_missing(signal) if signal else "there is no signal"
            rule: Rule = "calendar" if floor > inputs.current else "missing"
            told = (*reasons(inputs, demand), f"{why}: the capacity is held")
            return guarded(inputs, max(floor, inputs.current), rule, told, demand=demand)
        load = signal.value / inputs.utilisation
        wish = max(floor, servers_for(inputs.capacities, load))
        rule = "steady" if wish == inputs.current else "calendar" if wish == floor > inputs.current else "load"
        told = (
            f"{signal.source}: {signal.value:g} {signal.unit}, for which {load:g} are wanted",
            *reasons(inputs, demand),
        )
        return guarded(inputs, wish, rule, told, demand=max(demand, load))
