"""The movers `fake` and `fake_warm`: the logic of `image` and `warm`, with fake ends."""

from __future__ import annotations

from cloudsentry.clouds import Connect
from cloudsentry.drivers.mover.fake.ends import FakeEnds
from cloudsentry.drivers.mover.image import ImageMover
from cloudsentry.drivers.mover.image.ends import Ends
from cloudsentry.drivers.mover.warm import WarmMover


class FakeMover(ImageMover):
    """Moves servers of the pool driver `fake`. ``connect`` is for the signature: nothing is opened."""

    def _connected(self, connect: Connect) -> Ends:
        return FakeEnds(self._source, self._target)


class FakeWarmMover(WarmMover):
    """As `FakeMover`."""

    def _connected(self, connect: Connect) -> Ends:
        return FakeEnds(self._source, self._target)
