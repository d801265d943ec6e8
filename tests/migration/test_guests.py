"""The mover and real guests: disks go along, what does not converge is moved otherwise, and a move that is turned back
leaves nothing at the target."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from benchmarks.migration.clients import Session, asked, verified
from benchmarks.migration.measure import EVENT, LOADS, order_of
from benchmarks.migration.measure import guest as idle_guest
from benchmarks.migration.sites import HYPERVISORS, Link, Sites, run, until
from cloudsentry.drivers.mover.libvirt import LibvirtMover
from cloudsentry.drivers.pool.base import PoolScope
from cloudsentry.drivers.pool.libvirt import LibvirtPool
from cloudsentry.errors import Busy
from cloudsentry.records.marks import Mark
from cloudsentry.records.moving import PHASES, Memo, MoveOrder, Stride
from cloudsentry.records.orders import CreateServers, DeleteServers, Template
from cloudsentry.records.precopy import Policy

pytestmark = pytest.mark.migration


@pytest.fixture
def guest(sites: Sites) -> Iterator[tuple[MoveOrder, str]]:
    """(order, address) of a guest at home with a disk of its own, over an image that only home has."""
    base = sites.root / "home" / "lib" / "images" / "base.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", str(base), "16M")
    run("virsh", "-c", sites.uri("home"), "-q", "pool-refresh", "default")
    mark = Mark(event=EVENT, unit="guest@xeon1", op="made")
    template = Template(image="disk", flavor="m1.128", networks=("front",))
    pools = {name: LibvirtPool(name) for name in HYPERVISORS}
    try:
        pools["home"].act(
            CreateServers(unit=mark.unit, name="guest", count=1, template=template, hypervisor="xeon1", mark=mark)
        )
        [server] = pools["home"].observe(PoolScope(event=EVENT)).servers
        until(lambda: asked(sites, server.addresses[0], "/", 5), "the guest's web server", 240)
        yield order_of(server.id), server.addresses[0]
    finally:
        for pool in pools.values():
            left = tuple(server.id for server in pool.observe(PoolScope(event=EVENT)).servers)
            pool.act(DeleteServers(unit=mark.unit, ids=left))
        assert _disks(sites, "home") == ["base.qcow2"]
        assert _disks(sites, "away") == []


def _disks(sites: Sites, site: str) -> list[str]:
    return sorted(path.name for path in (sites.root / site / "lib" / "images").iterdir())


def test_a_disk_goes_along_and_the_way_back_brings_it_home(sites: Sites, guest: tuple[MoveOrder, str]) -> None:
    order, address = guest
    assert asked(sites, address, "/cgi-bin/disk?write,tournament") == "tournament"
    mover, memo = LibvirtMover("home", "away"), dict[str, object]()
    for phase in PHASES[: PHASES.index("release")]:
        memo = _through(lambda memo, phase=phase: mover.advance(phase, order, memo), memo)  # type: ignore[misc]
    assert asked(sites, address, "/cgi-bin/disk") == "tournament"
    assert f"{order.server}.qcow2" in _disks(sites, "away")
    assert asked(sites, address, "/cgi-bin/disk?write,final") == "final"

    # Another process turns it back.
    again = LibvirtMover("home", "away")
    _through(lambda memo: again.undo(order, memo), memo)
    assert asked(sites, address, "/cgi-bin/disk") == "final"
    assert sites.domains("away") == []
    assert _disks(sites, "away") == []


def test_turned_back_in_the_middle_of_the_copy_nothing_is_left(sites: Sites, guest: tuple[MoveOrder, str]) -> None:
    order, address = guest
    assert asked(sites, address, "/cgi-bin/work?48,random,20", 120) == "filled"
    mover = LibvirtMover("home", "away")
    memo = _through(lambda memo: mover.advance("prepare", order, memo), {})
    memo = _through(lambda memo: mover.advance("copy", order, memo), memo, stop="to send")
    again = LibvirtMover("home", "away")
    _through(lambda memo: again.undo(order, memo), memo)
    assert asked(sites, address, "/") == "guest"
    assert asked(sites, address, "/cgi-bin/verify", 120).split()[1] == "0"
    assert sites.domains("away") == []


def test_a_server_that_begins_to_outrun_the_path_arrives_by_other_means(
    sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites.between(Link(rtt_ms=40, rate_mbit=400))
    try:
        with idle_guest(sites, 256, LOADS["idle"]) as (server, address):
            order, mover = order_of(server), LibvirtMover("home", "away")
            monkeypatch.setattr(mover, "_policy", Policy(throttle=False))
            memo = _through(lambda memo: mover.advance("prepare", order, memo), {})
            assert memo["predicted"] is not None
            assert not memo["parameters"]["postcopy"]
            assert asked(sites, address, "/cgi-bin/work?96,random,0", 120) == "filled"
            session = Session(sites, address)
            memo = _through(lambda memo: mover.advance("copy", order, memo), memo)
            assert "MiB to send" in memo["changed"]
            assert (memo["begun"], memo["parameters"]["postcopy"]) == (2, True)
            assert session.survived()
            assert verified(sites, address).wrong == 0
            assert [site for site in HYPERVISORS if _runs(sites, site)] == ["away"]
    finally:
        sites.between(Link(rtt_ms=40))


def _runs(sites: Sites, site: str) -> bool:
    return bool(run("virsh", "-c", sites.uri(site), "list", "--name").split())


def _through(step: Callable[[Memo], Stride], memo: Memo, *, stop: str = "") -> Memo:
    """Again and again, every wish granted, until it is done, or says ``stop``."""
    end, pause = time.monotonic() + 600, threading.Event()
    while time.monotonic() < end:
        try:
            stride = step(memo)
        except Busy:
            pause.wait(0.2)
            continue
        memo = json.loads(json.dumps(stride.memo))
        if stride.wish is not None:
            memo[stride.wish.key] = True
        elif stride.state == "done" or (stop and stop in stride.detail):
            return memo
        else:
            pause.wait(0.1)
    raise AssertionError(f"no end: {stride}")
