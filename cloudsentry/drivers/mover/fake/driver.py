"""The mover `fake`: `image`'s own logic, with fake ends."""

from __future__ import annotations

from cloudsentry.clouds import Connect
from cloudsentry.drivers.mover.fake.ends import FakeEnds
from cloudsentry.drivers.mover.image import ImageMover
from cloudsentry.drivers.mover.image.ends import Ends


class FakeMover(ImageMover):
    """Moves servers of the pool driver `fake`. ``connect`` is for the signature: nothing is opened."""

    def _connected(self, connect: Connect) -> Ends:
        return FakeEnds(self._source, self._target)
