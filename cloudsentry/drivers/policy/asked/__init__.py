"""Capacity by somebody's call: an alarm, a hook."""

from __future__ import annotations

from cloudsentry.drivers.policy.base import PolicyDriver
from cloudsentry.drivers.policy.guards import guarded
from cloudsentry.drivers.policy.timetable import needed, reasons, servers_for
from cloudsentry.records.scaling import Ask, Decision, Inputs, Rule


class AskedPolicy(PolicyDriver):
    """Does what was asked for, within the same guards as any other policy."""

    def decide(self, inputs: Inputs) -> Decision:
        """The wish, but never below the timetable; without an ask what there is."""
        demand = needed(inputs)
        floor = servers_for(inputs.capacities, demand)
        ask = inputs.ask or Ask(by=0)
        wish = ask.wish(inputs.current)
        rule: Rule = "asked" if wish >= floor else "calendar"
        told = (f"{ask.source or 'a call'} asks for {_told(ask)}, {wish} servers", *reasons(inputs, demand))
        return guarded(inputs, max(wish, floor), rule, told, demand=demand)


def _told(ask: Ask) -> str:
    return f"{ask.to} in all" if ask.to is not None else f"{ask.by or 0:+d}"
