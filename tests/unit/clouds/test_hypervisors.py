"""hypervisors.yaml, and servers as libvirt's XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from cloudsentry.clouds import hypervisors
from cloudsentry.clouds.domains import Definition, Identity, Nic, shape
from cloudsentry.clouds.hypervisors import FlavorSpec, ImageSpec, NetworkSpec, PathSpec
from cloudsentry.errors import UserError
from cloudsentry.records.marks import Mark

FILE = """
sites:
  home:
    hypervisors:
      xeon1: {uri: qemu+ssh://xeon1/system, address: 192.0.2.1, zone: a}
    networks:
      front: {bridge: br0, segment: wide, cidr: 192.0.2.0/24, first: 192.0.2.10, last: 192.0.2.12}
    images: {tiny: {disk: /images/tiny.qcow2}}
    flavors: {small: {ram: 512, disk: 4}}
  away:
    hypervisors: {xeon2: {uri: qemu+ssh://xeon2/system, peer: qemu+tls://xeon2/system}}
paths:
  - {between: [away, home], rtt_ms: 12, bandwidth_mbit: 200}
"""
NETWORK = NetworkSpec(bridge="br0", cidr="192.0.2.0/24", first="192.0.2.10", last="192.0.2.12")
MARK = Mark(event="cup", unit="front@xeon1", op="0123", template="abcd")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hypervisors.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_the_file_is_read_with_its_paths_in_either_direction(file: Path) -> None:
    found = hypervisors.read(file)
    assert found.path("home", "away") == found.path("away", "home")
    assert found.path("home", "away").rtt_ms == 12
    assert found.path("home", "elsewhere") == PathSpec(between=("home", "elsewhere"))
    assert found.site("away").hypervisors["xeon2"].reached == "qemu+tls://xeon2/system"
    assert found.site("home").hypervisors["xeon1"].reached == "qemu+ssh://xeon1/system"
    assert found.site("home").networks["front"].addresses() == ["192.0.2.10", "192.0.2.11", "192.0.2.12"]


def test_every_fault_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "hypervisors.yaml"
    path.write_text("sites:\n  home: {hypervisors: {}, colour: red}\n  away: {hypervisors: {x: {}}}\n")
    with pytest.raises(UserError) as raised:
        hypervisors.read(path)
    told = str(raised.value)
    assert "sites.home.hypervisors" in told
    assert "sites.home.colour" in told
    assert "sites.away.hypervisors.x.uri" in told


def test_an_unknown_site_and_a_missing_file_say_what_there_is(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="knows away, home"):
        hypervisors.read(file).site("nara")
    monkeypatch.setenv(hypervisors.VARIABLE, str(tmp_path / "none.yaml"))
    with pytest.raises(UserError, match=r"looked at .*none\.yaml"):
        hypervisors.load()


def _definition(**changes: object) -> Definition:
    values: dict[str, object] = {
        "uuid": "0b5d9bd2-9b3a-5b8f-9b60-6f0a7f3a1c11",
        "identity": Identity(name="cup-front-1", mark=MARK, addresses=("192.0.2.10",), image="tiny", size=4),
        "flavor": FlavorSpec(ram=512, vcpus=2),
        "image": ImageSpec(kernel="/k", cmdline="name={name} ip={address}/{prefix} other={this}"),
        "nics": (Nic(network=NETWORK, address="192.0.2.10"),),
    }
    return Definition(**(values | changes))  # type: ignore[arg-type]


def test_a_domain_says_whose_it_is_and_what_it_is_like() -> None:
    xml = _definition(volume="/pool/x.qcow2").xml()
    domain = ET.fromstring(xml)
    metadata = domain.find("metadata")
    assert metadata is not None
    assert Identity.of(ET.tostring(metadata[0], encoding="unicode")) == _definition().identity
    found = shape(xml)
    assert (found.ram, found.vcpus, found.bridges, found.disks) == (512, 2, ("br0",), ("/pool/x.qcow2",))
    assert domain.findtext("os/cmdline") == "name=cup-front-1 ip=192.0.2.10/24 other={this}"
    assert domain.find("devices/interface/mac").get("address") == "52:54:c0:00:02:0a"  # type: ignore[union-attr]


def test_user_data_cannot_break_out_of_the_xml_and_is_in_no_repr() -> None:
    definition = _definition(user_data="#!/bin/sh\necho '</entry></sysinfo>' secret\n")
    assert "secret" not in repr(definition)
    entry = ET.fromstring(definition.xml()).find("sysinfo/entry")
    assert entry is not None
    assert entry.text == "#!/bin/sh\necho '</entry></sysinfo>' secret\n"


@pytest.mark.parametrize("xml", ["", "<other/>", "<server name='x'/>", "<broken"])
def test_what_is_not_ours_is_nobody_s(xml: str) -> None:
    assert Identity.of(xml) is None


def test_what_cannot_move_is_told() -> None:
    xml = _definition().xml().replace("</devices>", "<hostdev type='pci'/></devices>")
    assert shape(xml).others == ("host device pci",)
