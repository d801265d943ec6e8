"""The stretch driver `fake`."""

from __future__ import annotations

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.drivers.stretch.base import StretchDriver, StretchScope
from cloudsentry.drivers.stretch.fake.cloud import FakeStretches
from cloudsentry.records.stretching import CloseEnd, JoinEnd, OpenEnd, StretchOrder, StretchView


class FakeStretch(StretchDriver):
    """Ends of the `FakeStretches` of that name. ``connect`` is for the signature: nothing is opened."""

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._place = FakeStretches.named(cloud)

    def __repr__(self) -> str:
        return f"FakeStretch({self._place.name!r})"

    def observe(self, scope: StretchScope) -> StretchView:
        """As the contract says; every look moves the event's ends on by one."""
        with self._place.call("observe") as state:
            return StretchView(
                driver="fake",
                cloud=self._place.name,
                ends=self._place.look(state, scope.event),
                missing=tuple(state.missing) if scope.full else (),
                facts=tuple(state.facts) if scope.full else (),
            )

    def act(self, order: StretchOrder) -> None:
        """As the contract says."""
        with self._place.call(type(order).__name__) as state:
            match order:
                case OpenEnd():
                    self._place.open(state, order)
                case JoinEnd():
                    self._place.join(state, order)
                case CloseEnd():
                    self._place.close(state, order)
