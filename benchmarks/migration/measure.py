"""One guest, moved once, and everything that is to be known of it."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.migration.clients import Pinging, Session, asked, verified
from benchmarks.migration.sites import HYPERVISORS, WINDOWS_DEFAULT, Link, Sites, until
from benchmarks.migration.timeline import Times, Watching
from cloudsentry.clouds import hypervisors
from cloudsentry.clouds.libvirts import LibvirtSite, libvirt
from cloudsentry.drivers.mover.libvirt import LibvirtMover
from cloudsentry.drivers.mover.libvirt.ends import Asking, End
from cloudsentry.drivers.mover.libvirt.watching import rounds
from cloudsentry.drivers.pool.base import PoolScope
from cloudsentry.drivers.pool.libvirt import LibvirtPool
from cloudsentry.records.marks import Mark
from cloudsentry.records.moving import PHASES, Memo, MoveOrder, Phase
from cloudsentry.records.orders import CreateServers, DeleteServers, Template
from cloudsentry.records.precopy import DEFAULTS, MIB, Route, predict

EVENT = "migration"
LOOK = 0.25
STALLED = 10
"""Rounds that gained nothing together are proof enough that a migration never ends, once half of the time that it is
given has gone by."""
HOME, AWAY = "home", "away"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the guest does. ``share`` of its memory is written, at ``rate`` MB/s of pages (0: as fast as it can)."""

    name: str
    mode: str
    share: float
    rate: float

    def megabytes(self, memory: int) -> int:
        """How much of a guest's memory the writer fills."""
        return max(16, int(memory * self.share))


