"""The mover `replace`."""

from __future__ import annotations

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.drivers.mover.base import MoverDriver
from cloudsentry.drivers.mover.networks import joined
from cloudsentry.records.moving import Findings, Memo, MoveOrder, Phase, Stride, Wish

RAMP = (25, 50, 100)
"""Percent of their weights that new servers get, one after the other; each is one write per balancer."""


class ReplaceMover(MoverDriver):
    """New servers of the pool's template at the target, then the old ones go. The clouds are opened at `check`."""

    def __init__(self, source: str, target: str, *, connect: Connect = open_cloud) -> None:
        self._source, self._target, self._connect = source, target, connect

    def __repr__(self) -> str:
        return f"ReplaceMover({self._source!r}, {self._target!r})"

    def check(self, order: MoveOrder) -> Findings:
        """As the contract says; what the target lacks is found by planning, as for any other revision."""
        if order.server:
            return Findings(refusals=("replace moves pools: it cannot tell one server from its likes; take image",))
        networks = order.template.networks
        one = bool(networks) and joined(self._connect(self._source), self._connect(self._target), networks[0])
        return Findings(joined=one)

    def advance(self, phase: Phase, order: MoveOrder, memo: Memo) -> Stride:
        """Wave after wave within each phase: all waves serve at the target before the first old server goes."""
        return _next(memo, _wishes(phase, order))

    def undo(self, order: MoveOrder, memo: Memo) -> Stride:
        """The new pool is drained, taken out and deleted."""
        return _next(memo, [Wish(kind="ungrow")])


def _wishes(phase: Phase, order: MoveOrder) -> list[Wish]:
    waves = range(order.waves)
    match phase:
        case "prepare":
            return [Wish(kind="grow", wave=wave) for wave in waves]
        case "switch":
            return [Wish(kind="serving"), *(Wish(kind="weigh", percent=percent) for percent in RAMP)]
        case "verify":
            return [Wish(kind="serving", percent=RAMP[-1], wave=order.waves)]
        case "release":
            return [Wish(kind="shrink", wave=wave) for wave in waves]
        case _:
            return []


def _next(memo: Memo, wishes: list[Wish]) -> Stride:
    """The first wish that was not granted yet, or the end."""
    for index, wish in enumerate(wishes):
        if not memo.get(wish.key):
            return Stride(state="waiting", memo=memo, wish=wish, done=index, wanted=len(wishes), detail=wish.kind)
    return Stride(state="done", memo=memo, done=len(wishes), wanted=len(wishes))
