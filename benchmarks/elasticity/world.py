"""A pool whose servers take minutes to come, and who decides how many there are: the same world for everybody."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from benchmarks.elasticity.traces import FIRST, PER_SERVER, STEP, Trace
from cloudsentry import loading
from cloudsentry.records.scaling import Inputs, Reading, Sample
from cloudsentry.scale import BOOT_LEAST, BOOT_UNKNOWN, RECENT

LEAST, MOST = 3, 60
TICK = 30
"""Seconds from one decision to the next."""
BOOT = (60.0, 240.0)
"""Seconds that a server takes until it serves, evenly between."""
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
            self.coming += [second + float(boot) for boot in self.rng.uniform(*BOOT, more)]
        for _ in range(-more):
            if self.coming:
                self.coming.pop()
            else:
                self.serving -= 1


class Production:
    """A policy of the product behind the inputs that `event tick` gives it.

    As in the product, one run is under way at a time: until its last server serves, nothing else is decided.
    """

    def __init__(self, policy: str, trace: Trace, *, witness: bool = False, waits: bool = True, name: str = "") -> None:
        self.name = name or policy
        self._policy = loading.load("cloudsentry.policy", policy)()
        self._trace, self._witness, self._waits = trace, witness, waits
        self._recent: list[Sample] = []
        self._runs: list[float] = []
        self._began: float | None = None
        self._changed: dt.datetime | None = None

    def decide(self, seen: Seen) -> int:
        """The policy's decision, unless a run is under way."""
        now = FIRST + dt.timedelta(seconds=seen.second)
        if self._began is not None:
            if seen.serving < seen.ordered and self._waits:
                return seen.ordered
            self._runs.append(seen.second - self._began)
            self._began = None
        wanted: int = self._policy.decide(self._inputs(seen, now)).wanted
        self._recent = [old for old in self._recent if (now - old.at).total_seconds() < RECENT]
        self._recent.append(Sample(at=now, value=seen.load))
        if wanted != seen.ordered:
            self._changed = now
            self._began = seen.second if wanted > seen.ordered else None
        return wanted

    def _inputs(self, seen: Seen, now: dt.datetime) -> Inputs:
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
            ahead=300,
            boot=self._boot(),
            utilisation=0.85,
            demands=self._trace.demands,
            signal=signal,
            witness=genuine,
            recent=tuple(self._recent),
            changed=self._changed,
        )

    def _boot(self) -> float:
        took = sorted(self._runs[-50:])  # as many runs as the journal's newest
        return max(BOOT_LEAST, took[math.ceil(0.99 * len(took)) - 1]) if took else BOOT_UNKNOWN


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
            )
            pool.set(max(LEAST, min(MOST, scaler.decide(seen))), second)
        supply[index] = pool.serving
    demand = np.clip(np.ceil(trace.load / PER_SERVER), LEAST, MOST).astype(int)
    return demand, supply
