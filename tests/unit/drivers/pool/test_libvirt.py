"""The pool driver `libvirt`: where servers go, and what is said where they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudsentry.clouds import hypervisors
from cloudsentry.clouds.hypervisors import FlavorSpec, NetworkSpec
from cloudsentry.drivers.pool.base import PoolScope
from cloudsentry.drivers.pool.libvirt import LibvirtPool, placing
from cloudsentry.errors import NoCapacity, NotSupported, UserError
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateServers, Template
from cloudsentry.records.views import Hypervisor

FLAVOR = FlavorSpec(ram=1000)
NETWORK = NetworkSpec(bridge="br0", cidr="192.0.2.0/24", first="192.0.2.10", last="192.0.2.12")


def _host(name: str, free: int, **changes: object) -> Hypervisor:
    return Hypervisor(name=name, **({"up": True, "enabled": True, "free_ram": free + placing.RESERVE} | changes))  # type: ignore[arg-type]


def test_servers_spread_over_the_emptiest_hosts() -> None:
    hosts = [_host("a", 2500), _host("b", 3500), _host("c", 9000, up=False)]
    assert sorted(placing.spread(hosts, FLAVOR, 4)) == ["a", "b", "b", "b"]


def test_pin_and_zone_are_kept() -> None:
    hosts = [_host("a", 9000), _host("b", 2000, zone="east")]
    assert placing.spread(hosts, FLAVOR, 2, pin="b") == ["b", "b"]
    assert placing.spread(hosts, FLAVOR, 1, zone="east") == ["b"]


def test_all_or_none_with_the_numbers() -> None:
    with pytest.raises(NoCapacity, match="3 servers of 1000 MiB do not fit: 2 placed, then free is a 500 MiB"):
        placing.spread([_host("a", 2500)], FLAVOR, 3)


def test_addresses_are_the_first_free_ones() -> None:
    assert placing.addresses(NETWORK, ["192.0.2.10"], 2, "front") == ["192.0.2.11", "192.0.2.12"]
    with pytest.raises(NoCapacity, match="'front' has 1 free addresses, 2 are needed"):
        placing.addresses(NETWORK, ["192.0.2.10", "192.0.2.11"], 2, "front")


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LibvirtPool:
    path = tmp_path / "hypervisors.yaml"
    path.write_text("sites: {home: {hypervisors: {xeon1: {uri: 'nowhere:///'}}, flavors: {small: {ram: 64}}}}")
    monkeypatch.setenv(hypervisors.VARIABLE, str(path))
    return LibvirtPool("home")


def test_names_are_checked_before_a_host_is_asked(pool: LibvirtPool) -> None:
    order = CreateServers(
        unit="front@xeon1",
        name="front",
        count=1,
        template=Template(image="tiny", flavor="smal"),
        mark=Mark(event="cup", unit="front@xeon1", op="1"),
    )
    with pytest.raises(NotSupported, match="there is no image 'tiny'"):
        pool.act(order)


def test_an_unknown_site_is_the_user_s_fault(pool: LibvirtPool) -> None:
    with pytest.raises(UserError, match="no site 'nara'"):
        LibvirtPool("nara").observe(PoolScope(event="cup"))
