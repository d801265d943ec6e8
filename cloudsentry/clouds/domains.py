"""A server as libvirt's XML: making it, and reading back whose it is. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from cloudsentry.clouds.hypervisors import FlavorSpec, ImageSpec, NetworkSpec
from cloudsentry.records.marks import Mark

NAMESPACE = "urn:cloudsentry:server"
KEY = "cloudsentry"
ET.register_namespace(KEY, NAMESPACE)
USER_DATA = "opt/org.cloudsentry/user-data"
"""Under which a server's firmware tells its user data, name and address (``/sys/firmware/qemu_fw_cfg``)."""

STATES = ("UNKNOWN", "ACTIVE", "ACTIVE", "PAUSED", "ACTIVE", "SHUTOFF", "ERROR", "SUSPENDED")
"""Nova's words for libvirt's numbers: no state, running, blocked, paused, shutting down, off, crashed, suspended.
A server that still shuts down runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """One network of a server."""

    network: NetworkSpec
    address: str

    @property
    def mac(self) -> str:
        """52:54 and the address, so that a DHCP server of the network can know it."""
        return ":".join(("52", "54", *(f"{byte:02x}" for byte in ipaddress.IPv4Address(self.address).packed)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a domain's metadata says: whose it is, how it is called, on which addresses it answers, and what its disk
    is made from should it lack it (``size`` in GiB)."""

    name: str
    mark: Mark
    addresses: tuple[str, ...] = ()
    image: str = ""
    size: int = 0

    def bare(self) -> str:
        """As libvirt wants to be told it for a domain that is there: it adds the namespace itself."""
        return ET.tostring(self.element(""), encoding="unicode")

    def element(self, namespace: str = f"{{{NAMESPACE}}}") -> ET.Element:
        """As it stands below ``<metadata>``."""
        fields = {"name": self.name, "event": self.mark.event, "unit": self.mark.unit, "op": self.mark.op}
        fields |= {"template": self.mark.template, "image": self.image, "size": str(self.size)}
        found = ET.Element(f"{namespace}server", fields)
        for address in self.addresses:
            ET.SubElement(found, f"{namespace}address").text = address
        return found

    @classmethod
    def of(cls, xml: str) -> Identity | None:
        """Read back; None where it is not ours."""
        try:
            found = ET.fromstring(xml)
        except ET.ParseError:
            return None
        if not found.get("event"):
            return None
        mark = Mark(**{key: found.get(key, "") for key in ("event", "unit", "op", "template")})
        addresses = tuple(child.text or "" for child in found)
        image, size = found.get("image", ""), int(found.get("size", "0"))
        return cls(name=found.get("name", ""), mark=mark, addresses=addresses, image=image, size=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """All that a server's domain is made from. ``volume`` is the path of its own disk, empty where it has none."""

    uuid: str
    identity: Identity
    flavor: FlavorSpec
    image: ImageSpec
    nics: tuple[Nic, ...] = ()
    volume: str = ""
    accelerator: str = "kvm"
    user_data: str = field(default="", repr=False)

    @property
    def domain_name(self) -> str:
        """Unlike servers' names, domains' are unique on a host."""
        return f"{self.identity.name}.{self.uuid[:8]}"

    def xml(self) -> str:
        """The domain."""
        domain = ET.Element("domain", {"type": self.accelerator})
        _text(domain, "name", self.domain_name)
        _text(domain, "uuid", self.uuid)
        _text(domain, "title", self.identity.name)
        ET.SubElement(domain, "metadata").append(self.identity.element())
        _text(domain, "memory", str(self.flavor.ram), unit="MiB")
        _text(domain, "vcpu", str(self.flavor.vcpus))
        if self.user_data:
            _text(ET.SubElement(domain, "sysinfo", {"type": "fwcfg"}), "entry", self.user_data, name=USER_DATA)
        self._boot(domain)
        features = ET.SubElement(domain, "features")
        ET.SubElement(features, "acpi")
        if self.accelerator == "qemu":
            # Translated code of a small guest fits 32 MiB; by default QEMU takes up to a gigabyte.
            _text(ET.SubElement(features, "tcg"), "tb-cache", "32", unit="MiB")
        self._devices(ET.SubElement(domain, "devices"))
        return ET.tostring(domain, encoding="unicode")

    def _boot(self, domain: ET.Element) -> None:
        system = ET.SubElement(domain, "os")
        _text(system, "type", "hvm", arch="x86_64", machine="pc")
        if not self.image.kernel:
            return
        _text(system, "kernel", self.image.kernel)
        if self.image.initrd:
            _text(system, "initrd", self.image.initrd)
        if self.image.cmdline:
            first = self.nics[0] if self.nics else None
            known = {
                "name": self.identity.name,
                "address": first.address if first else "",
                "prefix": str(first.network.prefix) if first else "",
            }
            _text(system, "cmdline", _filled(self.image.cmdline, known))

    def _devices(self, devices: ET.Element) -> None:
        if self.volume:
            disk = ET.SubElement(devices, "disk", {"type": "file", "device": "disk"})
            ET.SubElement(disk, "driver", {"name": "qemu", "type": "qcow2", "discard": "unmap"})
            ET.SubElement(disk, "source", {"file": self.volume})
            ET.SubElement(disk, "target", {"dev": "vda", "bus": "virtio"})
        for nic in self.nics:
            interface = ET.SubElement(devices, "interface", {"type": "bridge"})
            ET.SubElement(interface, "mac", {"address": nic.mac})
            ET.SubElement(interface, "source", {"bridge": nic.network.bridge})
            ET.SubElement(interface, "model", {"type": "virtio"})
            ET.SubElement(interface, "rom", {"enabled": "no"})
        ET.SubElement(ET.SubElement(devices, "serial", {"type": "pty"}), "target", {"port": "0"})
        ET.SubElement(devices, "controller", {"type": "usb", "model": "none"})
        ET.SubElement(devices, "memballoon", {"model": "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a domain is, as far as moving it is concerned. ``disks`` are files; ``others`` cannot be moved."""

    ram: int
    vcpus: int
    bridges: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def shape(xml: str) -> Shape:
    """Read from a domain's XML."""
    domain = ET.fromstring(xml)
    disks = domain.findall("devices/disk[@device='disk']")
    files = [source.get("file", "") for disk in disks if (source := disk.find("source")) is not None]
    others = [f"host device {item.get('type', '')}" for item in domain.findall("devices/hostdev")]
    others += ["a disk that is no file" for name in files if not name]
    unit = {"KiB": 1024, "MiB": 1, "GiB": 1 / 1024}[(memory := domain.find("memory")).get("unit", "KiB")]  # type: ignore[union-attr]
    return Shape(
        ram=round(int(memory.text or 0) / unit),  # type: ignore[union-attr]
        vcpus=int(domain.findtext("vcpu") or 1),
        bridges=tuple(item.get("bridge", "") for item in domain.findall("devices/interface[@type='bridge']/source")),
        disks=tuple(name for name in files if name),
        others=tuple(others),
    )


def volume_xml(name: str, *, capacity: int, backing: str = "", backing_format: str = "qcow2") -> str:
    """A qcow2 volume of so many bytes, over a backing file where there is one."""
    volume = ET.Element("volume")
    _text(volume, "name", name)
    _text(volume, "capacity", str(capacity), unit="bytes")
    ET.SubElement(ET.SubElement(volume, "target"), "format", {"type": "qcow2"})
    if backing:
        store = ET.SubElement(volume, "backingStore")
        _text(store, "path", backing)
        ET.SubElement(store, "format", {"type": backing_format})
    return ET.tostring(volume, encoding="unicode")


def _filled(text: str, known: dict[str, str]) -> str:
    """Only the known braces are filled in: a kernel's command line may hold others."""
    return re.sub(r"\{(name|address|prefix)\}", lambda match: known[match[1]], text)


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text
