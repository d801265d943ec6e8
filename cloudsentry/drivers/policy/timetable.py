"""What the timetable asks for, and when its windows are."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from cloudsentry.drivers.policy.trend import LASTING, most_lately
from cloudsentry.records.scaling import Demand, Inputs, Missing, Reading

ARRIVED = 300.0
"""Seconds from a match's start until the load tells how large its crowd is."""
RESERVE = 2.0
"""Times the load of now that is kept for a finale, never more than was announced; chosen on other seeds than those
that are reported."""


def peak(demands: Sequence[Demand], first: dt.datetime, last: dt.datetime) -> float:
    """The most requests per second at once from ``first`` to ``last``; crowds of matches that overlap add up.

    Exact: the sum is a straight line between the demands' bends, so its highest point is at one of them or an end.
    """
    demands = [demand for demand in demands if demand.begins <= last and demand.ends >= first]
    moments = {first, last, *(bend for demand in demands for bend in demand.bends if first < bend < last)}
    return max(sum(demand.at(moment) for demand in demands) for moment in moments)


def servers_for(capacities: Sequence[float], load: float) -> int:
    """The fewest servers that answer ``load``; as many as there can be where even they do not."""
    enough = (servers for servers, answers in enumerate(capacities) if answers >= load * (1 - 1e-9))
    return next(enough, len(capacities) - 1)


def lost(inputs: Inputs) -> int:
    """Servers on hypervisors that do not answer: they count for nothing until they do."""
    return inputs.signal.lost if isinstance(inputs.signal, Reading | Missing) else 0


def notice(inputs: Inputs) -> dt.timedelta:
    """How far before the crowd a decision must fall: boots, and the time by which the servers are ready before it."""
    return dt.timedelta(seconds=inputs.ahead + inputs.boot)


def floor(inputs: Inputs) -> float:
    """As `needed`, but a match that is on is believed to be no larger than its crowd turned out to be.

    What it turned out to be is the most load of the last `LASTING` seconds; for a finale `RESERVE` times as much is
    kept. A match counts as on `ARRIVED` seconds after its start; those still to come keep what was announced.
    """
    lasting = most_lately(inputs)
    arrived = inputs.now - dt.timedelta(seconds=ARRIVED)
    on = [demand for demand in inputs.demands if demand.start <= arrived and inputs.now <= demand.ends]
    announced = peak(on, inputs.now - dt.timedelta(seconds=LASTING), inputs.now)
    if lasting is None or not announced:
        return needed(inputs)
    ends = inputs.now + notice(inputs)
    bursts = any(demand.finale and demand.start + _before_finale(demand) <= ends for demand in on)
    share = min(1.0, lasting * (RESERVE if bursts else 1.0) / announced)
    believed = [dataclasses.replace(one, peak=one.peak * share) if one in on else one for one in _near(inputs, ends)]
    return peak(believed, inputs.now, ends)


def _near(inputs: Inputs, last: dt.datetime) -> list[Demand]:
    return [demand for demand in inputs.demands if demand.begins <= last and inputs.now <= demand.ends]


def _before_finale(demand: Demand) -> dt.timedelta:
    return dt.timedelta(seconds=demand.length - demand.finale)


def needed(inputs: Inputs, further: float = 0.0) -> float:
    """Requests per second for which servers must be ordered now; ``further`` looks as many seconds beyond that."""
    return peak(inputs.demands, inputs.now, inputs.now + notice(inputs) + dt.timedelta(seconds=further))


def open_windows(inputs: Inputs) -> tuple[Demand, ...]:
    """The matches whose windows are open: from the moment their first servers must be ordered to the last client."""
    return tuple(demand for demand in inputs.demands if demand.begins - notice(inputs) <= inputs.now <= demand.ends)


def reasons(inputs: Inputs, demand: float) -> tuple[str, ...]:
    """What the timetable says, in sentences."""
    windows = open_windows(inputs)
    if not windows:
        return ("no match is near",)
    told = [f"{window.name}: {window.peak:g} requests/s from {window.start:%Y-%m-%d %H:%M} UTC" for window in windows]
    told.append(f"servers ordered now must carry {demand:g} requests/s")
    if demand > inputs.capacities[-1] * (1 + 1e-9):
        told.append(f"even {len(inputs.capacities) - 1} servers answer {inputs.capacities[-1]:g} only")
    return tuple(told)


def alarms(inputs: Inputs) -> tuple[str, ...]:
    """Matches that cannot be ready ``ahead`` seconds before their first clients, or at all, in sentences.

    A crowd that is too large is told from the first day on; one that is too near while too few servers are ordered.
    """
    told = []
    for demand in inputs.demands:
        if demand.start <= inputs.now:
            continue
        most, pool = inputs.capacities[-1], inputs.pool
        if demand.peak > most * (1 + 1e-9):
            told.append(f"{demand.name}: {demand.peak:g} requests/s are expected, {pool} answers {most:g} at most")
        left = (demand.start - inputs.now).total_seconds() - inputs.ahead
        short = servers_for(inputs.capacities, demand.peak) - inputs.current
        if short > 0 and left < inputs.boot:
            late, boot = inputs.boot - left, inputs.boot
            told.append(f"{demand.name}: {short} servers of {pool} will be {late:.0f} s late: they take {boot:.0f} s")
    return tuple(told)
