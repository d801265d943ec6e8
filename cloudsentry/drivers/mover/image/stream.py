"""The bytes of an image on their way from one Glance to the other. At most `CHUNK` of them are held.

A download that is cut goes on by a range request at the byte that it had come to. An upload cannot: Glance takes an
image's bytes by one PUT, and a PUT that is cut leaves the image ``queued``, to be filled from its beginning. Where the
target has a conversion host (`cloudsentry.drivers.mover.conversion`) the bytes cross the path once all the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import requests

from cloudsentry.clouds import Cloud
from cloudsentry.errors import Conflict, Unreachable

CHUNK = 1024 * 1024
"""Bytes per read and write: large enough that the copy is bound by the disks and the wire, not by calls."""


class Body:
    """An image of ``cloud`` from ``start`` on, as the body of a PUT: of known length, read when it is sent.

    Each cut must have brought the copy on; a second one at the same byte is an error (`Unreachable`).
    """

    def __init__(self, cloud: Cloud, image: str, size: int, start: int = 0) -> None:
        self._cloud, self._image, self._size, self._start = cloud, image, size, start
        self.fetched = 0
        self.cuts = 0

    def __len__(self) -> int:
        return self._size - self._start

    def __iter__(self) -> Iterator[bytes]:
        sent, last = self._start, -1
        while sent < self._size:
            if sent == last:
                raise Unreachable(f"image {self._image}: cut twice at byte {sent}", cloud=self._cloud.name)
            last = sent
            try:
                for chunk in self._from(sent):
                    sent += len(chunk)
                    yield chunk
            except requests.exceptions.RequestException:
                self.cuts += 1
        if sent > self._size:
            raise Conflict(f"image {self._image} has more than its {self._size} bytes", cloud=self._cloud.name)

    def _from(self, offset: int) -> Iterator[bytes]:
        with self._cloud.read_from("image", f"/images/{self._image}/file", offset) as response:
            skip = offset if response.status_code == 200 else 0  # a Glance without ranges begins anew
            for chunk in response.iter_content(CHUNK):
                self.fetched += len(chunk)
                if skip >= len(chunk):
                    skip -= len(chunk)
                    continue
                yield chunk[skip:]
                skip = 0


def copy(source: Cloud, image: str, size: int, target: Cloud, to: str) -> Body:
    """Fill image ``to`` of the target with the bytes of ``image``; the body tells how much was read. `DriverError`."""
    body = Body(source, image, size)
    target.write_to("image", f"/images/{to}/file", body)
    return body
