"""The mover `image`."""

from __future__ import annotations

import time
from dataclasses import replace

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.drivers.mover.base import MoverDriver
from cloudsentry.drivers.mover.image.calls import CloudEnds
from cloudsentry.drivers.mover.image.ends import Copy, Ends, Standing
from cloudsentry.errors import Conflict, NoCapacity
from cloudsentry.records.moving import Findings, Memo, MoveOrder, Phase, Stride, Wish

MOST = 3
"""Hypervisors that one move tries: each costs a whole boot, while the server serves nobody."""

SNAPSHOTS = 3
"""Snapshots that one move asks for: of one that fails Nova takes the image away, as if none had been asked for."""

BAD = ("killed", "deleted", "pending_delete")
"""States of an image that never becomes active any more."""


class ImageMover(MoverDriver):
    """One server of a pool, with its disk. It is never alive at both clouds: the target boots what is proved off."""

    def __init__(self, source: str, target: str, *, connect: Connect = open_cloud) -> None:
        self._source, self._target = source, target
        self._ends = self._connected(connect)

    def _connected(self, connect: Connect) -> Ends:
        return CloudEnds(self._source, self._target, connect)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source!r}, {self._target!r})"

    def check(self, order: MoveOrder) -> Findings:
        """As the contract says."""
        return self._ends.check(order)

    def advance(self, phase: Phase, order: MoveOrder, memo: Memo) -> Stride:
        """As the contract says."""
        match phase:
            case "prepare":
                return self._prepare(order, memo)
            case "copy":
                return self._copy(order, memo)
            case "switch":
                return self._switch(order, memo)
            case "verify":
                return _granted(memo, [Wish(kind="loud"), Wish(kind="serving", percent=100, wave=1)])
            case "release":
                return self._release(order, memo)
            case _:
                return _done(memo)

    def undo(self, order: MoveOrder, memo: Memo) -> Stride:
        """The target's server first, and only when it is gone the source again; then what was copied."""
        new = self._ends.new(order)
        if new is not None:
            if new.task != "deleting":
                self._ends.remove_new(new.id)
            return waiting(memo, "the target's server goes")
        old = self._ends.old(order)
        if old is not None and old.status != "ACTIVE":
            if old.idle:
                self._ends.start(order)
            return waiting(memo, "the source starts")
        if not memo.get("unquiet-0-100"):
            return Stride(state="waiting", memo=memo, wish=Wish(kind="unquiet"), detail="weights as they were")
        if self._ends.drop_ports(order) or self._drop_images(order, memo):
            return waiting(memo, "what was made for the move goes")
        self._ends.unstage(order)
        return _done(memo)

    def _prepare(self, order: MoveOrder, memo: Memo) -> Stride:
        """Without clients, off, and with a snapshot that is whole."""
        quiet = Wish(kind="quiet")
        if not memo.get(quiet.key):
            return Stride(state="waiting", memo=memo, wish=quiet, detail="no new clients")
        old = self._ends.old(order)
        if old is None or old.status not in ("ACTIVE", "SHUTOFF"):
            raise Conflict(f"server {order.server} is {old.status if old else 'gone'}", cloud=order.source)
        if not old.off:
            if old.status == "ACTIVE" and old.idle:
                self._ends.stop(order)
            return waiting(memo, "stopping")
        whole = best(self._ends.snapshots(order))
        if whole is None:
            return waiting(asked_once_more(self._ends, order, memo), "snapshot asked for")
        if whole.status != "active":
            refuse(whole, order.source)
            return waiting(memo, f"snapshot {whole.status}")
        return _done(memo | {"image": whole.id, "size": whole.size, "hash": whole.hash})

    def _copy(self, order: MoveOrder, memo: Memo) -> Stride:
        """The same bytes are at the target: Glance's own checksums say so."""
        made = best(self._ends.copies(order))
        source = Copy(id=memo["image"], status="active", size=memo["size"], hash=memo["hash"])
        if made is None:
            self._ends.make_copy(order, source.id)
            return waiting(memo, "image made at the target")
        if made.status == "queued":
            began = time.monotonic()
            read = self._ends.fill(order, source, made.id)
            took = round(time.monotonic() - began, 3)
            return waiting(memo | {"copied": min(source.size, read), "read": read, "copy_seconds": took}, "copied")
        if made.status != "active":
            refuse(made, order.target)
            return waiting(memo, f"copy {made.status}")
        if (made.size, made.hash) != (source.size, source.hash):
            self._ends.drop(made.id, at_target=True)
            raise Conflict(f"the copy of image {source.id} differs: {made.hash} is not {source.hash}")
        return _done(memo | {"copy": made.id})

    def _switch(self, order: MoveOrder, memo: Memo) -> Stride:
        """Alive at the target, and only there; a member at weight 0 that answers."""
        old = self._ends.old(order)
        if old is None or not old.off:
            raise Conflict(f"server {order.server} is {old.status if old else 'gone'}, not off", cloud=order.source)
        new = self._ends.new(order)
        if new is None:
            if self._ends.lacking_ports(order):
                self._ends.make_port(order)
                return waiting(memo, "ports")
            self._ends.boot(_at(order, memo), memo["copy"])
            return waiting(memo, "booting")
        if new.status == "ERROR":
            return self._elsewhere(order, memo, new)
        if new.status != "ACTIVE":
            return waiting(memo, f"booting: {new.status}")
        if memo.get("server") != new.id:
            self._ends.keep_ports(order, new.id)
        memo = memo | {"server": new.id, "address": new.address}
        return _granted(memo, [Wish(kind="join"), Wish(kind="serving")])

    def _elsewhere(self, order: MoveOrder, memo: Memo, new: Standing) -> Stride:
        """What did not come up is removed and tried on the next hypervisor, where there is a choice."""
        if memo.get("failed") == new.id:
            return waiting(memo, "what did not come up goes")
        on = memo.get("on") or order.hypervisor or new.hypervisor
        avoid = list(dict.fromkeys([*memo.get("avoid", ()), *([on] if on else [])]))
        known = order.hypervisors or (self._ends.hypervisors() if on else ())
        left = [name for name in known if name not in avoid]
        if not left or len(avoid) >= MOST:
            raise NoCapacity(f"the new server is in ERROR: {new.fault or 'no reason given'}", cloud=order.target)
        if new.task != "deleting":
            self._ends.remove_new(new.id)
        return waiting(memo | {"avoid": avoid, "on": left[0], "failed": new.id}, f"{on} has no room: next {left[0]}")

    def _release(self, order: MoveOrder, memo: Memo) -> Stride:
        """The event wants it so; the old server and both images go."""
        adopt = Wish(kind="adopt")
        if not memo.get(adopt.key):
            return Stride(state="waiting", memo=memo, wish=adopt, detail="the event's new revision")
        old = self._ends.old(order)
        if old is not None:
            if old.task != "deleting":
                self._ends.remove(order)
            return waiting(memo, "the old server goes")
        if self._drop_images(order, memo):
            return waiting(memo, "images go")
        self._ends.unstage(order)
        return _done(memo)

    def _drop_images(self, order: MoveOrder, memo: Memo) -> int:
        """How many there were."""
        near = [one for one in self._ends.snapshots(order) if one.status not in BAD]
        far = [one for one in self._ends.copies(order) if one.status not in BAD]
        for one in near:
            self._ends.drop(one.id, at_target=False)
        for one in far:
            self._ends.drop(one.id, at_target=True)
        return len(near) + len(far)


