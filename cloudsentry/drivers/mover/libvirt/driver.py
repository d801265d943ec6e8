"""The mover `libvirt`.

| phase   | what is so at its end                                                              |
|---------|------------------------------------------------------------------------------------|
| prepare | the server has no new clients; how fast it writes is known, parameters are chosen  |
| copy    | it runs at the target, with the memory and the disks that it had                   |
| switch  | nothing of it runs at the source; behind its balancers it answers at weight 0      |
| verify  | full weight; the target knows it for good                                          |
| release | the event's new revision; the source's definition and disks are gone               |

libvirt sees to it that a server is never alive twice. The source keeps its definition until the release, so that the
way back is the same migration the other way round.
"""

from __future__ import annotations

import dataclasses

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.clouds.libvirts import LibvirtSite
from cloudsentry.drivers.mover.base import MoverDriver
from cloudsentry.drivers.mover.libvirt import checking
from cloudsentry.drivers.mover.libvirt.ends import Asking, End
from cloudsentry.drivers.mover.libvirt.watching import Job, judge, rounds
from cloudsentry.errors import Busy, Conflict
from cloudsentry.records.moving import Findings, Memo, MoveOrder, Phase, Stride, Wish
from cloudsentry.records.precopy import MIB, Guest, Parameters, Policy, Route, choose, late_parameters, told

LOOKS = (1, 2)
"""Seconds for which the pages that the server writes are counted, twice: what does not grow with time is all of it."""
SATURATED = 1.25
"""The second count is at most so much of the first one, in bytes, where the server rewrites what it wrote before."""
DOWNTIME_MOST = 2_000_000
"""Milliseconds: the longest downtime that QEMU takes."""
BEGINNINGS = 4
"""How often a migration may be asked for before the move is given up."""


