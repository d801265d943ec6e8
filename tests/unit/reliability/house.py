"""The hall over the fake clouds, and the tournament's event on them."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from cloudsentry import conf
from cloudsentry.drivers.balancer.fake.cloud import FakeBalancers
from cloudsentry.drivers.pool.fake.cloud import FakeCloud
from cloudsentry.drivers.pool.fake.scheduling import FakeHypervisor
from cloudsentry.records.views import Server
from cloudsentry.sentry import Sentry
from cloudsentry.spec.event import Event
from cloudsentry.testing import JumpClock

KOSHIEN = Path(__file__).parents[3] / "etc" / "cloudsentry" / "events" / "koshien-2010.yaml"


def koshien() -> dict[str, Any]:
    """The example event on fake clouds."""
    body: dict[str, Any] = yaml.safe_load(KOSHIEN.read_text())
    for part in (*body["pools"].values(), *body["balancers"].values(), *body.get("stretches", {}).values()):
        part["driver"] = "fake"
    for stretch in body.get("stretches", {}).values():
        for key in set(stretch) - {"driver", "between"}:
            del stretch[key]
    return deepcopy(body)


def event(body: dict[str, Any]) -> Event:
    return Event.model_validate(body)


def clouds() -> None:
    """Both clouds, with the hypervisors, names, quotas and sizes that the example's have."""
    FakeCloud.forget()
    FakeBalancers.forget()
    for name, hosts in (
        ("private", ("private-xeon1", "private-xeon2", "private-opteron1")),
        ("public", ("public-hv1", "public-hv2", "public-hv3", "public-hv4")),
    ):
        with FakeCloud.named(name).work() as state:
            state.hypervisors = {
                host: FakeHypervisor(zone="nova", aggregates=(_kind(host),), room=10) for host in hosts
            }
            state.images, state.flavors = ["tiny"], ["m1.nano"]
            state.networks = ["front", "origin-link"]  # the second is what the stretch makes
            state.key_names, state.security_groups = ["ops"], ["default"]
            state.quota, state.addresses = 20, {"front": 100}
            state.limits = {"cores": 20, "ram": 51200, "ports": 100, "server groups": 10}
        with FakeBalancers.named(name).work() as balancers:
            balancers.networks, balancers.providers = ["front"], ["amphora", "ovn"]
            balancers.limits = {"load balancers": 5, "pools": 5, "listeners": 5, "members": 50, "health monitors": 5}


def _kind(host: str) -> str:
    return host.partition("-")[2].rstrip("0123456789")


def hall() -> Sentry:
    """A new hall, as a new process would have one; its journal is where the environment says."""
    return Sentry(conf.settings([], config_files=[]), clock=JumpClock())


def servers(cloud: str) -> list[Server]:
    """Every server of a cloud, by name."""
    found = [one.server for mine in FakeCloud.named(cloud).state.servers.values() for one in mine.values()]
    return sorted(found, key=lambda server: server.name)


def hosts(cloud: str) -> Counter[str]:
    """ACTIVE servers by hypervisor."""
    return Counter(server.hypervisor for server in servers(cloud) if server.status == "ACTIVE")


def members(cloud: str) -> Counter[int]:
    """Members by weight, of all balancers of a cloud."""
    found = FakeBalancers.named(cloud).state.balancers.values()
    return Counter(member.weight for one in found for member in one.balancer.members)