def _at(order: MoveOrder, memo: Memo) -> MoveOrder:
    """The order for the hypervisor that its turn has come to."""
    on = memo.get("on")
    if not on or on == order.hypervisor:
        return order
    unit = f"{order.new_pool}@{on}" if order.hypervisor else order.mark.unit
    return replace(order, hypervisor=on, mark=replace(order.mark, unit=unit))


def best(copies: tuple[Copy, ...]) -> Copy | None:
    """A lost answer may have left two: the one that has come furthest, always the same; the other goes at the end."""
    order = ("active", "saving", "importing", "queued")
    ranked = sorted(copies, key=lambda one: (order.index(one.status) if one.status in order else len(order), one.id))
    return ranked[0] if ranked else None


def asked_once_more(ends: Ends, order: MoveOrder, memo: Memo) -> Memo:
    """A snapshot is asked for, and counted. Raises `Conflict` where too many have failed."""
    asked = memo.get("snapshots", 0) + 1
    if asked > SNAPSHOTS:
        raise Conflict(f"{SNAPSHOTS} snapshots of server {order.server} have failed", cloud=order.source)
    ends.snapshot(order)
    return memo | {"snapshots": asked}


def refuse(image: Copy, cloud: str) -> None:
    """Raises `Conflict` for an image that never becomes active any more."""
    if image.status in BAD:
        raise Conflict(f"image {image.id} is {image.status}", cloud=cloud)


def _granted(memo: Memo, wishes: list[Wish]) -> Stride:
    for wish in wishes:
        if not memo.get(wish.key):
            return Stride(state="waiting", memo=memo, wish=wish, detail=wish.kind)
    return _done(memo)


def waiting(memo: Memo, detail: str) -> Stride:
    """To be asked again."""
    return Stride(state="waiting", memo=memo, detail=detail)


def _done(memo: Memo) -> Stride:
    return Stride(state="done", memo=memo, done=1, wanted=1)
