"""An image's bytes on their way: whole, in order, and none twice where the download can be resumed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import requests

from cloudsentry.drivers.mover.image.stream import CHUNK, Body
from cloudsentry.errors import Unreachable

BYTES = bytes(range(256)) * (3 * CHUNK // 256) + b"end"


class Answer:
    """A response that is cut after so many bytes (None: whole)."""

    def __init__(self, content: bytes, status: int, cut: int | None) -> None:
        self.content, self.status_code, self.cut = content, status, cut

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def iter_content(self, size: int) -> Iterator[bytes]:
        for start in range(0, len(self.content), size):
            if self.cut is not None and start >= self.cut:
                raise requests.exceptions.ChunkedEncodingError("cut")
            yield self.content[start : start + size]


class Glance:
    """One image; each download is cut where ``cuts`` says next."""

    name = "private"

    def __init__(self, *cuts: int, ranges: bool = True) -> None:
        self.cuts, self.ranges, self.asked = list(cuts), ranges, []

    def read_from(self, service: str, path: str, offset: int = 0) -> Answer:
        self.asked.append(offset)
        cut = self.cuts.pop(0) if self.cuts else None
        if offset and self.ranges:
            return Answer(BYTES[offset:], 206, cut)
        return Answer(BYTES, 200, cut)


def body(glance: Glance) -> Body:
    return Body(glance, "1", len(BYTES))  # type: ignore[arg-type]


def test_a_cut_download_goes_on_where_it_was_and_reads_nothing_twice():
    glance = Glance(CHUNK, CHUNK)
    copied = body(glance)
    assert b"".join(copied) == BYTES
    assert glance.asked == [0, CHUNK, 2 * CHUNK]
    assert (copied.fetched, copied.cuts) == (len(BYTES), 2)


def test_a_glance_without_ranges_sends_all_again_and_the_copy_is_whole():
    copied = body(Glance(2 * CHUNK, ranges=False))
    assert b"".join(copied) == BYTES
    assert copied.fetched == len(BYTES) + 2 * CHUNK


def test_cuts_that_bring_nothing_on_are_an_error():
    with pytest.raises(Unreachable), contextlib.closing(iter(body(Glance(CHUNK, 0, 0)))) as stream:
        b"".join(stream)


def test_the_length_is_told_and_no_more_than_a_chunk_is_held():
    copied = body(Glance())
    assert len(copied) == len(BYTES)
    assert max(map(len, copied)) <= CHUNK