class LibvirtMover(MoverDriver):
    """One server, running, from a hypervisor of one site to one of another. ``connect`` is for the signature."""

    def __init__(self, source: str, target: str, *, connect: Connect = open_cloud) -> None:
        self._near, self._far = self._ends(source, target)
        self._policy = Policy()
        self._asking: Asking | None = None
        self._seen: dict[str, Memo] = {}

    def _ends(self, source: str, target: str) -> tuple[End, End]:
        return End(LibvirtSite(source)), End(LibvirtSite(target))

    def _asked(self, near: End, far: End, where: tuple[str, str], server: str) -> Asking:
        return Asking(near, far, where, server)

    def __repr__(self) -> str:
        return f"LibvirtMover({self._near.site.name!r}, {self._far.site.name!r})"

    def check(self, order: MoveOrder) -> Findings:
        """As the contract says, with what it would take: raises `Busy` while the pages that it writes are counted."""
        found = checking.check(self._near, self._far, order)
        if found.refusals:
            return found
        memo = self._seen.get(order.server) or {"from": found.hypervisor, "looks": []}
        if len(memo["looks"]) < len(LOOKS):
            stride = self._measure(order, memo)
            self._seen[order.server] = stride.memo
            after = LOOKS[min(len(memo["looks"]), len(LOOKS) - 1)] + 0.1
            raise Busy(stride.detail, cloud=order.source, after=after)
        choice = choose(self.guest_of(memo), self._path(), self._policy)
        copying = (found.copy_bytes - found.memory_mb * MIB) / self._path().through(1)
        return dataclasses.replace(found, seconds=copying + choice.prediction.total, why=told(choice))

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
                return _granted(memo, Wish(kind="loud"), Wish(kind="serving", percent=100, wave=1))
            case "release":
                return self._release(order, memo)
            case _:
                return _done(memo)

    def force(self, order: MoveOrder, memo: Memo) -> bool:
        """The end now: by post-copy where it was asked for with it, else by as long a downtime as it takes."""
        near = self._near.standing(order.server)
        job = self._near.job(near.hypervisor, order.server) if near is not None and near.active else None
        if near is None or job is None or job.late:
            return False
        if memo.get("parameters", {}).get("postcopy"):
            self._near.postcopy(near.hypervisor, order.server)
        else:
            seconds = job.left / job.speed if job.speed > 0 else 1.0
            self._near.downtime(near.hypervisor, order.server, min(DOWNTIME_MOST, round(2000 * seconds) + 1000))
        return True

    # Forwards

    def _prepare(self, order: MoveOrder, memo: Memo) -> Stride:
        """Measured while it serves; its clients go elsewhere only then."""
        if "from" not in memo:
            near, far = checking.place(self._near, self._far, order)
            if not near:
                raise Conflict(f"server {order.server} is gone", cloud=order.source)
            return _waiting(memo | {"from": near, "to": far, "looks": []}, f"from {near} to {far}")
        if len(memo["looks"]) < len(LOOKS):
            return self._measure(order, memo)
        if "parameters" not in memo:
            choice = choose(self.guest_of(memo), self._path(), self._policy)
            chosen = {
                "parameters": dataclasses.asdict(choice.parameters),
                "predicted": dataclasses.asdict(choice.prediction) if choice.prediction.converges else None,
                "promised": choice.promised,
                "why": list(choice.why),
            }
            return _waiting(memo | chosen, "; ".join(choice.why))
        return _granted(memo, Wish(kind="quiet"))

    def _measure(self, order: MoveOrder, memo: Memo) -> Stride:
        looks = memo["looks"]
        if memo.get("looking") != len(looks):
            self._near.look_begins(memo["from"], order.server, LOOKS[len(looks)])
            return _waiting(memo | {"looking": len(looks)}, "counting the pages that it writes")
        found = self._near.look_ends(memo["from"], order.server)
        if found is None:
            return _waiting(memo, "counting the pages that it writes")
        return _waiting(memo | {"looks": [*looks, [found.memory, found.dirty]]}, f"{found.dirty / 1e6:.0f} MB/s")

    @staticmethod
    def guest_of(memo: Memo) -> Guest:
        """Where a longer count finds hardly more, the server writes all of a certain part faster than can be told."""
        (memory, short), (_, long) = memo["looks"]
        first, second = short * LOOKS[0], long * LOOKS[1]
        if first > 0 and second <= SATURATED * first:
            return Guest(memory=memory, dirty=float("inf"), hot=max(first, second))
        return Guest(memory=memory, dirty=max(short, long))

    def _path(self) -> Route:
        told = self._near.site.file.path(self._near.site.name, self._far.site.name)
        return Route(bandwidth=told.bandwidth_mbit * 1e6 / 8, rtt=told.rtt_ms / 1000)

    def _copy(self, order: MoveOrder, memo: Memo) -> Stride:
        """Until it runs at the target; a migration that does not come to an end is helped, or asked for otherwise."""
        near, far = self._near.standing(order.server), self._far.standing(order.server)
        if far is not None and far.running and (near is None or not near.active):
            ending = self._asking is not None and self._asking.waiting
            return _waiting(memo, "the hypervisors finish") if ending else _done(memo)
        if near is None or not near.active:
            raise Conflict(f"server {order.server} runs neither at {order.source} nor at {order.target}")
        job = self._near.job(near.hypervisor, order.server)
        if job is not None:
            return self._watch(order, memo, job)
        if self._asking is not None and self._asking.waiting:
            return _waiting(memo, "the hypervisors agree")
        again = self._near.standing(order.server)
        if again is None or not again.active:
            # It arrived between the two looks: what ended well is not to be asked for again.
            return _waiting(memo, "arriving")
        return self._begin(order, memo, broken=near.broken)

    def _begin(self, order: MoveOrder, memo: Memo, *, broken: bool) -> Stride:
        if self._asking is not None:
            asked, self._asking = self._asking, None
            if not memo.get("given_up"):
                asked.failed()
        begun = memo.get("begun", 0)
        if begun >= BEGINNINGS:
            raise Conflict(f"the migration ended {begun} times without having moved the server", cloud=order.source)
        parameters = Parameters(**memo["parameters"])
        if not broken:
            self._near.downtime(memo["from"], order.server, parameters.downtime)
        disks = bool(checking.to_copy(self._near, self._far, self._near.shape(memo["from"], order.server)))
        self._asking = self._asked(self._near, self._far, (memo["from"], memo["to"]), order.server)
        self._asking.begin(parameters, disks=disks, resume=broken)
        fresh = {"begun": begun + 1, "stalled": 0, "round": 0, "least": 0, "downtime": parameters.downtime}
        return _waiting(memo | fresh | {"given_up": False}, "asked for")

    def _watch(self, order: MoveOrder, memo: Memo, job: Job) -> Stride:
        if memo.get("given_up"):
            return _waiting(memo, "ends, to be asked for with post-copy")
        parameters = Parameters(**memo["parameters"])
        memo = memo | rounds(memo, job)
        where = (memo["from"], order.server)
        match judge(job, parameters, self._policy, memo["stalled"], memo["downtime"]):
            case "postcopy":
                self._near.postcopy(*where)
                return _waiting(memo | {"switched": True}, "post-copy begins")
            case "patience":
                longer = round(950 * self._policy.gap)
                self._near.downtime(*where, longer)
                return _waiting(memo | {"downtime": longer, "stalled": 0}, f"the downtime may be {longer} ms")
            case "otherwise":
                late = late_parameters(self._path(), parameters.downtime)
                self._near.abort(*where)
                memo |= {"parameters": dataclasses.asdict(late), "given_up": True}
                memo |= {"changed": job.told, "spent": job.elapsed}
                return _waiting(memo, f"does not converge ({job.told}): post-copy instead")
            case "never":
                raise Conflict(
                    f"does not converge ({job.told}), and the policy allows no post-copy", cloud=order.source
                )
            case _:
                done = max(0, job.total - job.left)
                return Stride(state="waiting", memo=memo, done=done, wanted=job.total, detail=job.told)

    def _switch(self, order: MoveOrder, memo: Memo) -> Stride:
        near, far = self._near.standing(order.server), self._far.standing(order.server)
        if near is not None and near.active:
            raise Conflict(f"server {order.server} is still alive at {near.hypervisor}", cloud=order.source)
        if far is None or not far.running:
            raise Conflict(f"server {order.server} does not run at {order.target}")
        identity = self._far.identity(far.hypervisor, order.server)
        if identity is None:
            raise Conflict(f"server {order.server} lost its mark", cloud=order.target)
        address = identity.addresses[0] if identity.addresses else ""
        memo = memo | {"server": order.server, "address": address, "to": far.hypervisor}
        return _granted(memo, Wish(kind="join"), Wish(kind="serving"))

    def _release(self, order: MoveOrder, memo: Memo) -> Stride:
        """The mark first: the event's new revision counts the servers that bear it."""
        far = self._far.standing(order.server)
        if far is None or not far.running:
            raise Conflict(f"server {order.server} does not run at {order.target}")
        identity = self._far.identity(far.hypervisor, order.server)
        if identity is not None and identity.mark != order.mark:
            self._far.mark(far.hypervisor, order.server, dataclasses.replace(identity, mark=order.mark))
            return _waiting(memo, "the server's new mark")
        adopt = Wish(kind="adopt")
        if not memo.get(adopt.key):
            return Stride(state="waiting", memo=memo, wish=adopt, detail="the event's new revision")
        return self._cleared(self._near, self._far, order, memo)

    # Backwards

    def undo(self, order: MoveOrder, memo: Memo) -> Stride:
        """Ended where it is under way, moved back where it has arrived; then the target forgets it."""
        near, far = self._near.standing(order.server), self._far.standing(order.server)
        if near is not None and near.active:
            job = self._near.job(near.hypervisor, order.server)
            if job is not None:
                return self._stopped(order, memo, near.hypervisor, job)
        back = self._far.job(far.hypervisor, order.server) if far is not None and far.active else None
        if far is not None and back is not None:
            if memo.get("parameters", {}).get("postcopy") and back.round >= 2 and not back.late and not back.disks:
                self._far.postcopy(far.hypervisor, order.server)
            return _waiting(memo, f"back: {back.told}")
        if near is not None and near.active:
            if self._asking is not None and self._asking.waiting:
                return _waiting(memo, "the migration ends")
            if near.broken:
                # Its memory is at both sites: it must arrive before it can come back.
                return self._begin(order, memo, broken=True)
        if far is not None and far.running and (near is None or not near.active):
            return self._returned(order, memo, far.hypervisor)
        if (far is not None and far.active) or (near is not None and near.active and not near.running):
            raise Busy(f"server {order.server} is between the sites", cloud=order.target, after=1.0)
        if near is None:
            raise Conflict(f"server {order.server} is at neither site", cloud=order.source)
        if not near.active:
            again = self._near.standing(order.server)
            if again is not None and not again.active:
                # Off at the source before and after it was seen off at the target: it is alive nowhere.
                self._near.start(near.hypervisor, order.server)
            return _waiting(memo, "the source starts")
        if not memo.get("unquiet-0-100"):
            return Stride(state="waiting", memo=memo, wish=Wish(kind="unquiet"), detail="weights as they were")
        return self._cleared(self._far, self._near, order, memo)

    def _stopped(self, order: MoveOrder, memo: Memo, hypervisor: str, job: Job) -> Stride:
        if job.late:
            # Its memory is at both sites: only the target can go on, and comes back when it is whole.
            return _waiting(memo, job.told)
        self._near.abort(hypervisor, order.server)
        return _waiting(memo, "the migration is ended")

    def _returned(self, order: MoveOrder, memo: Memo, hypervisor: str) -> Stride:
        """The same the other way; what was chosen for the way there is good for the way back."""
        if self._asking is not None and self._asking.waiting:
            return _waiting(memo, "back: the hypervisors agree")
        again = self._far.standing(order.server)
        if again is None or not again.running:
            return _waiting(memo, "back: arriving")
        if memo.get("returning") and self._asking is not None:
            self._asking.failed()
        chosen = memo.get("parameters", {})
        disks = bool(checking.to_copy(self._near, self._far, self._far.shape(hypervisor, order.server)))
        self._asking = self._asked(self._far, self._near, (hypervisor, memo["from"]), order.server)
        self._asking.begin(Parameters(**chosen), disks=disks)
        return _waiting(memo | {"returning": True}, "back: asked for")

    def _cleared(self, empty: End, full: End, order: MoveOrder, memo: Memo) -> Stride:
        """The end that the server has left, or never reached, knows nothing of it."""
        standing = full.standing(order.server)
        if standing is None:
            raise Conflict(f"server {order.server} is gone", cloud=full.site.name)
        told = full.shape(standing.hypervisor, order.server)
        mine = tuple(path for path in checking.to_copy(empty, full, told) if order.server in path)
        hypervisor = memo["from" if empty is self._near else "to"] if "from" in memo else ""
        if hypervisor and mine and empty.drop_files(hypervisor, mine):
            return _waiting(memo, "disks go")
        left = empty.standing(order.server)
        if left is not None:
            empty.forget(left.hypervisor, order.server)
            return _waiting(memo, f"{left.hypervisor} forgets it")
        return _done(memo)


def _granted(memo: Memo, *wishes: Wish) -> Stride:
    for wish in wishes:
        if not memo.get(wish.key):
            return Stride(state="waiting", memo=memo, wish=wish, detail=wish.kind)
    return _done(memo)


def _waiting(memo: Memo, detail: str) -> Stride:
    return Stride(state="waiting", memo=memo, detail=detail)


def _done(memo: Memo) -> Stride:
    return Stride(state="done", memo=memo, done=1, wanted=1)
