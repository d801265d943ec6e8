"""The mover `warm`: `image` with its disk brought beside the target's Glance beforehand.

As live migration copies memory in rounds, so are here snapshots of the running server: each round sends the blocks that
no earlier one had. What is left for the time without the server is one more snapshot, its changed blocks, and the image
that the conversion host puts into the target's Glance while they come.
"""

from __future__ import annotations

import time
from dataclasses import replace

from cloudsentry.drivers.mover.image.driver import BAD, ImageMover, asked_once_more, best, refuse, waiting
from cloudsentry.errors import Conflict
from cloudsentry.records.moving import Findings, Memo, MoveOrder, Stride

ROUNDS = 4
"""Snapshots of the running server at most: each burdens its hypervisor with a read of the whole disk."""

SHORT = 5.0
"""Seconds of sending after which a further round would save less than its snapshot costs."""


class WarmMover(ImageMover):
    """One server of a pool, with its disk. Where it is stopped already there is nothing to do beforehand."""

    def check(self, order: MoveOrder) -> Findings:
        """As the contract says."""
        found = super().check(order)
        if found.hosted:
            return found
        reason = f"cloud {order.target} has no conversion_host in clouds.yaml, which warm needs beside its Glance"
        return replace(found, refusals=(*found.refusals, reason))

    def _prepare(self, order: MoveOrder, memo: Memo) -> Stride:
        return super()._prepare(order, memo) if memo.get("staged") else self._stage(order, memo)

    def _stage(self, order: MoveOrder, memo: Memo) -> Stride:
        """While it runs: rounds, and all that the switch needs and that nobody can notice."""
        old = self._ends.old(order)
        if old is None or old.status not in ("ACTIVE", "SHUTOFF"):
            raise Conflict(f"server {order.server} is {old.status if old else 'gone'}", cloud=order.source)
        number = memo.get("round", 0)
        if old.off or _converged(memo.get("rounds", [])):
            if self._ends.lacking_ports(order):
                self._ends.make_port(order)
                return waiting(memo, "ports, bound to nobody")
            return waiting(memo | {"staged": True}, "the disk is beside the target's Glance")
        early = _of_round(order, number)
        whole = best(self._ends.snapshots(early))
        if whole is None:
            memo = asked_once_more(self._ends, early, memo)
            return waiting(memo, f"round {number + 1}: snapshot of the running server")
        if whole.status != "active":
            refuse(whole, order.source)
            return waiting(memo, f"round {number + 1}: snapshot {whole.status}")
        if not self._ends.copies(order):
            self._ends.make_copy(order, whole.id)
            return waiting(memo, "image made at the target")
        began = time.monotonic()
        sent = self._ends.stage(order, whole)
        rounds = [*memo.get("rounds", []), {"sent": sent, "seconds": round(time.monotonic() - began, 3)}]
        self._ends.drop(whole.id, at_target=False)
        memo = memo | {"round": number + 1, "rounds": rounds, "snapshots": 0}
        return waiting(memo, f"round {number + 1}: {sent / 2**20:.1f} MiB")

    def _copy(self, order: MoveOrder, memo: Memo) -> Stride:
        """As `image`; what crossed in the gap is not what the path is measured by."""
        stride = super()._copy(order, memo)
        if stride.memo.get("copy_seconds") == memo.get("copy_seconds"):
            return stride
        told = {key: stride.memo[key] for key in ("read", "copy_seconds")}
        first = memo["rounds"][0] if memo.get("rounds") else {"sent": told["read"], "seconds": told["copy_seconds"]}
        rate = {"copied": first["sent"], "copy_seconds": first["seconds"]}
        return replace(
            stride, memo=stride.memo | rate | {"gap_sent": told["read"], "gap_seconds": told["copy_seconds"]}
        )

    def _drop_images(self, order: MoveOrder, memo: Memo) -> int:
        """With those of the rounds: a process that was killed may have left any of them."""
        early = [_of_round(order, number) for number in range(memo.get("round", 0) + 1)]
        left = [one for each in early for one in self._ends.snapshots(each) if one.status not in BAD]
        for one in left:
            self._ends.drop(one.id, at_target=False)
        return len(left) + super()._drop_images(order, memo)


def _of_round(order: MoveOrder, number: int) -> MoveOrder:
    """The order by whose tag a round's snapshot is known."""
    return replace(order, mark=replace(order.mark, op=f"{order.mark.op}-{number}"))


def _converged(rounds: list[dict[str, float]]) -> bool:
    """Whether a further round would not pay: the last was short, or sent no less than half of the one before."""
    if not rounds:
        return False
    last = rounds[-1]
    stuck = len(rounds) > 1 and last["sent"] * 2 > rounds[-2]["sent"]
    return last["seconds"] <= SHORT or stuck or len(rounds) >= ROUNDS