LOADS = {
    "idle": Load(name="idle", mode="idle", share=0.06, rate=0),
    "sequential": Load(name="sequential", mode="seq", share=0.5, rate=40),
    "random": Load(name="random", mode="random", share=0.5, rate=40),
    "flood": Load(name="flood", mode="random", share=0.5, rate=0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A cell of the matrix. ``way``: ``defaults`` of the hypervisor, or ``chosen`` by cloudsentry."""

    memory: int
    link: Link
    load: Load
    way: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was measured, seconds and MiB. ``total`` is libvirt's own time from the first step to the last, of all
    attempts together, None where it never ended in the time given; ``gap`` the longest silence that a client saw;
    ``looked`` what the measuring beforehand took, ``wall`` what somebody waited who asked; ``window`` the MiB of TCP
    windows that the sites were given because it was advised, 0 for Linux' own; ``proof`` of one that never ends."""

    memory: int
    rtt_ms: float
    rate_mbit: float
    load: str
    way: str
    total: float | None
    wall: float
    downtime: float | None
    gap: float | None
    rounds: int
    sent: float
    looked: float
    guest_rate: float
    intact: bool
    session: bool
    parameters: dict[str, Any]
    predicted: dict[str, Any] | None
    promised: bool
    begun: int
    why: list[str]
    window: int
    proof: str
    times: Times
    machine_load: float


@contextmanager
def guest(sites: Sites, memory: int, load: Load) -> Iterator[tuple[str, str]]:
    """(id, address) of a guest at the first site that carries its load; gone afterwards, wherever it is then."""
    os.environ[hypervisors.VARIABLE] = str(sites.config)
    pools = {site: LibvirtPool(site) for site in (HOME, AWAY)}
    mark = Mark(event=EVENT, unit=f"guest@{HYPERVISORS[HOME]}", op=uuid.uuid4().hex[:12])
    template = Template(image="tiny", flavor=f"m1.{memory}", networks=("front",))
    order = CreateServers(
        unit=mark.unit, name="guest", count=1, template=template, hypervisor=HYPERVISORS[HOME], mark=mark
    )
    try:
        pools[HOME].act(order)
        [server] = pools[HOME].observe(PoolScope(event=EVENT)).servers
        address = server.addresses[0]
        until(lambda: asked(sites, address, "/", 2), "the guest's web server", 240)
        asked(sites, address, f"/cgi-bin/work?{load.megabytes(memory)},{load.mode},{load.rate:g}", 240)
        threading.Event().wait(2.0)
        yield server.id, address
    finally:
        for pool in pools.values():
            for server in pool.observe(PoolScope(event=EVENT)).servers:
                pool.act(DeleteServers(unit=mark.unit, ids=(server.id,)))


def order_of(server: str) -> MoveOrder:
    """What the mover is asked."""
    return MoveOrder(
        event=EVENT,
        pool="guest",
        new_pool="guest-away",
        source=HOME,
        target=AWAY,
        driver="libvirt",
        count=1,
        server=server,
        name="guest",
        template=Template(image="tiny", flavor="m1.tiny"),
        mark=Mark(event=EVENT, unit="guest-away@any", op="moved"),
    )


def through(mover: LibvirtMover, order: MoveOrder, memo: Memo, phases: tuple[Phase, ...], seconds: float) -> Memo:
    """Phase by phase, every wish granted; the memo at the end, or at the end of the time."""
    end, pause = time.monotonic() + seconds, threading.Event()
    for phase in phases:
        while True:
            stride = mover.advance(phase, order, memo)
            memo = dict(stride.memo)
            if stride.wish is not None:
                memo[stride.wish.key] = True
                continue
            if stride.state == "done":
                break
            if time.monotonic() > end:
                return memo | {"late": True}
            pause.wait(LOOK)
    return memo


def measure(sites: Sites, case: Case, *, seconds: float = 60.0) -> Result:
    """Boot, load, move, look. Raises what the mover raises."""
    with guest(sites, case.memory, case.load) as (server, address):
        mover, order = LibvirtMover(HOME, AWAY), order_of(server)
        began = time.monotonic()
        # Measured for both, so that both guests have lived as long; the defaults make no use of it.
        memo = through(mover, order, {}, ("prepare",), 120)
        looked = time.monotonic() - began
        rate = float(asked(sites, address, "/rate", 5) or 0)
        chosen = case.way == "chosen"
        window = _windows(sites, case.link, memo["parameters"]["window"] if chosen else 0)
        watching, session, pings = Watching(sites, address), Session(sites, address), Pinging(sites, address)
        watching.restart()
        began = time.monotonic()
        memo = through(mover, order, memo, ("copy",), seconds) if chosen else memo | _by_default(order, seconds)
        wall, busy = time.monotonic() - began, watching.busy()
        late = bool(memo.get("late"))
        told = _given_up(mover, order, memo) if late else _completed(memo["from"], server)
        total = None if late else told["time_elapsed"] / 1000 + memo.get("spent", 0.0)
        gap = pings.gap()
        times, survived = watching.ended(pings.answered, busy), session.survived()
        verdict = verified(sites, address)
        if not late:
            through(mover, order, memo, PHASES[PHASES.index("switch") :], 120)
        seen = {"gap": None if late else gap, "intact": verdict.wrong == 0, "session": survived, "times": times}
        seen |= {"total": total, "wall": wall, "looked": looked, "guest_rate": rate, "window": window}
        return _result(case, memo, told, seen)


def _windows(sites: Sites, link: Link, advised: int) -> int:
    """What an operator does who follows the advice: both hosts' TCP windows are so. Returns MiB, 0 for Linux' own."""
    names = [*WINDOWS_DEFAULT]
    wanted = {name: " ".join([*WINDOWS_DEFAULT[name].split()[:2], str(advised)]) for name in names}
    sites.between(link, windows=wanted if advised else None)
    return advised // MIB


def _by_default(order: MoveOrder, seconds: float) -> Memo:
    """As `virsh migrate --live --p2p --persistent` asks."""
    near, far = End(LibvirtSite(HOME)), End(LibvirtSite(AWAY))
    asking = Asking(near, far, (HYPERVISORS[HOME], HYPERVISORS[AWAY]), order.server)
    half, end, pause = time.monotonic() + seconds / 2, time.monotonic() + seconds, threading.Event()
    asking.begin(DEFAULTS, disks=False)
    seen = {"round": 0, "least": 0, "stalled": 0}
    while asking.waiting:
        job = near.job(HYPERVISORS[HOME], order.server)
        if job is not None:
            seen |= rounds(seen, job)
        if time.monotonic() > (half if seen["stalled"] >= STALLED else end):
            proof = f"{seen['stalled']} rounds in a row gained nothing on {seen['least'] / MIB:.0f} MiB"
            return {"late": True, "from": HYPERVISORS[HOME], "proof": proof}
        pause.wait(LOOK)
    asking.failed()
    return {"from": HYPERVISORS[HOME], "begun": 1}


def _completed(hypervisor: str, server: str) -> dict[str, Any]:
    """libvirt's figures of a migration that has ended."""
    domain = LibvirtSite(HOME).domain(hypervisor, server)
    told: dict[str, Any] = {}

    def there() -> bool:
        told.update(domain.jobStats(libvirt().VIR_DOMAIN_JOB_STATS_COMPLETED))
        return "time_elapsed" in told

    until(there, "libvirt's figures of the migration")
    return told


def _given_up(mover: LibvirtMover, order: MoveOrder, memo: Memo) -> dict[str, Any]:
    """The figures of one that does not end, and its end."""
    domain = LibvirtSite(HOME).domain(HYPERVISORS[HOME], order.server)
    told = dict(domain.jobStats())
    pause = threading.Event()
    for _ in range(1200):
        stride = mover.undo(order, memo | {"unquiet-0-100": True})
        memo = dict(stride.memo)
        if stride.state == "done":
            return told
        pause.wait(LOOK)
    raise SystemExit("a migration could not be ended")


def _result(case: Case, memo: Memo, told: dict[str, Any], seen: dict[str, Any]) -> Result:
    path = Route(bandwidth=case.link.rate_mbit * 1e6 / 8, rtt=case.link.rtt_ms / 1000)
    by_default = predict(LibvirtMover.guest_of(memo), path)
    chosen = case.way == "chosen"
    predicted = memo.get("predicted") if chosen else dataclasses.asdict(by_default)
    return Result(
        memory=case.memory,
        rtt_ms=case.link.rtt_ms,
        rate_mbit=case.link.rate_mbit,
        load=case.load.name,
        way=case.way,
        downtime=told.get("downtime", 0) / 1000 if seen["total"] is not None else None,
        rounds=int(told.get("memory_iteration", 0)),
        sent=round(told.get("memory_processed", 0) / 2**20, 1),
        parameters=memo["parameters"] if chosen else dataclasses.asdict(DEFAULTS),
        predicted=predicted if predicted and predicted["converges"] else None,
        promised=chosen and bool(memo.get("promised")),
        begun=int(memo.get("begun", 0)),
        why=list(memo.get("why", ())) if chosen else [],
        proof=str(memo.get("proof", "")),
        machine_load=os.getloadavg()[0],
        **seen,
    )
