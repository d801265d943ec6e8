"""A pool whose servers take minutes to come, and who decides how many there are: the same world for everybody."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from benchmarks.elasticity.traces import FIRST, PER_SERVER, STEP, Trace
from cloudsentry import loading
from cloudsentry.drivers.policy.templates import belongs
from cloudsentry.journal.courses import blank, filled, noted
from cloudsentry.records.scaling import Course, Demand, Inputs, Reading, Sample
from cloudsentry.scaling.gathering import RECENT
from cloudsentry.scaling.leads import BOOT_LEAST, BOOT_UNKNOWN, percentile

LEAST, MOST = 3, 60
TICK = 30
"""Seconds from one decision to the next."""
BOOT = (60.0, 240.0)
"""Seconds that a server takes until it serves, evenly between."""
FAR = dt.timedelta(hours=2)
"""How far from now a match may be that a policy is told of: none looks further, and 48 matches cost time."""
CAPACITIES = tuple(PER_SERVER * servers for servers in range(MOST + 1))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What can be known at a moment; nothing of it is of the future."""

    second: float
    load: float
    """Requests per second over the last minute, with what the measurement adds."""
    genuine: float
    """What of it clients asked that behave as people do, where somebody counts them."""
    ordered: int
    serving: int
    real: float = 0.0
    """Requests per second of clients at this very moment, which nobody can know; for the bound only."""
    boots: tuple[float, ...] = ()
    """Seconds that the newest orders took until their last server served."""


class Scaler(Protocol):
    """Who decides."""

    name: str

    def decide(self, seen: Seen) -> int:
        """How many servers there should be."""


@dataclass
class Pool:
    """Servers that serve, and those that come: each after its own time."""

    rng: np.random.Generator
    serving: int = LEAST
    coming: list[float] = field(default_factory=list)
    orders: list[tuple[float, float]] = field(default_factory=list)
    """(when, until) of every order."""

    @property
    def ordered(self) -> int:
        """Those that serve and those that come."""
        return self.serving + len(self.coming)

    def forward(self, second: float) -> None:
        """Those that are ready serve."""
        ready = sum(moment <= second for moment in self.coming)
        if ready:
            self.coming = [moment for moment in self.coming if moment > second]
            self.serving += ready

    def set(self, servers: int, second: float) -> None:
        """Order, or let go; what has not come yet goes first."""
        more = servers - self.ordered
        if more > 0:
            boots = [second + float(boot) for boot in self.rng.uniform(*BOOT, more)]
            self.coming += boots
            self.orders.append((second, max(boots)))
        for _ in range(-more):
            if self.coming:
                self.coming.pop()
            else:
                self.serving -= 1

    def boots(self, second: float) -> tuple[float, ...]:
        """Seconds that the newest orders took which are ready by now; as many as the journal's newest runs."""
        return tuple(until - when for when, until in self.orders[-60:] if until <= second)[-50:]


class Production:
    """A policy of the product behind the inputs that `event tick` gives it.

    As in the product, decisions go on while servers boot.
    """

    def __init__(self, policy: str, trace: Trace, *, witness: bool = False, name: str = "") -> None:
        self.name = name or policy
        self._policy = loading.load("cloudsentry.policy", policy)()
        self._trace, self._witness = trace, witness
        self._recent: list[Sample] = []
        self._past = {demand.name: blank(demand) for demand in trace.demands}
        self._courses: tuple[Course, ...] = ()
        self._changed: dt.datetime | None = None

    def decide(self, seen: Seen) -> int:
        """The policy's decision."""
        now = FIRST + dt.timedelta(seconds=seen.second)
        near = tuple(one for one in self._trace.demands if one.begins - FAR <= now <= one.ends + FAR)
        self._remember(now, near)
        wanted: int = self._policy.decide(self._inputs(seen, now, near)).wanted
        sample = Sample(at=now, value=seen.load)
        self._recent = [old for old in self._recent if (now - old.at).total_seconds() < RECENT] + [sample]
        on = [one for one in near if one.begins <= now <= one.ends]
        for demand in on:
            if demand.name in self._past:
                noted(self._past[demand.name], demand, now, belongs(sample, demand, on) or 0.0)
        if wanted != seen.ordered:
            self._changed = now
        return wanted

    def _remember(self, now: dt.datetime, near: tuple[Demand, ...]) -> None:
        """Make courses of what is over."""
        for demand in near:
            if demand.name in self._past and demand.ends < now:
                shares = filled(self._past.pop(demand.name))
                if shares is not None:
                    shape = {"start": demand.start, "length": demand.length, "ramp": demand.ramp}
                    self._courses += (Course(match=demand.name, kind=demand.kind, shares=shares, **shape),)

    def _inputs(self, seen: Seen, now: dt.datetime, near: tuple[Demand, ...]) -> Inputs:
        signal = Reading(value=seen.load, unit="requests/s", source="trace")
        genuine = Reading(value=seen.genuine, unit="requests/s", source="trace") if self._witness else None
        return Inputs(
            event="benchmark",
            pool="front",
            now=now,
            current=seen.ordered,
            least=LEAST,
            most=MOST,
            capacities=CAPACITIES,
            step=8,
            cooldown=120,
            ahead=180,
            boot=max(BOOT_LEAST, percentile(seen.boots, 0.99)) if seen.boots else BOOT_UNKNOWN,
            utilisation=0.85,
            demands=near,
            signal=signal,
            witness=genuine,
            recent=tuple(self._recent),
            courses=self._courses,
            changed=self._changed,
        )


def play(trace: Trace, scaler: Scaler, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(demand, supply) in servers at every step; the scaler sees a minute's mean of what has come so far."""
    rng = np.random.default_rng(seed)
    pool = Pool(np.random.default_rng(seed + 1))
    whole = trace.load if trace.flood is None else trace.load + trace.flood
    noise = rng.normal(1, 0.02, len(whole))
    window = 60 // STEP
    supply = np.zeros(len(whole), dtype=int)
    for index in range(len(whole)):
        second = float(index * STEP)
        pool.forward(second)
        if index and second % TICK == 0:
            past = slice(max(0, index - window), index)
            seen = Seen(
                second=second,
                load=float(whole[past].mean() * noise[index]),
                genuine=float(trace.load[past].mean() * noise[index]),
                ordered=pool.ordered,
                serving=pool.serving,
                real=float(trace.load[index]),
                boots=pool.boots(second),
            )
            pool.set(max(LEAST, min(MOST, scaler.decide(seen))), second)
        supply[index] = pool.serving
    demand = np.clip(np.ceil(trace.load / PER_SERVER), LEAST, MOST).astype(int)
    return demand, supply
