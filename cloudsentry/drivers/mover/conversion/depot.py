"""A disk's way to a conversion host: only blocks that the host does not have already."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.clouds.hosts import Host, Pipe, host_of
from cloudsentry.errors import Ambiguous, Busy, Conflict, Denied, DriverError, NotSupported, Unreachable

SETTING = "conversion_host"
"""The key of a cloud's entry in clouds.yaml."""

BLOCK = 64 * 1024
"""Bytes that are compared and sent as one: a cluster of qcow2, so that one that has moved within the file is found."""

SUM = 16
RUN = struct.Struct(">QI")
LONGEST_RUN = 256
"""Blocks that are told as one at most: the host puts them together while the rest is still compared."""


Source = Callable[[int], Iterable[bytes]]
"""A disk's bytes from an offset on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Blocks of one copy: ``kept`` were there from a copy that was cut, ``sent`` crossed the path, in ``bytes``."""

    blocks: int
    kept: int
    sent: int
    bytes: int


class Depot:
    """The conversion host of one cloud. Every method raises a `DriverError`."""

    def __init__(self, host: Host, cloud: Cloud) -> None:
        self._host, self._cloud = host, cloud

    def free(self) -> int:
        """The bytes that it has room for."""
        with self._asked({"verb": "look"}) as pipe:
            return int(_answer(pipe, self._host.place)["free"])

    def drop(self, name: str) -> None:
        """Nothing of that name is left there."""
        with self._asked({"verb": "drop", "name": name}) as pipe:
            _answer(pipe, self._host.place)

    def bring(
        self, name: str, label: str, size: int, source: Callable[[int], Iterable[bytes]], image: str = ""
    ) -> Sent:
        """The host has the disk ``name`` as ``label`` says it is, and Glance has it as ``image``, where one is given.

        A copy with the same label goes on where it was cut; one with
        another sends what is in no block of the earlier one.
        """
        head = {"verb": "copy", "name": name, "label": label, "size": size, "block": BLOCK}
        with self._asked(head | (self._put(image) if image else {})) as pipe:
            ready = _answer(pipe, self._host.place)
            known = _known(pipe, ready["old"])
            tally = _Tally(pipe, known)
            with suppress(OSError):  # it has given up: its answer says why
                for block in _blocks(source(ready["kept"] * BLOCK)):
                    tally.tell(block)
                tally.flush()
                pipe.input.flush()
            _answer(pipe, self._host.place)
        return Sent(blocks=-(-size // BLOCK), kept=ready["kept"], sent=tally.sent, bytes=tally.bytes)

    def _put(self, image: str) -> dict[str, Any]:
        """Where the bytes are to be put, and by which right; it is told to the host's program alone."""
        return dict(self._cloud.lent("image", f"/images/{image}/file"))

    def _asked(self, head: dict[str, Any]) -> AbstractContextManager[Pipe]:
        return self._host.piped(["python3", "-c", _program()], json.dumps(head).encode() + b"\n")


class _Tally:
    """Blocks on their way, as runs of what is known and what is new."""

    def __init__(self, pipe: Pipe, known: dict[bytes, int]) -> None:
        self._pipe, self._known = pipe, known
        self._kind, self._first, self._run = b"", 0, 0
        self.sent, self.bytes = 0, 0

    def tell(self, block: bytes) -> None:
        at = self._known.get(hashlib.blake2b(block, digest_size=SUM).digest())
        if at is not None:
            self._more(b"=", at)
        elif block == _zeros(len(block)):
            self._more(b"0", 0)
        else:
            self.flush()
            self._pipe.input.write(b"+" + RUN.pack(0, 1) + block)
            self.sent, self.bytes = self.sent + 1, self.bytes + len(block)

    def _more(self, kind: bytes, at: int) -> None:
        follows = kind == self._kind and (kind == b"0" or at == self._first + self._run)
        if not follows or self._run == LONGEST_RUN:
            self.flush()
            self._kind, self._first = kind, at
        self._run += 1

    def flush(self) -> None:
        """What is pending is told."""
        if self._run:
            self._pipe.input.write(self._kind + RUN.pack(self._first, self._run))
            if self._run == LONGEST_RUN:
                self._pipe.input.flush()
        self._kind, self._first, self._run = b"", 0, 0


def depot_of(cloud: Cloud) -> Depot | None:
    """The cloud's conversion host, where it has one. Raises `NotSupported` for a place that is none."""
    place = cloud.setting(SETTING)
    return Depot(host_of(place), cloud) if place else None


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for chunk in chunks:
        held += chunk
        whole = len(held) - len(held) % BLOCK
        view = bytes(held[:whole])
        del held[:whole]
        yield from (view[start : start + BLOCK] for start in range(0, whole, BLOCK))
    if held:
        yield bytes(held)


def _known(pipe: Pipe, count: int) -> dict[bytes, int]:
    sums = pipe.output.read(count * SUM)
    if len(sums) != count * SUM:
        raise EOFError
    return {sums[start : start + SUM]: start // SUM for start in range(len(sums) - SUM, -1, -SUM)}


def _answer(pipe: Pipe, place: str) -> dict[str, Any]:
    line = pipe.output.readline()
    if not line:
        raise EOFError
    try:
        told: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise NotSupported("what answers is not our program: is it Python 3.7 or newer?", cloud=place) from error
    if told["state"] in ("done", "ready"):
        return told
    raise _refusal(told, place)


def _refusal(told: dict[str, Any], place: str) -> DriverError:
    status, text = told.get("status"), str(told.get("text", ""))
    match told["state"]:
        case "busy":
            return Busy("an earlier copy of the same disk is still under way there", cloud=place)
        case "unreachable":
            return Unreachable(f"Glance does not answer the conversion host: {text}", cloud=place)
        case "failed":
            return Conflict(f"conversion host: {text}", cloud=place)
    told_by = f"Glance answered the conversion host with {status or text}"
    if status in (401, 403):
        return Denied(told_by, cloud=place, status=status)
    if status is not None and 400 <= status < 500:
        return Conflict(told_by, cloud=place, status=status)
    return Ambiguous(told_by, cloud=place)


@cache
def _zeros(length: int) -> bytes:
    return bytes(length)


@cache
def _program() -> str:
    return resources.files(f"{__package__}.inside").joinpath("depot.py").read_text(encoding="utf-8")
