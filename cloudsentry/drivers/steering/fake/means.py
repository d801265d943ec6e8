"""One place's steerings in memory. Old answers end some looks after a change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cloudsentry.clouds.fake import FakePlace, FakeState
from cloudsentry.errors import Conflict
from cloudsentry.records.steering import Forget, Revert, SetShares, Steer


@dataclass(slots=True)
class State(FakeState):
    """Everything there is at a place. ``settle_looks`` is how many looks old answers hold after a change."""

    steers: dict[str, Steer] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    settle_looks: int = 1


class FakeSteers(FakePlace[State]):
    """The fake steerings of one place."""

    FAMILY = "steering"
    STATE = State

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

    def release(self, state: State, order: Forget) -> None:
        """Gone, if it was reverted."""
        one = state.steers.get(_key(order.event, order.unit))
        if one is not None and one.state != "REVERTED":
            raise Conflict(f"steering {order.unit} was not reverted", cloud=self.name)
        state.steers.pop(_key(order.event, order.unit), None)


def _key(event: str, unit: str) -> str:
    return f"{event}/{unit}"
