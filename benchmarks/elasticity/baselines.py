"""What others do, from their documentation: they see the load, and no timetable.

None of them waits for servers that boot; each counts them as the original does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from benchmarks.elasticity.traces import PER_SERVER
from benchmarks.elasticity.world import LEAST, Seen


@dataclass
class Steps:
    """Threshold alarms and steps, as Aodh calls a Heat scaling policy: above ``high`` ``more``, below ``low`` fewer.

    The defaults of the example templates: 50 % and 15 %, one server, 60 s of cool-down.
    """

    name: str = "Heat + Aodh, as in its example"
    high: float = 0.5
    low: float = 0.15
    more: float = 0.0
    """Share of the servers that come at once; at least one."""
    cooldown: float = 60.0
    _changed: float = -1e9

    def decide(self, seen: Seen) -> int:
        """One step, unless the cool-down runs."""
        if seen.second - self._changed < self.cooldown:
            return seen.ordered
        filled = seen.load / (max(1, seen.serving) * PER_SERVER)
        if filled > self.high:
            self._changed = seen.second
            return seen.ordered + max(1, math.ceil(self.more * seen.ordered))
        if filled < self.low and seen.ordered > LEAST:
            self._changed = seen.second
            return seen.ordered - 1
        return seen.ordered


@dataclass
class Tracking:
    """Target tracking, as the horizontal pod autoscaler: load over target, down to the most of 5 minutes."""

    target: float = 0.7
    name: str = "target tracking"
    stabilise: float = 300.0
    _wishes: list[tuple[float, int]] = field(default_factory=list)

    def decide(self, seen: Seen) -> int:
        """Servers at the target; changes of up to 10 % are none."""
        wish = math.ceil(seen.load / (self.target * PER_SERVER))
        if abs(seen.load / (self.target * PER_SERVER) / max(1, seen.ordered) - 1) <= 0.1:
            wish = seen.ordered
        self._wishes = [old for old in self._wishes if seen.second - old[0] < self.stabilise] + [(seen.second, wish)]
        return wish if wish > seen.ordered else min(seen.ordered, max(count for _, count in self._wishes))


@dataclass
class Nodes:
    """Pods by target tracking, nodes by what does not fit, as the cluster autoscaler; unneeded for 10 min they go."""

    target: float = 0.7
    name: str = "cluster autoscaler"
    pods_per_node: int = 4
    unneeded: float = 600.0
    after_add: float = 600.0
    _since: float | None = None
    _added: float = -1e9

    def __post_init__(self) -> None:
        self._count = LEAST * self.pods_per_node

    def decide(self, seen: Seen) -> int:
        """Nodes for all pods."""
        load_per_pod = seen.load * self.pods_per_node / (self.target * PER_SERVER)
        if not 0.9 <= load_per_pod / max(1, self._count) <= 1.1:
            self._count = math.ceil(load_per_pod)
        need = max(LEAST, math.ceil(self._count / self.pods_per_node))
        if need >= seen.ordered:
            self._since = None
            self._added = seen.second if need > seen.ordered else self._added
            return need
        self._since = seen.second if self._since is None else self._since
        if seen.second - self._since >= self.unneeded and seen.second - self._added >= self.after_add:
            return need
        return seen.ordered


@dataclass
class Sighted:
    """Nobody's: sees the load of this very moment without error, and orders for it at once.

    What it is short of is what a boot takes; without an announcement only reserve makes that less.
    """

    target: float = 0.8
    name: str = "sees the load at once"
    stabilise: float = 300.0
    _wishes: list[tuple[float, int]] = field(default_factory=list)

    def decide(self, seen: Seen) -> int:
        """Servers at the target; down to the most of 5 minutes."""
        wish = math.ceil(seen.real / (self.target * PER_SERVER))
        self._wishes = [old for old in self._wishes if seen.second - old[0] < self.stabilise] + [(seen.second, wish)]
        return max(count for _, count in self._wishes)


def frontier() -> dict[str, list[Steps | Tracking | Nodes | Sighted]]:
    """The baselines at every setting, by what they are: who is allowed so many servers too many chooses among them."""
    shares = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    return {
        "Heat + Aodh": [Steps(name=f"Heat + Aodh, {high:.0%}", high=high, low=high - 0.3, more=0.3) for high in shares],
        "target tracking": [Tracking(name=f"target tracking {share:.0%}", target=share) for share in shares],
        "cluster autoscaler": [Nodes(name=f"cluster autoscaler {share:.0%}", target=share) for share in shares],
        "sees the load at once": [
            Sighted(name=f"sees the load at once, {share:.0%}", target=share) for share in shares
        ],
    }


def baselines() -> list[Steps | Tracking | Nodes]:
    """Each as its makers set it, and set for a crowd: generous where it must be fast."""
    return [
        Steps(),
        Steps(name="Heat + Aodh, 30 % at once", high=0.7, low=0.4, more=0.3),
        Tracking(name="target tracking 70 %"),
        Tracking(name="target tracking 65 %", target=0.65),
        Tracking(name="target tracking 50 %", target=0.5),
        Nodes(name="cluster autoscaler 70 %"),
        Nodes(name="cluster autoscaler 50 %", target=0.5),
    ]
