"""hypervisors.yaml: sites of libvirt hosts that have no OpenStack, as clouds.yaml has clouds.

What Nova, Neutron and Glance know of a cloud stands here for such a site: its hypervisors and how they are reached,
the bridges of its networks, what servers boot from, and their sizes. A site's name is used where an event names a
cloud. Looked for in this order: ``$CLOUDSENTRY_HYPERVISORS``, ``hypervisors.yaml`` in the working folder, in
``~/.config/cloudsentry`` and in ``/etc/cloudsentry``.
"""

from __future__ import annotations

import ipaddress
import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import pydantic
import yaml

from cloudsentry.errors import UserError

VARIABLE = "CLOUDSENTRY_HYPERVISORS"
FILE = "hypervisors.yaml"

Address = Annotated[str, pydantic.AfterValidator(lambda text: str(ipaddress.IPv4Address(text)))]


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class HypervisorSpec(_Part):
    """A host. ``uri``: libvirtd as this machine reaches it; ``peer``: as the other hypervisors do; ``address``: where
    it takes in the memory and disks of servers that move to it."""

    uri: str
    peer: str = ""
    address: Address | None = None
    zone: str = ""
    aggregates: tuple[str, ...] = ()

    @property
    def reached(self) -> str:
        """libvirtd as the other hypervisors reach it."""
        return self.peer or self.uri


class NetworkSpec(_Part):
    """A bridge that every hypervisor of the site has. ``segment`` names the layer 2 behind it: networks of two sites
    with one segment are stretched. Servers get addresses of the range ``first`` to ``last``."""

    bridge: str
    segment: str = ""
    cidr: Annotated[str, pydantic.AfterValidator(lambda text: str(ipaddress.IPv4Network(text)))]
    first: Address
    last: Address

    @property
    def prefix(self) -> int:
        """Bits of the network's part of an address."""
        return ipaddress.IPv4Network(self.cidr).prefixlen

    def addresses(self) -> list[str]:
        """All of the range, in order."""
        first, last = int(ipaddress.IPv4Address(self.first)), int(ipaddress.IPv4Address(self.last))
        return [str(ipaddress.IPv4Address(number)) for number in range(first, last + 1)]


class ImageSpec(_Part):
    """What a server boots: a qcow2 or raw ``disk`` as the backing of its own, or a ``kernel`` by itself, or both.

    ``{name}``, ``{address}`` and ``{prefix}`` in ``cmdline`` are the server's.
    """

    disk: str = ""
    disk_format: str = "qcow2"
    kernel: str = ""
    initrd: str = ""
    cmdline: str = ""


class FlavorSpec(_Part):
    """A size: MiB of ``ram``, GiB of ``disk`` (0: none where the image has none, else the image's)."""

    vcpus: Annotated[int, pydantic.Field(ge=1)] = 1
    ram: Annotated[int, pydantic.Field(ge=16)]
    disk: Annotated[int, pydantic.Field(ge=0)] = 0


class SiteSpec(_Part):
    """A site. ``storage`` is the libvirt storage pool of the servers' disks; sites that name the same ``shared``
    storage see the same files. ``accelerator``: ``kvm``, or ``qemu`` where hosts cannot."""

    hypervisors: Annotated[dict[str, HypervisorSpec], pydantic.Field(min_length=1)]
    networks: dict[str, NetworkSpec] = {}
    images: dict[str, ImageSpec] = {}
    flavors: dict[str, FlavorSpec] = {}
    storage: str = "default"
    shared: str = ""
    accelerator: Annotated[str, pydantic.Field(pattern="^(kvm|qemu)$")] = "kvm"


class PathSpec(_Part):
    """What lies between two sites. The defaults are the source's backbone."""

    between: tuple[str, str]
    rtt_ms: Annotated[float, pydantic.Field(gt=0)] = 40.0
    bandwidth_mbit: Annotated[float, pydantic.Field(gt=0)] = 1000.0


class Hypervisors(_Part):
    """The whole file."""

    sites: Annotated[dict[str, SiteSpec], pydantic.Field(min_length=1)]
    paths: tuple[PathSpec, ...] = ()

    def path(self, source: str, target: str) -> PathSpec:
        """What lies between two sites; the source's backbone where the file does not say."""
        ends = {source, target}
        return next((path for path in self.paths if set(path.between) == ends), PathSpec(between=(source, target)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The sites, sorted."""
        return tuple(sorted(self.sites))

    def site(self, name: str) -> SiteSpec:
        """A site by name. Raises `UserError` with the known ones."""
        if name not in self.sites:
            raise UserError(f"there is no site {name!r} in {FILE}; it knows {', '.join(self.names)}")
        return self.sites[name]


def load() -> Hypervisors:
    """The file. Raises `UserError`: where there is none with the places looked at, else with every fault of it."""
    for path in _places():
        if path.is_file():
            return read(path)
    raise UserError(f"no {FILE} was found; looked at {', '.join(map(str, _places()))}")


def read(path: Path) -> Hypervisors:
    """A file of that form. Raises `UserError`."""
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Hypervisors.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    except pydantic.ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UserError("\n".join(lines)) from error


def _places() -> list[Path]:
    named = os.environ.get(VARIABLE)
    if named:
        return [Path(named)]
    return [Path(FILE), Path("~/.config/cloudsentry").expanduser() / FILE, Path("/etc/cloudsentry") / FILE]
