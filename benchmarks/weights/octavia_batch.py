"""All weights of an Octavia pool in one batch update, against one update per member: side by side, as JSON.

    OS_CLIENT_CONFIG_FILE=… python benchmarks/weights/octavia_batch.py [--members 100] [--rounds 5]

A balancer of its own on the lab, whose members nobody serves. The batch is the driver's own write, with the looks that
it takes before; member by member is openstacksdk's `update_member` in a loop, as playbooks and scripts do it. Both wait
after each write until the balancer takes another, with the same pause: an Octavia that is at work answers 409. A round
of each in turn; the balancer is removed again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import openstack

from cloudsentry.drivers.balancer.base import BalancerScope
from cloudsentry.drivers.balancer.octavia import OctaviaBalancer
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateBalancer, DeleteBalancer, SetMembers
from cloudsentry.records.views import Balancer, Member

CLOUD, EVENT = "private", "bench-batch"
MARK = Mark(event=EVENT, unit="lb", op="bench")
PAUSE = 0.05


def settled(driver: OctaviaBalancer) -> Balancer:
    """The balancer, once no call is being worked on."""
    while True:
        (found,) = driver.observe(BalancerScope(event=EVENT)).balancers
        if found.settled:
            return found
        time.sleep(PAUSE)


@contextmanager
def balancer(driver: OctaviaBalancer, count: int) -> Iterator[tuple[Balancer, SetMembers]]:
    """A balancer of our own with so many members, and the order that made them; gone afterwards."""
    driver.act(CreateBalancer(unit="lb", name=f"{EVENT}-lb", network="front", mark=MARK))
    try:
        settled(driver)
        members = tuple(
            Member(name=f"server-{n}", address=f"10.250.0.{n + 1}", port=80, weight=1, mark=MARK) for n in range(count)
        )
        order = SetMembers(unit="lb", mark=MARK, members=members)
        driver.act(order)
        yield settled(driver), order
    finally:
        for made in driver.observe(BalancerScope(event=EVENT)).balancers:
            settled(driver)
            driver.act(DeleteBalancer(unit="lb", id=made.id))


def batch(driver: OctaviaBalancer, order: SetMembers, weight: int) -> None:
    """All in one write."""
    driver.act(replace(order, members=tuple(replace(one, weight=weight) for one in order.members)))
    settled(driver)


def each(octavia: Any, found: Balancer, ids: list[str], weight: int) -> None:
    """Member by member."""
    for id in ids:
        octavia.update_member(id, found.pool, weight=weight)
        while octavia.get_load_balancer(found.id).provisioning_status.startswith("PENDING"):
            time.sleep(PAUSE)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    driver, octavia = OctaviaBalancer(CLOUD), openstack.connect(cloud=CLOUD).load_balancer
    took: dict[str, list[float]] = {"batch": [], "each": []}
    with balancer(driver, asked.members) as (found, order):
        ids = [one.id for one in octavia.members(found.pool)]
        for turn in range(asked.rounds):
            began = time.monotonic()
            batch(driver, order, 2 + 2 * turn)
            took["batch"].append(time.monotonic() - began)
            began = time.monotonic()
            each(octavia, found, ids, 3 + 2 * turn)
            took["each"].append(time.monotonic() - began)
            weights = {one.weight for one in settled(driver).members}
            assert weights == {3 + 2 * turn}, weights
    told = {
        kind: {"median_s": round(statistics.median(times), 3), "worst_s": round(max(times), 3)}
        for kind, times in took.items()
    }
    ratio = statistics.median(took["each"]) / statistics.median(took["batch"])
    print(json.dumps({"members": asked.members, "rounds": asked.rounds, **told, "ratio": round(ratio, 1)}, indent=1))


if __name__ == "__main__":
    main()
