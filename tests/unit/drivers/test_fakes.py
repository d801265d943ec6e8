"""The fakes: faults on order, worlds that outlive a killed process, and clouds of size."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from cloudsentry.clouds.fake import FOLDER
from cloudsentry.drivers.balancer.base import BalancerScope
from cloudsentry.drivers.balancer.fake import FakeBalancer, FakeBalancers
from cloudsentry.drivers.pool.base import PoolScope
from cloudsentry.drivers.pool.fake import FakeCloud, FakeHypervisor, FakePool, FaultRule
from cloudsentry.errors import Ambiguous, Busy, Conflict, Denied, NoCapacity, NotSupported, Unreachable
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import (
    CreateBalancer,
    CreateServerGroup,
    CreateServers,
    DeleteServers,
    SetMembers,
    StartServers,
    Template,
)
from cloudsentry.records.views import Member

SCOPE = PoolScope(event="final", groups=True)


@pytest.fixture(autouse=True)
def worlds(monkeypatch):
    """Each test has its own."""
    monkeypatch.delenv(FOLDER, raising=False)
    yield
    FakeCloud.forget()
    FakeBalancers.forget()


def order(count=1, op="op1", **pin):
    template = Template(image="tiny", flavor="small", networks=("front",))
    mark = Mark(event="final", unit="front", op=op)
    return CreateServers(unit="front", name="final-front", count=count, template=template, mark=mark, **pin)


def settled(pool, wish, looks=5):
    views = [pool.observe(SCOPE) for _ in range(looks)]
    return wish.progress(views[-1]).state


@pytest.mark.parametrize(
    ("kind", "error", "made"),
    [
        ("busy", Busy, 0),
        ("unreachable", Unreachable, 0),
        ("ambiguous_before", Ambiguous, 0),
        ("ambiguous_after", Ambiguous, 1),
        ("denied", Denied, 0),
        ("nocapacity", NoCapacity, 0),
    ],
)
def test_the_second_call_fails_as_ordered(kind, error, made):
    pool = FakePool("a")
    FakeCloud.named("a").faults.append(FaultRule(verb="CreateServers", nth=2, kind=kind))
    pool.act(order(op="op1"))
    with pytest.raises(error):
        pool.act(order(op="op2"))
    assert [server.mark.op for server in pool.observe(SCOPE).servers].count("op2") == made
    pool.act(order(op="op3"))


def test_a_server_in_error_as_ordered():
    pool = FakePool("a")
    FakeCloud.named("a").faults.append(FaultRule(verb="CreateServers", kind="error_server", count=1))
    wish = order(count=3)
    pool.act(wish)
    assert settled(pool, wish) == "failed"
    assert sorted(server.status for server in pool.observe(SCOPE).servers) == ["ACTIVE", "ACTIVE", "ERROR"]


def test_busy_says_how_long():
    FakeCloud.named("a").faults.append(FaultRule(verb="observe", kind="busy", after=7.0))
    with pytest.raises(Busy) as caught:
        FakePool("a").observe(SCOPE)
    assert caught.value.after == 7.0


def test_a_boot_takes_looks_and_no_time():
    pool, wish = FakePool("a"), order()
    with FakeCloud.named("a").work() as state:
        state.boot_looks = 3
    pool.act(wish)
    seen = [pool.observe(SCOPE).servers[0].status for _ in range(5)]
    assert seen == ["BUILD", "BUILD", "BUILD", "ACTIVE", "ACTIVE"]


def test_a_full_hypervisor_leaves_servers_in_error_as_nova_s_scheduler_does():
    pool, wish = FakePool("a"), order(count=3, hypervisor="xeon1")
    with FakeCloud.named("a").work() as state:
        state.hypervisors["xeon1"].room = 2
    pool.act(wish)
    assert settled(pool, wish) == "failed"
    view = pool.observe(PoolScope(event="final", full=True, hypervisors=("xeon1",)))
    assert [host.free_vcpus for host in view.hypervisors] == [2]
    assert {(server.status, server.fault) for server in view.servers} == {("ERROR", "No valid host was found.")}


def test_a_group_keeps_servers_apart_until_there_is_no_hypervisor_left():
    pool = FakePool("a")
    mark = Mark(event="final", unit="front", op="g")
    pool.act(CreateServerGroup(unit="front", name="cloudsentry.final.g", policy="anti-affinity", mark=mark))
    wish = order(count=4, group="cloudsentry.final.g")
    pool.act(wish)
    assert settled(pool, wish) == "done"
    servers = pool.observe(SCOPE).servers
    assert sorted(server.hypervisor for server in servers) == ["opteron1", "opteron2", "xeon1", "xeon2"]
    more = order(op="op2", group="cloudsentry.final.g")
    pool.act(more)
    assert settled(pool, more) == "failed"
    with pytest.raises(Conflict):
        pool.act(order(group="no such group"))


def test_a_member_may_pin_to_a_zone_and_sees_no_hypervisor():
    pool = FakePool("a")
    with FakeCloud.named("a").work() as state:
        state.admin = False
    with pytest.raises(Denied):
        pool.act(order(hypervisor="xeon1"))
    pool.act(order(zone="xeon"))
    view = pool.observe(PoolScope(event="final", full=True, hypervisors=("xeon1",)))
    assert (view.pins_allowed, view.hypervisors, view.servers[0].hypervisor) == (False, (), "")


def test_names_and_quota_are_checked_at_the_door():
    pool = FakePool("a")
    with FakeCloud.named("a").work() as state:
        state.images, state.quota = ["other"], 2
    with pytest.raises(NotSupported):
        pool.act(order())
    with FakeCloud.named("a").work() as state:
        state.images = None
    with pytest.raises(NoCapacity, match="quota of instances is 2, 0 are used and 3 more"):
        pool.act(order(count=3))


def test_a_stopped_server_starts():
    pool, wish = FakePool("a"), order()
    pool.act(wish)
    assert settled(pool, wish) == "done"
    with FakeCloud.named("a").work() as state:
        (one,) = state.servers["final"].values()
        one.server = dataclasses.replace(one.server, status="SHUTOFF")
    (server,) = pool.observe(SCOPE).servers
    assert server.status == "SHUTOFF"
    start = StartServers(unit="front", ids=(server.id,))
    pool.act(start)
    assert settled(pool, start) == "done"


@pytest.mark.parametrize(("kind", "made"), [("kill_before", 0), ("kill_after", 2)])
def test_a_world_in_a_file_outlives_a_killed_process(tmp_path, monkeypatch, kind, made):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with FakeCloud.named("a").work() as state:
        state.faults.append(FaultRule(verb="CreateServers", kind=kind))
    program = (
        "from cloudsentry.drivers.pool.fake import FakePool\n"
        "from cloudsentry.records.marks import Mark\n"
        "from cloudsentry.records.orders import CreateServers, Template\n"
        "mark = Mark(event='final', unit='u', op='o')\n"
        "template = Template(image='i', flavor='f', networks=('n',))\n"
        "FakePool('a').act(CreateServers(unit='u', name='n', count=2, template=template, mark=mark))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(FakePool("a").observe(SCOPE).servers) == made
    ended = subprocess.run([sys.executable, "-c", program], env=os.environ, check=False)
    assert (ended.returncode, len(FakePool("a").observe(SCOPE).servers)) == (0, made + 2)


def test_ten_thousand_hypervisors_and_a_hundred_thousand_servers():
    pool = FakePool("big")
    with FakeCloud.named("big").work() as state:
        state.hypervisors = {f"host{n}": FakeHypervisor(aggregates=("all",)) for n in range(10_000)}
        state.boot_looks = 0
    pool.act(order(count=100_000))
    pool.observe(SCOPE)
    started = time.process_time()
    view = pool.observe(PoolScope(event="final", full=True, aggregates=("all",)))
    seconds = time.process_time() - started
    assert (len(view.servers), len(view.hypervisors)) == (100_000, 10_000)
    assert all(server.active for server in view.servers)
    assert seconds < 3


def test_balancers_are_busy_while_they_work_and_keep_a_person_s_member():
    place = FakeBalancers.named("a")
    driver, mark = FakeBalancer("a"), Mark(event="final", unit="lb", op="o")
    scope = BalancerScope(event="final", counters=True)
    driver.act(CreateBalancer(unit="lb", name="n", network="front", mark=mark))
    wish = SetMembers(
        unit="lb", mark=mark, members=(Member(name="s", address="10.0.0.1", port=80, weight=5, mark=mark),)
    )
    with pytest.raises(Busy):
        driver.act(wish)
    driver.observe(scope)
    driver.observe(scope)
    place.add("lb", Member(name="by hand", address="10.0.0.9", port=80, weight=1))
    driver.act(wish)
    driver.observe(scope)
    (balancer,) = driver.observe(scope).balancers
    assert [(member.name, member.weight) for member in balancer.members] == [("s", 5), ("by hand", 1)]
    assert wish.progress(driver.observe(scope)).state == "done"


def test_deleting_frees_room():
    pool, wish = FakePool("a"), order(count=2, hypervisor="xeon1")
    with FakeCloud.named("a").work() as state:
        state.hypervisors["xeon1"].room = 2
    pool.act(wish)
    assert settled(pool, wish) == "done"
    gone = DeleteServers(unit="front", ids=tuple(server.id for server in pool.observe(SCOPE).servers))
    pool.act(gone)
    assert settled(pool, gone) == "done"
    pool.act(order(op="op2", count=2, hypervisor="xeon1"))
    assert settled(pool, order(op="op2", count=2)) == "done"
