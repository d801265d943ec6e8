"""A prefix table: networks and the ASes that they come from, read a million rows in seconds.

A line is ``192.0.2.0/24 64500``, or ``192.0.2.0 24 64500`` as CAIDA's prefix-to-AS files and RouteViews' have it; a
further number is the number of clients (or requests) seen from there. Of several origins (``64500_64501``,
``64500,64501``) the first counts. Lines that begin with ``#`` are comments.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cloudsentry.errors import NotSupported

BITS = {4: 32, 6: 128}
WHOLE6 = 48
"""An IPv6 network counts as many as it has networks of this length, a site's (RFC 6177): addresses would drown IPv4."""


class Row(NamedTuple):
    """A network as integers; sorted, the wider one comes before those within it. ``clients`` -1: unknown."""

    version: int
    network: int
    length: int
    asn: int
    clients: int = -1

    @property
    def last(self) -> int:
        """The last address."""
        return self.network + (1 << (BITS[self.version] - self.length)) - 1

    @property
    def size(self) -> int:
        """How much of the address space it is: addresses of IPv4, /48 networks of IPv6."""
        bits = 32 if self.version == 4 else WHOLE6
        return 1 << max(0, bits - self.length)

    def __str__(self) -> str:
        kind, wide = (socket.AF_INET, 4) if self.version == 4 else (socket.AF_INET6, 16)
        return f"{socket.inet_ntop(kind, self.network.to_bytes(wide, 'big'))}/{self.length}"


def digest_of(path: str) -> str:
    """Of a table's bytes. Raises `NotSupported` where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise NotSupported(f"the prefix table {path}: {error.strerror}") from error


def read(path: str) -> list[Row]:
    """A file's rows, sorted, one per network. Raises `NotSupported` with the line that is none."""
    try:
        lines = Path(path).read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as error:
        raise NotSupported(f"the prefix table {path} cannot be read: {error}") from error
    return parse(lines, path)


def parse(lines: Iterable[str], name: str) -> list[Row]:
    """Rows, sorted, one per network; of two lines with the same network the last counts."""
    found: dict[tuple[int, int, int], Row] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            row = _row(words)
        except (ValueError, OSError, IndexError) as error:
            raise NotSupported(f"{name}:{number}: expected a prefix and its origin AS, found {line[:60]!r}") from error
        found[row.version, row.network, row.length] = row
    return [found[key] for key in sorted(found)]


def network_of(text: str, asn: int = 0) -> Row:
    """A network such as 192.0.2.0/24 as a row. Raises ValueError or OSError."""
    return _row([text, str(asn)])


def _row(words: list[str]) -> Row:
    address, slash, bits = words[0].partition("/")
    rest = words[1:]
    if not slash:
        bits, rest = rest[0], rest[1:]
    version = 6 if ":" in address else 4
    packed = socket.inet_pton(socket.AF_INET6 if version == 6 else socket.AF_INET, address)
    length, value = int(bits), int.from_bytes(packed, "big")
    free = BITS[version] - length
    if not 0 <= free <= BITS[version] or value & ((1 << free) - 1):
        raise ValueError("not a network")
    asn = rest[0].upper().removeprefix("AS")
    if not asn.isdecimal():
        asn = asn.replace("{", "").replace("_", ",").split(",")[0]
    return Row(version, value, length, int(asn), int(rest[1]) if len(rest) > 1 else -1)
