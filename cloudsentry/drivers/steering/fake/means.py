"""One place's steerings in memory. Old answers end some looks after a change."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from cloudsentry.clouds import fake
from cloudsentry.clouds.fake import FaultRule, World
from cloudsentry.errors import Conflict
from cloudsentry.records.steering import Forget, Revert, SetShares, Steer


@dataclass(slots=True)
class State:
    """Everything there is at a place. ``settle_looks`` is how many looks old answers hold after a change."""

    steers: dict[str, Steer] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    settle_looks: int = 1
    faults: list[FaultRule] = field(default_factory=list)
    reads: int = 0
    writes: int = 0


class FakeSteers:
    """The fake steerings of one place; all drivers of a name in a process see the same ones (`named`)."""

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _known: ClassVar[dict[str, FakeSteers]] = {}

    def __init__(self, name: str) -> None:
        self.name = name
        self._world = World(State, State, fake.path_of("steering", name))
        self.work = self._world.work

    @classmethod
    def named(cls, name: str) -> FakeSteers:
        """The place of that name, empty when it is first named."""
        with cls._lock:
            if name not in cls._known:
                cls._known[name] = cls(name)
            return cls._known[name]

    @classmethod
    def forget_all(cls) -> None:
        """Forget all places in memory; files stay."""
        with cls._lock:
            cls._known.clear()

    @property
    def state(self) -> State:
        """The state as it is, for looking at."""
        return self._world.state

    @contextlib.contextmanager
    def call(self, verb: str) -> Iterator[State]:
        """One call: counted, and failing as ordered before or after what the caller does to the state."""
        with self._world.work() as state:
            due = [rule for rule in state.faults if rule.meets(verb)]
            state.reads += verb == "observe"
            state.writes += verb != "observe"
        fake.kill(due, "kill_before")
        fake.before(due, self.name)
        with self._world.work() as state:
            yield state
        fake.kill(due, "kill_after")
        fake.after(due, self.name)

    @staticmethod
    def look(state: State, event: str) -> tuple[Steer, ...]:
        """An event's steerings, sorted by unit; with every look old answers are nearer to their end."""
        mine = {key: one for key, one in state.steers.items() if one.mark.event == event}
        for key, one in mine.items():
            state.steers[key] = mine[key] = replace(one, settles=max(0.0, one.settles - 1))
        return tuple(sorted(mine.values(), key=lambda one: one.mark.unit))

    def set(self, state: State, order: SetShares) -> None:
        """Shares as ordered; a write of what stands changes nothing."""
        order.ready(self.name)
        standing = state.steers.get(_key(order.mark.event, order.unit))
        if standing is not None and standing.state == "ACTIVE" and standing.wants(order.targets):
            return
        state.steers[_key(order.mark.event, order.unit)] = Steer(
            mark=order.mark,
            state="ACTIVE",
            targets=order.targets,
            shares=tuple((one.name, one.share) for one in order.targets),
            settles=state.settle_looks,
        )

    @staticmethod
    def revert(state: State, order: Revert) -> None:
        """Everybody goes home."""
        one = state.steers.get(_key(order.event, order.unit))
        if one is not None and one.state != "REVERTED":
            shares = tuple((target.name, 100.0 if target.home else 0.0) for target in one.targets)
            state.steers[_key(order.event, order.unit)] = replace(
                one, state="REVERTED", shares=shares, settles=state.settle_looks
            )

    def forget(self, state: State, order: Forget) -> None:
        """Gone, if it was reverted."""
        one = state.steers.get(_key(order.event, order.unit))
        if one is not None and one.state != "REVERTED":
            raise Conflict(f"steering {order.unit} was not reverted", cloud=self.name)
        state.steers.pop(_key(order.event, order.unit), None)


def _key(event: str, unit: str) -> str:
    return f"{event}/{unit}"
