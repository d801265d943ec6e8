"""A plan: what would be done, in which order, each with its why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cloudsentry.records.orders import Order

Family = Literal["pool", "balancer", "stretch", "steering"]
Action = Literal["create", "change", "remove"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One order to one driver.

    ``id`` is the same for the same wish, so that plans compare byte for byte. ``after`` are the ids of
    steps that must be *done* first; ``behind`` of steps that must have *ended*, done or not, as weights
    wait for servers: what came up serves.
    """

    id: str
    unit: str
    family: Family
    driver: str
    cloud: str
    verb: str
    action: Action
    subject: Order
    after: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Something is not as the event wants it. ``what`` is one line for people."""

    unit: str
    cloud: str
    kind: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The difference between an event and a snapshot. No steps: nothing to do.

    ``digest`` is over event and steps: a saved plan is stale when planning anew gives another one.
    """

    event: str
    goal: Literal["apply", "destroy"]
    revision: str
    steps: tuple[Step, ...] = ()
    drift: tuple[Drift, ...] = ()
    wanted: int = 0
    digest: str = ""
