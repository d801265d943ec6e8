"""How many of n fronts name which target, and the integer weights that tune finer than 1/n; pure.

A front's share of the clients is its weight's part of all weights; a target's is the sum over the fronts that name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WEIGHT_MOST = 256
NEAR = 0.005
"""Of each share: an error below which the smallest weights are taken."""

LEAST = 0.05
"""Percent: smaller shares are judged as this one; 256 to 1 over a few fronts gives no less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """For each front the index of its target and its weight, and for each target the percent that it really gets."""

    targets: tuple[int, ...]
    weights: tuple[int, ...]
    given: tuple[float, ...]


def spread(shares: Sequence[float], sizes: Sequence[int], *, weighed: bool) -> Spread | None:
    """The fronts and weights that give ``shares`` (percents that add up to 100) best; None where no front is left.

    ``sizes`` are the fronts' weights before the event, kept in proportion among the fronts of one target; one of 0
    gets no clients and stays so. The last fronts go to the first targets, so that the last target, which is home,
    keeps the first ones. Without ``weighed`` the sizes stand as they are.
    """
    serving = [index for index, size in enumerate(sizes) if size]
    counts = _counts(shares, len(serving))
    if counts is None:
        return None
    listed = [index for index in reversed(_of(shares)) for _ in range(counts[index])]
    turns = dict(zip(serving, listed, strict=True))
    owners = tuple(turns.get(index, len(shares) - 1) for index in range(len(sizes)))
    if not weighed:
        return _spread(shares, owners, tuple(sizes))
    total = [sum(size for size, owner in zip(sizes, owners, strict=True) if owner == index) for index in _of(shares)]
    wanted = [shares[owner] / total[owner] * size if size else None for size, owner in zip(sizes, owners, strict=True)]
    tried = (_spread(shares, owners, _scaled(wanted, top)) for top in range(1, WEIGHT_MOST + 1))
    best: tuple[float, Spread] | None = None
    for one in tried:
        error = _error(shares, one.given)
        if error <= NEAR:
            return one
        if best is None or error < best[0]:
            best = error, one
    assert best is not None
    return best[1]


def _of(shares: Sequence[float]) -> range:
    return range(len(shares))


def _counts(shares: Sequence[float], fronts: int) -> list[int] | None:
    """By largest remainder; who is to get anything gets a front."""
    if not fronts or sum(share > 0 for share in shares) > fronts:
        return None
    exact = [share * fronts / 100 for share in shares]
    counts = [max(int(part), int(share > 0)) for part, share in zip(exact, shares, strict=True)]
    while sum(counts) < fronts:
        counts[max(_of(shares), key=lambda index: (exact[index] - counts[index], shares[index]))] += 1
    while sum(counts) > fronts:
        rich = [index for index in _of(shares) if counts[index] > 1]
        counts[max(rich, key=lambda index: counts[index] - exact[index])] -= 1
    return counts


def _scaled(wanted: Sequence[float | None], top: int) -> tuple[int, ...]:
    most = max(one for one in wanted if one is not None)
    return tuple(0 if one is None else max(1, round(top * one / most)) for one in wanted)


def _spread(shares: Sequence[float], owners: tuple[int, ...], weights: tuple[int, ...]) -> Spread:
    whole = sum(weights) or 1
    given = tuple(
        100 * sum(weight for weight, owner in zip(weights, owners, strict=True) if owner == index) / whole
        for index in _of(shares)
    )
    return Spread(targets=owners, weights=weights, given=given)


def _error(shares: Sequence[float], given: Sequence[float]) -> float:
    return max(abs(got - share) / max(share, LEAST) for share, got in zip(shares, given, strict=True))
