"""One cloud's ends in memory. An end is two objects, and makes its offer some looks after it was opened."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace

from cloudsentry.clouds.fake import FakePlace, FakeState
from cloudsentry.errors import Conflict
from cloudsentry.records.stretching import CloseEnd, End, Fact, JoinEnd, Offer, OpenEnd


@dataclass(slots=True)
class FakeEnd:
    """An end, and how many looks it still takes until it makes its offer."""

    end: End
    options: tuple[tuple[str, str], ...] = ()
    looks: int = 0


@dataclass(slots=True)
class State(FakeState):
    """Everything there is on a cloud. ``missing`` is what a full look says."""

    ends: dict[str, FakeEnd] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    settle_looks: int = 1


class FakeStretches(FakePlace[State]):
    """The fake ends of one cloud."""

    FAMILY = "stretch"
    STATE = State

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
