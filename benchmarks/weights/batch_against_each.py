"""All weights of a pool in one batch on HAProxy's socket, against one command per member: side by side, as JSON.

Starts a HAProxy of its own on a loopback port with members that nobody serves; only the socket's work is measured.
Usage: batch_against_each.py [--members 100] [--rounds 20]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from cloudsentry.clouds.hosts import host_of
from cloudsentry.drivers.balancer.base import BalancerScope
from cloudsentry.drivers.balancer.haproxy import HaproxyBalancer
from cloudsentry.drivers.balancer.haproxy.runtime import tell
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateBalancer, DeleteBalancer, SetMembers
from cloudsentry.records.views import Member

MARK = Mark(event="bench", unit="lb", op="bench")


@contextmanager
def balancer(port: int) -> Iterator[HaproxyBalancer]:
    """A balancer of our own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="csb") as folder:
        os.environ["CLOUDSENTRY_BALANCER_DIR"] = folder
        driver = HaproxyBalancer("local", connect=lambda name: None)
        driver.act(CreateBalancer(unit="lb", name="bench-lb", address="127.0.0.1", port=port, mark=MARK))
        try:
            yield driver
        finally:
            (made,) = driver.observe(BalancerScope(event="bench")).balancers
            driver.act(DeleteBalancer(unit="lb", id=made.id))


def members(count: int, weight: int) -> tuple[Member, ...]:
    """Members on addresses that nobody listens on."""
    return tuple(
        Member(name=f"server-{n}", address=f"127.1.{n // 250}.{n % 250 + 1}", port=9, weight=weight, mark=MARK)
        for n in range(count)
    )


def timed(rounds: int, action: Callable[[int], None]) -> list[float]:
    """Milliseconds of each round; every round sets another weight."""
    took = []
    for number in range(rounds):
        began = time.perf_counter()
        action(1 + number % 200)
        took.append((time.perf_counter() - began) * 1000)
    return took


def told(took: list[float]) -> dict[str, float]:
    """Median and worst, in milliseconds."""
    return {"median_ms": round(statistics.median(took), 2), "worst_ms": round(max(took), 2)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--port", type=int, default=18999)
    asked = parser.parse_args()
    host = host_of("local")
    with balancer(asked.port) as driver:
        order = SetMembers(unit="lb", mark=MARK, members=members(asked.members, 1))
        driver.act(order)
        (socket,) = (
            f"{os.environ['CLOUDSENTRY_BALANCER_DIR']}/{name}"
            for name in os.listdir(os.environ["CLOUDSENTRY_BALANCER_DIR"])
            if name.endswith(".sock")
        )

        def commands(weight: int) -> list[str]:
            return [f"set server members/cs-server-{n} weight {weight}" for n in range(asked.members)]

        def each(weight: int) -> None:
            for command in commands(weight):
                tell(host, socket, [command])

        def each_by_transaction(weight: int) -> None:
            for number in range(1, asked.members + 1):
                now = tuple(replace(m, weight=weight if n < number else 1) for n, m in enumerate(order.members))
                driver.act(replace(order, members=now))

        def transaction(weight: int) -> None:
            driver.act(replace(order, members=members(asked.members, weight + 1)))

        found = {
            "members": asked.members,
            "rounds": asked.rounds,
            "socket_batch": told(timed(asked.rounds, lambda weight: tell(host, socket, commands(weight)))),
            "socket_each": told(timed(asked.rounds, each)),
            "transaction_batch": told(timed(asked.rounds, transaction)),
            "transaction_each": told(timed(1, each_by_transaction)),
        }
    for kind in ("socket", "transaction"):
        found[f"{kind}_ratio"] = round(found[f"{kind}_each"]["median_ms"] / found[f"{kind}_batch"]["median_ms"], 1)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
