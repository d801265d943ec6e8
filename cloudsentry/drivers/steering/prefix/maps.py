"""From a table and wanted shares to the map's lines; pure.

Whole ASes go to a target, so that clients of one network stay together. Which ones: large before small, so that small
ones fill what is left, and among those of about one size by a hash, which is the same on every run, so that a change of
shares moves few. An AS too large for what a target still lacks is passed over. Networks and ASes that the event names
are their target's in any case.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloudsentry.drivers.steering.prefix.table import Row, network_of
from cloudsentry.errors import NotSupported
from cloudsentry.records.steering import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The map's entries, network → HAProxy's backend, and the percent of clients that each target gets."""

    entries: dict[str, str]
    given: dict[str, float]

    def lines(self) -> list[str]:
        """As HAProxy's map file has them."""
        return [f"{key} {value}" for key, value in self.entries.items()]


def chosen(rows: Sequence[Row], targets: Sequence[Target]) -> Chosen:
    """Every network's target. ``rows`` are sorted as `table.parse` leaves them. Raises `NotSupported`."""
    networks, asns = _rules(targets)
    rows = _with(rows, networks)
    counts = _counts(rows)
    total = sum(counts)
    if not total:
        raise NotSupported("the prefix table holds no clients")
    home = next(one.name for one in targets if one.home)
    weigh: defaultdict[int, float] = defaultdict(float)
    fixed: defaultdict[str, float] = defaultdict(float)
    for row, count in zip(rows, counts, strict=True):
        owner = networks.get((row.version, row.network, row.length)) or asns.get(row.asn)
        if owner is None:
            weigh[row.asn] += 100 * count / total
        else:
            fixed[owner] += 100 * count / total
    owners = asns | _filled(weigh, {one.name: one.share - fixed[one.name] for one in targets if not one.home})
    names = [networks.get((row.version, row.network, row.length)) or owners.get(row.asn, home) for row in rows]
    given = {one.name: 0.0 for one in targets}
    for name, count in zip(names, counts, strict=True):
        given[name] += 100 * count / total
    backends = {one.name: one.to[0] for one in targets if one.to}
    return Chosen(entries=_entries(rows, names, home, backends), given=given)


def _rules(targets: Iterable[Target]) -> tuple[dict[tuple[int, int, int], str], dict[int, str]]:
    networks: dict[tuple[int, int, int], str] = {}
    asns: dict[int, str] = {}
    for one in targets:
        for rule in one.rules:
            if rule.startswith("AS"):
                asns[int(rule[2:])] = one.name
                continue
            row = network_of(rule)
            networks[row.version, row.network, row.length] = one.name
    return networks, asns


def _with(rows: Sequence[Row], networks: dict[tuple[int, int, int], str]) -> Sequence[Row]:
    """The table with the event's own networks in it; a more specific network of the table keeps its own AS."""
    known = {(row.version, row.network, row.length) for row in rows} if networks else set()
    more = [Row(*key, 0) for key in networks if key not in known]
    if not more:
        return rows
    return sorted((*rows, *more), key=lambda row: (row.version, row.network, row.length))


def _counts(rows: Sequence[Row]) -> list[int]:
    """Clients of each row: as the table says, or where it does not the room that no network within takes."""
    if any(row.clients >= 0 for row in rows):
        return [max(0, row.clients) for row in rows]
    own = [row.size for row in rows]
    above: list[int] = []
    for index, row in enumerate(rows):
        while above and not _within(row, rows[above[-1]]):
            above.pop()
        if above:
            own[above[-1]] = max(0, own[above[-1]] - row.size)
        above.append(index)
    return own


def _within(row: Row, wide: Row) -> bool:
    return row.version == wide.version and row.network <= wide.last


def _filled(weigh: dict[int, float], lack: dict[str, float]) -> dict[int, str]:
    """AS → target, until each target has what it lacks."""
    owners: dict[int, str] = {}
    turns = sorted(weigh, key=lambda asn: (-math.frexp(weigh[asn])[1], _hash(asn)))
    for name in sorted(lack):
        left = lack[name]
        for asn in turns:
            if left <= 0:
                break
            if asn not in owners and weigh[asn] <= left and weigh[asn] > 0:
                owners[asn] = name
                left -= weigh[asn]
    return owners


def _hash(asn: int) -> bytes:
    return hashlib.blake2b(str(asn).encode(), digest_size=8).digest()


def _entries(rows: Sequence[Row], names: Sequence[str], home: str, backends: dict[str, str]) -> dict[str, str]:
    """Only what differs from the network around it; around all is home, HAProxy's default."""
    entries: dict[str, str] = {}
    above: list[tuple[Row, str]] = []
    for row, name in zip(rows, names, strict=True):
        while above and not _within(row, above[-1][0]):
            above.pop()
        if name != (above[-1][1] if above else home):
            entries[str(row)] = backends[name]
        above.append((row, name))
    return entries
