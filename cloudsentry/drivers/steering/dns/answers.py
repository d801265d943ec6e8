"""From shares to record sets, and the mark as one; pure."""

from __future__ import annotations

import base64
import ipaddress
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloudsentry.errors import NotSupported
from cloudsentry.records.steering import Target

LABEL = "_cloudsentry"
"""The mark is a TXT record set at this name below the one that is steered: every server and backend keeps those."""

STEERED = ("A", "AAAA", "CNAME", "LUA")
"""Types of what may answer for addresses; anything else at the name (MX, TXT, …) is left alone."""

PART = 1_000_000
"""What 100 % are in the weights of a LUA record: far below what an int holds, with every share of 0.0001 % in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RRset:
    """A record set; without records it is to go."""

    name: str
    type: str
    ttl: int = 0
    records: tuple[str, ...] = ()


def dotted(name: str) -> str:
    """A name with its last dot, in lower case."""
    return f"{name.rstrip('.').lower()}."


def families(targets: Iterable[Target]) -> dict[int, list[tuple[Target, list[str]]]]:
    """Version 4 and 6 → who has addresses of it. Raises `NotSupported` where one of those with a share has none."""
    sharing = [one for one in targets if one.share]
    found: dict[int, list[tuple[Target, list[str]]]] = {}
    for version in (4, 6):
        having = [(one, [text for text in one.to if _version(text) == version]) for one in sharing]
        if all(addresses for _, addresses in having):
            found[version] = having
        elif any(addresses for _, addresses in having):
            lack = ", ".join(one.name for one, addresses in having if not addresses)
            raise NotSupported(
                f"no IPv{version} address of {lack}, while others have one: clients with IPv{version} would go by "
                "other shares; give all of them one, or none"
            )
    if not found:
        raise NotSupported("no target has an address")
    return found


def weighted(name: str, ttl: int, targets: Sequence[Target]) -> tuple[RRset, ...]:
    """One LUA record set that chooses an address by weight for each question (PowerDNS's pickwrandom)."""
    records = []
    for version, having in families(targets).items():
        even = math.lcm(*(len(addresses) for _, addresses in having))
        pairs = [
            f"{{{round(target.share * PART / 100) * even // len(addresses)},'{address}'}}"
            for target, addresses in having
            for address in addresses
        ]
        code = "pickwrandom({" + ",".join(pairs) + "})"
        records.append(f"{'A' if version == 4 else 'AAAA'} {_quoted(code)}")
    return (RRset(name=name, type="LUA", ttl=ttl, records=tuple(records)),)


def listed(name: str, ttl: int, targets: Sequence[Target], close: float) -> tuple[RRset, ...]:
    """Addresses in the numbers that come nearest to the shares. Raises `NotSupported` where that is not near enough."""
    sets = []
    for version, having in families(targets).items():
        numbers = _numbers([target.share for target, _ in having], [len(addresses) for _, addresses in having])
        whole = sum(numbers)
        given = [100 * number / whole for number in numbers]
        if any(abs(got - target.share) > close for got, (target, _) in zip(given, having, strict=True)):
            told = ", ".join(f"{target.name} {got:.4g} %" for got, (target, _) in zip(given, having, strict=True))
            raise NotSupported(
                f"each address stands once in an answer: with these addresses no nearer than {told}; give the targets "
                "more addresses, or steer by PowerDNS, which weighs"
            )
        chosen = [text for number, (_, addresses) in zip(numbers, having, strict=True) for text in addresses[:number]]
        sets.append(RRset(name=name, type="A" if version == 4 else "AAAA", ttl=ttl, records=tuple(sorted(chosen))))
    return tuple(sets)


def _numbers(shares: Sequence[float], most: Sequence[int]) -> list[int]:
    """How many addresses of each, at least one and at most ``most``, with the least error; fewer are better."""
    best: tuple[float, list[int]] | None = None
    for whole in range(len(shares), sum(most) + 1):
        numbers = [min(top, max(1, round(share * whole / 100))) for share, top in zip(shares, most, strict=True)]
        total = sum(numbers)
        error = max(abs(100 * number / total - share) for number, share in zip(numbers, shares, strict=True))
        if best is None or error < best[0] - 1e-9:
            best = error, numbers
    assert best is not None
    return best[1]


def mark_name(name: str) -> str:
    """Where the mark of a steered name is."""
    return f"{LABEL}.{name}"


def mark_set(name: str, content: bytes) -> RRset:
    """The mark as a TXT record: strings of at most 255 characters that need no quoting."""
    return RRset(
        name=mark_name(name), type="TXT", ttl=1, records=(_quoted(base64.urlsafe_b64encode(content).decode()),)
    )


def mark_content(record: str) -> bytes:
    """What `mark_set` was given. Raises ValueError for anything else."""
    return base64.urlsafe_b64decode("".join(record.replace('"', " ").split()))


def same(one: Iterable[RRset], other: Iterable[RRset]) -> bool:
    """Whether two lists of record sets answer alike."""
    return _known(one) == _known(other)


def _known(sets: Iterable[RRset]) -> set[tuple[str, str, int, tuple[str, ...]]]:
    return {(one.name, one.type, one.ttl, tuple(sorted(map(_spaced, one.records)))) for one in sets if one.records}


def _spaced(record: str) -> str:
    """Without the borders between a text's strings, which servers may move."""
    return " ".join(record.replace('" "', "").split())


def _quoted(text: str) -> str:
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))


def _version(text: str) -> int:
    try:
        return ipaddress.ip_address(text).version
    except ValueError as error:
        raise NotSupported(f"{text!r} is no IP address") from error
