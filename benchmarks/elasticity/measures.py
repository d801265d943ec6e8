"""SPEC's measures of elasticity (Herbst et al., "Ready for Rain?", SPEC RG 2016), in servers.

Demand is the fewest servers that answer the crowd, never fewer than the pool's least; supply is what serves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.elasticity.traces import STEP


@dataclass(frozen=True, kw_only=True)
class Elasticity:
    """Shares are of 1; ``jitter`` is changes of supply beyond those of demand, per hour."""

    under_time: float
    over_time: float
    under_amount: float
    """Servers that were missing, as a share of those that were needed."""
    over_amount: float
    """Servers that were too many, as a share of those that were needed."""
    jitter: float
    server_hours: float
    longest_short: float
    """Seconds of the longest time without a break in which servers were missing."""


def measured(demand: np.ndarray, supply: np.ndarray) -> Elasticity:
    """Both in servers, at every `STEP` seconds."""
    missing, spare = np.maximum(0, demand - supply), np.maximum(0, supply - demand)
    hours = len(demand) * STEP / 3600
    changes = int(np.count_nonzero(np.diff(supply))) - int(np.count_nonzero(np.diff(demand)))
    return Elasticity(
        under_time=float(np.mean(missing > 0)),
        over_time=float(np.mean(spare > 0)),
        under_amount=float(missing.sum() / demand.sum()),
        over_amount=float(spare.sum() / demand.sum()),
        jitter=changes / hours,
        server_hours=float(supply.sum() * STEP / 3600),
        longest_short=longest(missing > 0),
    )


def longest(flags: np.ndarray) -> float:
    """Seconds of the longest run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(int), [0]))))
    return float(max((edges[1::2] - edges[::2]), default=0) * STEP)


def settled_after(demand: np.ndarray, supply: np.ndarray, start: float, within: float, slack: int) -> float:
    """Seconds from ``start`` until supply is neither short nor more than ``slack`` servers too many for 2 minutes.

    Looks no further than ``within`` seconds; infinite where it does not happen.
    """
    first, last = int(start / STEP), int((start + within) / STEP)
    fine = (supply[first:last] >= demand[first:last]) & (supply[first:last] <= demand[first:last] + slack)
    for index in range(len(fine) - 12):
        if fine[index : index + 12].all():
            return float(index * STEP)
    return math.inf
