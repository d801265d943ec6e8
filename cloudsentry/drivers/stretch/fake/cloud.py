"""One cloud's ends in memory. An end is two objects, and makes its offer some looks after it was opened."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from cloudsentry.clouds import fake
from cloudsentry.clouds.fake import FaultRule, World
from cloudsentry.errors import Conflict
from cloudsentry.records.stretching import CloseEnd, End, Fact, JoinEnd, Offer, OpenEnd


@dataclass(slots=True)
class FakeEnd:
    """An end, and how many looks it still takes until it makes its offer."""

    end: End
    options: tuple[tuple[str, str], ...] = ()
    looks: int = 0


@dataclass(slots=True)
class State:
    """Everything there is on a cloud. ``missing`` is what a full look says."""

    ends: dict[str, FakeEnd] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    settle_looks: int = 1
    faults: list[FaultRule] = field(default_factory=list)
    serial: int = 0
    reads: int = 0
    writes: int = 0


class FakeStretches:
    """The fake ends of one cloud; all drivers of a name in a process see the same ones (`named`)."""

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _known: ClassVar[dict[str, FakeStretches]] = {}

    def __init__(self, name: str) -> None:
        self.name = name
        self._world = World(State, State, fake.path_of("stretch", name))
        self.work = self._world.work

    @classmethod
    def named(cls, name: str) -> FakeStretches:
        """The cloud of that name, empty when it is first named."""
        with cls._lock:
            if name not in cls._known:
                cls._known[name] = cls(name)
            return cls._known[name]

    @classmethod
    def forget(cls) -> None:
        """Forget all clouds in memory; files stay."""
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
    def look(state: State, event: str) -> tuple[End, ...]:
        """An event's ends, sorted by unit; every look moves those on that make no offer yet."""
        mine = [one for one in state.ends.values() if one.end.mark.event == event]
        for one in mine:
            if one.looks > 0:
                one.looks -= 1
            elif one.end.offer is None:
                one.end = replace(one.end, state="ACTIVE", offer=Offer(facts=one.options))
        return tuple(sorted((one.end for one in mine), key=lambda end: end.mark.unit))

    def open(self, state: State, order: OpenEnd) -> None:
        """An end, unless it is there."""
        if _key(order) in state.ends:
            return
        state.serial += 1
        objects = tuple(
            (kind, str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.name}/{state.serial}/{kind}")))
            for kind in ("subnet", "network")
        )
        end = End(mark=order.mark, state="BUILD", objects=objects)
        options = tuple(sorted((*order.options, ("cloud", self.name))))
        state.ends[_key(order)] = FakeEnd(end, options, looks=state.settle_looks)

    def join(self, state: State, order: JoinEnd) -> None:
        """An end that makes its offer is joined to the far end's."""
        one = state.ends.get(_key(order))
        if one is None or one.end.offer is None or order.offer is None:
            raise Conflict(f"stretch {order.unit}: an end is not open", cloud=self.name)
        one.end = replace(one.end, joined=order.offer)

    @staticmethod
    def close(state: State, order: CloseEnd) -> None:
        """The objects by id, and the end with its last one; gone is done."""
        for key, one in list(state.ends.items()):
            left = tuple(item for item in one.end.objects if item not in order.objects)
            one.end = replace(one.end, objects=left)
            if not left:
                del state.ends[key]


def _key(order: OpenEnd | JoinEnd) -> str:
    return f"{order.mark.event}/{order.unit}"
