"""Balancers on servers of the event's own: what is rendered, what counts as standing, and what is refused."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from cloudsentry.clouds.hosts import LocalHost
from cloudsentry.clouds.ssh_host import SshHost
from cloudsentry.drivers.balancer.base import BalancerScope
from cloudsentry.drivers.balancer.pair import driver, keepalived
from cloudsentry.drivers.balancer.pair.place import Carrier, PairPlace, keys_of
from cloudsentry.errors import Busy, NotSupported
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateBalancer
from cloudsentry.records.views import Balancer, Member
from cloudsentry.spec.carriers import DAEMONS, script

CARRIER = Carrier(id="0123456789abcdef-0123", name="cup-lb-1", address="10.1.0.7")
MARK = Mark(event="cup", unit="front")
CONSOLE = """
-----BEGIN SSH HOST KEY KEYS-----
ssh-ed25519 OLD root@first-boot
-----END SSH HOST KEY KEYS-----
[   12.1] cloud-init: done
-----BEGIN SSH HOST KEY KEYS-----
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ root@cup-lb-1
ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTI root@cup-lb-1
-----END SSH HOST KEY KEYS-----
"""


def test_each_server_is_reached_as_the_event_says():
    by_ssh = PairPlace.of("pair:private/lb/ssh://root@{address}")
    assert (by_ssh.cloud, by_ssh.pool) == ("private", "lb")
    assert isinstance(by_ssh.host(CARRIER), SshHost)
    assert by_ssh.host(CARRIER).place == "ssh://root@10.1.0.7"
    assert by_ssh.host(replace(CARRIER, address="fd00::7")).place == "ssh://root@[fd00::7]"
    within = PairPlace.of("pair:private/lb/netns:s-{id:.13}").host(CARRIER)
    assert isinstance(within, LocalHost)
    assert within.place == "netns:s-0123456789abc"


@pytest.mark.parametrize("place", ["private", "pair:private/lb", "pair:private//ssh://root@{address}"])
def test_what_names_no_servers_is_refused(place: str):
    with pytest.raises(NotSupported):
        PairPlace.of(place)


def test_a_server_is_known_by_the_keys_of_its_newest_boot():
    keys = keys_of(CONSOLE)
    assert keys == ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ", "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTI")
    assert keys_of("no keys here") == ()


def test_every_server_tells_the_others_and_none_takes_the_address_from_who_has_it():
    part = keepalived.Vrrp(
        folder="/var/lib/x", own="10.1.0.7", vip="10.1.0.80", peers=("10.1.0.8",), device="eth0", prefix=24
    )
    text = part.written()
    assert "unicast_src_ip 10.1.0.7" in text
    assert "10.1.0.80/24 dev eth0" in text
    assert "nopreempt" in text
    assert text.count("state BACKUP") == 1
    assert text.count("{") == text.count("}")
    assert 1 <= keepalived.router_id("10.1.0.80") <= 255
    assert keepalived.router_id("10.1.0.80") != keepalived.router_id("10.1.0.81")


@pytest.mark.parametrize("name", DAEMONS)
def test_the_servers_script_is_one_that_a_shell_takes(name: str):
    text = script(name)
    assert text.startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n"], input=text.encode(), check=True)
    assert DAEMONS[name][0] in text
    assert "{" not in text.replace("${", "")


def balancer(*weights: int, state: str = "ACTIVE", online: bool = True) -> Balancer:
    members = tuple(
        Member(
            name=f"s{index}",
            address=f"10.1.0.{index}",
            port=80,
            weight=weight,
            mark=MARK,
            operating="ONLINE" if online else "OFFLINE",
            connections=1,
            served=10,
            time_ms=5.0 * (1 + index),
        )
        for index, weight in enumerate(weights)
    )
    return Balancer(id="x", name="front", mark=MARK, vip="10.1.0.80", provisioning=state, members=members)


def test_what_stands_is_what_all_servers_have_and_counts_are_added():
    agreed = list(driver._agreed([balancer(10, 2), balancer(10, 3)]))
    assert [(one.address, one.weight) for one in agreed] == [("10.1.0.0", 10)]
    assert (agreed[0].connections, agreed[0].served, agreed[0].time_ms) == (2, 20, 5.0)


def test_one_server_at_work_means_that_the_balancer_is():
    assert driver._state([balancer(1), balancer(1, state="PENDING_UPDATE")]) == "PENDING_UPDATE"
    assert driver._state([balancer(1), balancer(1)]) == "ACTIVE"


class Nova:
    """A cloud with one server that carries balancers, and what its console says."""

    name = "private"

    def __init__(self, console: str) -> None:
        self.told = console

    def project(self) -> str:
        return "p"

    def listed(self, service: str, path: str, key: str, **more: object) -> list[dict[str, object]]:
        mark = {"cloudsentry.event": "cup", "cloudsentry.unit": "lb@xeon1"}
        server = {"id": "s1", "name": "cup-lb", "status": "ACTIVE", "metadata": mark}
        port = {"id": "p1", "name": "front", "description": "cloudsentry-event=cup", "tags": []}
        known = {
            "servers": [server | {"addresses": {"front": [{"addr": "192.0.2.7"}]}}],
            "networks": [{"id": "n1"}],
            "ports": [port | {"fixed_ips": [{"ip_address": "192.0.2.80"}], "network_id": "n1"}],
        }
        return known[key]

    def ask(self, *words: object) -> dict[str, str]:
        return {"output": self.told}

    def put(self, *words: object) -> None:
        """Tags, and address pairs."""


def test_a_server_that_has_not_told_its_keys_is_not_spoken_to():
    made = driver.HaproxyPair("pair:private/lb/ssh://root@{address}", connect=lambda name: Nova("it boots"))
    order = CreateBalancer(unit="front", name="cup-front", network="front", mark=MARK)
    with pytest.raises(Busy, match="host keys"):
        made.act(order)
    (seen,) = made.observe(BalancerScope(event="cup")).balancers
    assert (seen.vip, seen.provisioning, seen.members) == ("192.0.2.80", "PENDING_UPDATE", ())
