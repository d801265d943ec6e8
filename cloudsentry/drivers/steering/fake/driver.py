"""The steering driver `fake`."""

from __future__ import annotations

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.drivers.steering.base import SteeringDriver, SteeringScope
from cloudsentry.drivers.steering.fake.means import FakeSteers
from cloudsentry.errors import NotSupported
from cloudsentry.records.steering import Forget, Revert, SetShares, SteeringOrder, SteeringView


class FakeSteering(SteeringDriver):
    """Steerings of the `FakeSteers` of that name. ``connect`` is for the signature: nothing is opened."""

    def __init__(self, place: str, *, connect: Connect = open_cloud) -> None:
        self._place = FakeSteers.named(place)

    def __repr__(self) -> str:
        return f"FakeSteering({self._place.name!r})"

    def observe(self, scope: SteeringScope) -> SteeringView:
        """As the contract says; with every look old answers are nearer to their end."""
        with self._place.call("observe") as state:
            return SteeringView(
                driver="fake",
                cloud=self._place.name,
                steers=self._place.look(state, scope.event),
                missing=tuple(state.missing) if scope.full else (),
            )

    def act(self, order: SteeringOrder) -> None:
        """As the contract says."""
        with self._place.call(type(order).__name__) as state:
            match order:
                case SetShares():
                    self._place.set(state, order)
                case Revert():
                    self._place.revert(state, order)
                case Forget():
                    self._place.release(state, order)
                case _:
                    raise NotSupported(f"{type(order).__name__} is no call", cloud=self._place.name)
