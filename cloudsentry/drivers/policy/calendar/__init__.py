"""Capacity by the timetable alone."""

from __future__ import annotations

from cloudsentry.drivers.policy.base import PolicyDriver
from cloudsentry.drivers.policy.guards import guarded
from cloudsentry.drivers.policy.timetable import lost, needed, reasons, servers_for
from cloudsentry.records.scaling import Decision, Inputs, Rule


class CalendarPolicy(PolicyDriver):
    """Climbs the timetable's ladder ahead of the crowd, and steps down behind it."""

    def decide(self, inputs: Inputs) -> Decision:
        """Enough for the most that comes until servers ordered now have been ready for ``ahead`` seconds.

        Steps down only to what is enough for a cool-down longer, so that a server never goes to come back at once.
        """
        demand = needed(inputs)
        wish = servers_for(inputs.capacities, demand) + lost(inputs)
        if wish < inputs.current:
            wish = min(inputs.current, servers_for(inputs.capacities, needed(inputs, inputs.cooldown)) + lost(inputs))
        rule: Rule = "steady" if wish == inputs.current else "calendar"
        return guarded(inputs, wish, rule, reasons(inputs, demand), demand=demand)
