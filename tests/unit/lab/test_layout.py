"""The blueprint: what the documentation promises of the lab's two clouds."""

from __future__ import annotations

import ipaddress
from itertools import combinations
from pathlib import Path

import pytest

from cloudsentry.lab import layout


def test_folder_is_the_environments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLOUDSENTRY_LAB_DIR", str(tmp_path / "x"))
    assert layout.layout().root == tmp_path / "x"


def test_folder_is_the_accounts_share_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CLOUDSENTRY_LAB_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert layout.layout().root == tmp_path / ".local/share/cloudsentry/lab"


def test_no_port_is_used_twice() -> None:
    ports = layout.layout().ports()
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("cloud", [layout.PRIVATE, layout.PUBLIC], ids=lambda cloud: cloud.name)
def test_a_cloud_has_four_hypervisors_in_two_zones(cloud: layout.Cloud) -> None:
    assert len(cloud.hypervisors) == 4
    assert [host.zone for host in cloud.hypervisors].count("az1") == 2
    assert all("physnet1" in host.physical_networks for host in cloud.hypervisors)


def test_a_xeon_server_may_use_five_times_the_cpu_of_an_opterons() -> None:
    quotas = {host.kind: (host.server_quota, host.host_quota) for host in layout.PRIVATE.hypervisors}
    assert [x / o for x, o in zip(quotas["xeon"], quotas["opteron"], strict=True)] == [5, 5]


def test_sixty_nano_servers_fit_on_each_hypervisor() -> None:
    nano = next(flavor for flavor in layout.FLAVORS if flavor.name == "m1.nano")
    for cloud in layout.layout().clouds:
        for host in cloud.hypervisors:
            assert 60 * nano.vcpus <= host.vcpus
            assert 60 * nano.memory_mb <= host.memory_mb
            assert 60 * nano.disk_gb <= host.local_gb


def test_networks_do_not_overlap_and_pools_leave_the_low_addresses() -> None:
    networks = [network for cloud in layout.layout().clouds for network in cloud.networks]
    for one, other in combinations(networks, 2):
        assert not ipaddress.ip_network(one.cidr).overlaps(ipaddress.ip_network(other.cidr))
    for network in networks:
        first, last = (ipaddress.ip_address(address) for address in network.pool)
        block = ipaddress.ip_network(network.cidr)
        assert block[15] < first < last < block[-1]


def test_every_process_has_a_name_of_its_own() -> None:
    for cloud in layout.layout().clouds:
        names = [role.name for role in layout.roles(cloud)]
        assert len(set(names)) == len(names)
        assert {f"nova-compute-{host.name}" for host in cloud.hypervisors} <= set(names)
