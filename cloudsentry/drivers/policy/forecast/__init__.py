"""Capacity by what came of earlier matches of the same kind, corrected by the load of now."""

from __future__ import annotations

from cloudsentry.drivers.policy.base import PolicyDriver
from cloudsentry.drivers.policy.guards import guarded
from cloudsentry.drivers.policy.target import TargetPolicy
from cloudsentry.drivers.policy.templates import foretold
from cloudsentry.drivers.policy.timetable import reasons, servers_for
from cloudsentry.drivers.policy.trend import coming, doubt, followed
from cloudsentry.records.scaling import Decision, Inputs, Reading, Rule

TRUSTED = 0.92
"""Share of the capacity that the load may fill while earlier matches tell how it goes on."""
FARTHEST = 2.5
"""Times the load of now, the most that is made ready for by its slope: earlier matches tell the rest."""
LINGER = 300.0
"""Seconds beyond a boot for which a server that goes must not be wanted again."""


class ForecastPolicy(PolicyDriver):
    """Follows the templates of earlier matches; where there are too few, or none is near, it is `target`."""

    def decide(self, inputs: Inputs) -> Decision:
        """Enough for what earlier matches let expect while servers ordered now boot, and for the load of now.

        Templates are weighed by how like the last minutes they are, and sized by them: a crowd that is larger than
        announced is expected to stay so. Gives back when the templates say that nobody will need it soon.
        """
        soon = foretold(inputs, inputs.boot) if isinstance(inputs.signal, Reading) else None
        if soon is None:
            return TargetPolicy().decide(inputs)
        load, expected = followed(inputs), coming(inputs, FARTHEST)
        if expected > load and doubt(inputs):
            expected = load
        wanted = max(soon, expected / TRUSTED)
        wish = servers_for(inputs.capacities, wanted)
        if wish < inputs.current:
            later = foretold(inputs, inputs.boot + LINGER) or 0.0
            wish = min(inputs.current, servers_for(inputs.capacities, max(wanted, later)))
        rule: Rule = "steady" if wish == inputs.current else "forecast" if soon >= expected / TRUSTED else "load"
        told = (_told(inputs, load, expected, soon), *reasons(inputs, wanted))
        return guarded(inputs, wish, rule, told, demand=wanted)


def _told(inputs: Inputs, load: float, expected: float, soon: float) -> str:
    assert isinstance(inputs.signal, Reading)
    told = f"{inputs.signal.source}: {load:g} {inputs.signal.unit}"
    if expected > load:
        told += f", rising to {expected:.0f} within a boot"
    return f"{told}; earlier matches let expect {soon:.0f} within a boot"
