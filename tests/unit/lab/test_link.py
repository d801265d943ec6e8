"""The WAN's settings as the relay reads them, and which segments cross it."""

import pytest

from cloudsentry.errors import UserError
from cloudsentry.lab import layout, wan
from cloudsentry.lab.inside import link, quotas, wires


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUDSENTRY_LAB_DIR", str(tmp_path))
    monkeypatch.setenv("LAB_DIR", str(tmp_path))
    return layout.layout()


def config(lab):
    return (lab.run / "wan.conf").read_text().splitlines()


def test_what_is_not_named_stays(lab):
    wan.change(lab, rtt_ms=None, rate_mbit=200, loss_percent=None)
    now = wan.change(lab, rtt_ms=10, rate_mbit=None, loss_percent=0.1, mtu=1200)
    assert now.settings == wan.Settings(rtt_ms=10, rate_mbit=200, loss_percent=0.1, mtu=1200)
    assert wan.show(lab) == now
    assert config(lab)[:4] == ["ends lab-private lab-public", "delay_us 5000", "rate_kbit 200000", "loss_ppm 1000"]
    assert "mtu 1200" in config(lab)
    wan.change(lab, rtt_ms=None, rate_mbit=None, loss_percent=None, mtu=0)
    assert "mtu 0" in config(lab)


@pytest.mark.parametrize("wrong", [{"rtt_ms": -1}, {"loss_percent": 101}, {"rate_mbit": 1e9}, {"mtu": 20}])
def test_numbers_that_make_no_sense_change_nothing(lab, wrong):
    before = wan.show(lab)
    with pytest.raises(UserError):
        wan.change(lab, **({"rtt_ms": None, "rate_mbit": None, "loss_percent": None} | wrong))
    assert wan.show(lab) == before


def test_a_vlan_crosses_the_wan_when_both_sites_have_it(lab):
    link.join("private", "physnet1", 110, "brA")
    assert wan.show(lab).segments == ()
    link.join("public", "physnet1", 111, "brX")
    link.join("public", "physnet1", 110, "brB")
    assert wan.show(lab).segments == ("physnet1.110",)
    assert [line for line in config(lab) if line.startswith("segment")] == [
        f"segment {link.device('physnet1.110')} brA brB"
    ]


def test_devices_of_segments_fit_the_kernel_and_differ():
    segments = [f"physnet{net}.{vlan}" for net in (1, 2) for vlan in (1, 110, 4094)]
    devices = {link.device(segment) for segment in segments}
    assert len(devices) == len(segments)
    assert all(len(device) <= 15 for device in devices)


@pytest.fixture
def groups(tmp_path, monkeypatch):
    monkeypatch.setattr(quotas, "V1", str(tmp_path / "v1"))
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "cgroup.procs").touch()
    return tmp_path / "v1" / "lab"


def test_a_server_never_has_more_than_its_hypervisor(groups):
    quotas.admit("xeon1", "s1", 50)
    quotas.set_host("xeon1", 20, 50)
    share = {path.parent.name: int(path.read_text()) / quotas.PERIOD * 100 for path in groups.rglob("cpu.cfs_quota_us")}
    assert share == {"xeon1": 20, "s1": 20}


def test_a_server_that_moves_leaves_its_old_group(groups):
    old = quotas.admit("xeon1", "s1", 50)
    for file in (groups / "xeon1" / "s1").iterdir():
        file.unlink()  # the kernel's files do not keep a group from being removed
    quotas.admit("xeon2", "s1", 10)
    assert quotas.servers_of("xeon1") == []
    assert quotas.servers_of("xeon2") == ["s1"]
    assert not (groups / old).exists()


def test_a_networks_bridge_has_one_address_at_each_site_whatever_its_ports_are():
    near, far = wires.own_address("private", "net"), wires.own_address("public", "net")
    assert near != far
    assert near == wires.own_address("private", "net")
    assert int(near[:2], 16) & 3 == 2, "locally administered, and nobody's group"
