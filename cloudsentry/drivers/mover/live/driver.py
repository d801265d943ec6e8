"""The mover `live`."""

from __future__ import annotations

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.drivers.mover.base import MoverDriver
from cloudsentry.drivers.mover.live.calls import NovaEnds
from cloudsentry.drivers.mover.live.ends import FAILED, RUNNING, Ends, Guest, Migration
from cloudsentry.errors import Conflict, NoCapacity
from cloudsentry.records.moving import Findings, Memo, MoveOrder, Phase, Stride, Wish


class LiveMover(MoverDriver):
    """One running server, to the order's hypervisor of the same cloud. Its address, disk and connections stay."""

    def __init__(self, source: str, target: str, *, connect: Connect = open_cloud) -> None:
        self._source, self._target = source, target
        self._ends = self._connected(connect)

    def _connected(self, connect: Connect) -> Ends:
        return NovaEnds(self._source, connect)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source!r}, {self._target!r})"

    def check(self, order: MoveOrder) -> Findings:
        """As the contract says."""
        if order.source != order.target:
            return Findings(refusals=(f"live moves stay within a cloud: {order.source} is not {order.target}",))
        return self._ends.check(order)

    def advance(self, phase: Phase, order: MoveOrder, memo: Memo) -> Stride:
        """As the contract says."""
        match phase:
            case "prepare":
                return self._prepare(order, memo)
            case "copy":
                return self._toward(order, memo, order.hypervisor, "copy")
            case "verify":
                return self._named(order, memo, order.mark.unit)
            case "release":
                return _granted(memo, Wish(kind="adopt"))
            case _:
                return _done(memo)

    def undo(self, order: MoveOrder, memo: Memo) -> Stride:
        """One under way is given up; one that has come is brought back, live as well."""
        guest = self._guest(order)
        if "from" not in memo or guest is None:
            return _done(memo)
        under_way = [one for one in self._newer(order, memo, "copy") if one.status in RUNNING]
        if under_way and under_way[0].dest != memo["from"]:
            if memo.get("given_up") != under_way[0].id:
                self._ends.abort(order, under_way[0].id)
            return _waiting(memo | {"given_up": under_way[0].id}, "giving it up")
        if guest.hypervisor != memo["from"] or guest.status == "MIGRATING":
            stride = self._toward(order, memo, memo["from"], "back")
            if stride.state != "done":
                return stride
        return self._named(order, memo, memo["unit"])

    def force(self, order: MoveOrder, memo: Memo) -> bool:
        """Ask for the end of the one under way; whether there was one."""
        under_way = [one for one in self._newer(order, memo, "copy") if one.status == "running"]
        if under_way:
            self._ends.force(order, under_way[0].id)
        return bool(under_way)

    def _prepare(self, order: MoveOrder, memo: Memo) -> Stride:
        """Where it was, and which migrations are older than ours, are known before one is asked for."""
        guest = self._guest(order)
        if guest is None or guest.status not in ("ACTIVE", "PAUSED"):
            raise Conflict(f"server {order.server} is {guest.status if guest else 'gone'}", cloud=order.source)
        return _done(memo | {"from": guest.hypervisor, "copy_after": self._newest(order)})

    def _toward(self, order: MoveOrder, memo: Memo, hypervisor: str, which: str) -> Stride:
        """The server runs on the hypervisor; asked for once, whatever became of the answer."""
        guest = self._guest(order)
        if guest is None:
            raise Conflict(f"server {order.server} is gone", cloud=order.source)
        if f"{which}_after" not in memo:
            memo = memo | {f"{which}_after": self._newest(order)}
            return _waiting(memo, "asking")
        mine = self._newer(order, memo, which)
        if guest.hypervisor == hypervisor and guest.status in ("ACTIVE", "PAUSED") and not guest.task:
            return _done(memo)
        if not mine:
            if guest.task:
                return _waiting(memo, guest.task)
            self._ends.migrate(order, hypervisor)
            return _waiting(memo, f"asked for {hypervisor}")
        newest = mine[0]
        if newest.status in FAILED and not guest.task:
            raise NoCapacity(
                f"live migration {newest.id} of {order.name} to {hypervisor} ended as {newest.status}",
                cloud=order.source,
            )
        memo = memo | {"migration": newest.id}
        if newest.status != "running":
            return _waiting(memo, f"migration {newest.id} {newest.status}")
        told = self._ends.progress(order, newest)
        return Stride(
            state="waiting",
            memo=memo,
            done=(told.memory_total - told.memory_left) // 2**20,
            wanted=told.memory_total // 2**20,
            detail=f"migration {newest.id} running",
        )

    def _named(self, order: MoveOrder, memo: Memo, unit: str) -> Stride:
        guest = self._guest(order)
        if guest is not None and guest.unit != unit:
            self._ends.mark(order, unit)
            return _waiting(memo, f"marked {unit}")
        return _done(memo)

    def _guest(self, order: MoveOrder) -> Guest | None:
        return self._ends.guest(order)

    def _newest(self, order: MoveOrder) -> int:
        return max((one.id for one in self._ends.migrations(order)), default=0)

    def _newer(self, order: MoveOrder, memo: Memo, which: str) -> tuple[Migration, ...]:
        """Those that were asked for since; nobody else asks for any, as the move holds the server's event."""
        after = memo.get(f"{which}_after", 0)
        return tuple(one for one in self._ends.migrations(order) if one.id > after)


def _granted(memo: Memo, wish: Wish) -> Stride:
    if memo.get(wish.key):
        return _done(memo)
    return Stride(state="waiting", memo=memo, wish=wish, detail=wish.kind)


def _waiting(memo: Memo, detail: str) -> Stride:
    return Stride(state="waiting", memo=memo, detail=detail)


def _done(memo: Memo) -> Stride:
    return Stride(state="done", memo=memo, done=1, wanted=1)
