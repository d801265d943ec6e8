"""How planning grows with the clouds: seconds for snapshots of 1,000 to 100,000 servers, as JSON.

    python benchmarks/scale/run.py [--most 100000]

Every hypervisor holds ten servers of one pool, one in a hundred is in ERROR, and behind a balancer stand as
many members as there are servers. Figures are process seconds of this machine; their ratios are the result.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from cloudsentry.drivers.pool.base import PoolScope
from cloudsentry.drivers.pool.fake import FakePool
from cloudsentry.drivers.pool.fake.cloud import FakeCloud, FakeServer
from cloudsentry.drivers.pool.fake.scheduling import FakeHypervisor
from cloudsentry.planner import plan_apply, status_of
from cloudsentry.planner.units import template_digest
from cloudsentry.records.marks import Mark
from cloudsentry.records.views import Balancer, BalancerView, Member, Server, Snapshot
from cloudsentry.spec.event import Event

PER_HOST = 10
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)


def event(hosts: int) -> Event:
    """One pool pinned to every hypervisor (an event file allows as many pins as there are)."""
    pins = [{"hypervisor": f"hv{number}", "count": PER_HOST, "weight": 1} for number in range(hosts)]
    pool = {"site": "here", "driver": "fake", "image": "i", "flavor": "f", "networks": ["n"], "pins": pins}
    return Event.model_validate(
        {
            "event": "crowd",
            "sites": {"here": {"cloud": "scale"}},
            "pools": {"front": pool},
            "balancers": {"web": {"site": "here", "driver": "fake", "network": "n", "members": [{"pool": "front"}]}},
        }
    )


def populate(wanted: Event, hosts: int) -> None:
    """Fill the fake cloud with the event's servers."""
    template = template_digest(wanted.pools["front"])
    with FakeCloud.named("scale").work() as state:
        state.hypervisors = {f"hv{number}": FakeHypervisor() for number in range(hosts)}
        state.servers["crowd"] = {
            f"id-{number}": FakeServer(
                Server(
                    id=f"id-{number}",
                    name=f"crowd-{number}",
                    status="ERROR" if number % 100 == 99 else "ACTIVE",
                    mark=Mark(event="crowd", unit=f"front@hv{number % hosts}", op="o", template=template),
                    hypervisor=f"hv{number % hosts}",
                    addresses=(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",),
                )
            )
            for number in range(hosts * PER_HOST)
        }


def balancers(snapshot: Snapshot) -> BalancerView:
    """A balancer with a member for every server that serves."""
    mark = Mark(event="crowd", unit="web")
    members = tuple(
        Member(name=server.id, address=server.addresses[0], port=80, weight=1, mark=mark)
        for server in snapshot.pools[0].servers
        if server.active
    )
    one = Balancer(
        id="b", name="crowd-web", mark=mark, vip="10.0.0.1", provisioning="ACTIVE", pool="p", members=members
    )
    return BalancerView(driver="fake", cloud="scale", balancers=(one,))


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Process seconds of a piece of work, and what it returned."""
    began = time.process_time()
    result = work()
    return round(time.process_time() - began, 4), result


def measure(servers: int) -> dict[str, float]:
    """One size."""
    hosts = servers // PER_HOST
    wanted = event(hosts)
    populate(wanted, hosts)
    scope = PoolScope(event="crowd", full=True, hypervisors=tuple(f"hv{number}" for number in range(hosts)))
    observe, view = seconds(lambda: FakePool("scale").observe(scope))
    bare = Snapshot(event="crowd", pools=(view,))
    snapshot = Snapshot(event="crowd", pools=(view,), balancers=(balancers(bare),))
    plan, made = seconds(lambda: plan_apply(wanted, snapshot, "r"))
    status, _ = seconds(lambda: status_of(wanted, snapshot))
    return {
        "servers": servers,
        "hypervisors": hosts,
        "observe": observe,
        "plan": plan,
        "status": status,
        "steps": len(made.steps),
    }


def main() -> None:
    """Print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="largest number of servers")
    most = parser.parse_args().most
    json.dump([measure(size) for size in SIZES if size <= most], sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
