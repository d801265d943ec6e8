"""The blueprint of the lab: its folder, ports, clouds, hypervisors, networks and processes.

Nothing here touches the machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DATABASE_PORT = 15910
BUS_PORT = 15900
EPMD_PORT = 15901
BUS_NODE_PORT = 15902

# Offset of each API from its cloud's base port.
API_OFFSETS = {"keystone": 0, "placement": 1, "glance": 2, "nova": 3, "neutron": 4, "octavia": 5}
HEARTBEAT_OFFSET = 55
DATABASES = ("keystone", "placement", "glance", "nova_api", "nova", "nova_cell0", "neutron", "octavia")
FAMILIES = ("nova", "neutron", "octavia", "keystone", "glance", "placement")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypervisor:
    """One Nova compute host. Quotas are percent of one core: of one server, and of all its servers together."""

    name: str
    kind: str
    vcpus: int
    memory_mb: int
    local_gb: int
    server_quota: int
    host_quota: int
    zone: str
    physical_networks: tuple[str, ...]

    @property
    def trait(self) -> str:
        """The Placement trait that its resource provider carries."""
        return f"CUSTOM_{self.kind.upper()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A provider network and its one IPv4 subnet. `pool` leaves the low addresses to the lab's own ends."""

    name: str
    kind: str
    physical_network: str
    segment: int | None
    cidr: str
    pool: tuple[str, str]
    shared: bool = False
    external: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """A flavor; memory in MiB, disk in GiB."""

    name: str
    memory_mb: int
    vcpus: int
    disk_gb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One OpenStack cloud (= one region)."""

    name: str
    base_port: int
    hypervisors: tuple[Hypervisor, ...]
    networks: tuple[Network, ...]

    def port(self, api: str) -> int:
        return self.base_port + API_OFFSETS[api]

    def url(self, api: str) -> str:
        return f"http://127.0.0.1:{self.port(api)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One process of a cloud. `name` names its pid file and log; `port` is 0 where nothing listens."""

    cloud: str
    family: str
    role: str
    name: str
    port: int = 0
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the lab lies and what it consists of."""

    root: Path
    clouds: tuple[Cloud, ...]

    @property
    def venv(self) -> Path:
        return self.root / "venv"

    @property
    def inside(self) -> Path:
        return self.root / "inside"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def infra(self) -> Path:
        return self.root / "infra"

    @property
    def clouds_yaml(self) -> Path:
        return self.root / "clouds.yaml"

    def folder(self, cloud: str) -> Path:
        return self.root / cloud

    def cloud(self, name: str) -> Cloud:
        """The cloud of that name; KeyError if the lab has none."""
        return {cloud.name: cloud for cloud in self.clouds}[name]

    def ports(self) -> tuple[int, ...]:
        """Every TCP port that the lab listens on."""
        apis = tuple(cloud.port(api) for cloud in self.clouds for api in API_OFFSETS)
        return (DATABASE_PORT, BUS_PORT, EPMD_PORT, BUS_NODE_PORT, *apis)


def _hypervisor(name: str, kind: str, zone: str, both: bool) -> Hypervisor:
    """Sizes of the source's table 2 (36 GB Xeon, 64 GB Opteron hosts); quotas 5 to 1, as its load factors 10 and 2."""
    memory_mb, server_quota, host_quota = {
        "xeon": (36864, 50, 100),
        "opteron": (65536, 10, 20),
        "hv": (65536, 25, 60),
    }[kind]
    return Hypervisor(
        name=name,
        kind=kind,
        vcpus=64,
        memory_mb=memory_mb,
        local_gb=2000,
        server_quota=server_quota,
        host_quota=host_quota,
        zone=zone,
        physical_networks=("physnet1", "physnet2") if both else ("physnet1",),
    )


def _front(segment: int, prefix: str) -> Network:
    return Network(
        name="front",
        kind="vlan",
        physical_network="physnet1",
        segment=segment,
        cidr=f"{prefix}.0.0/22",
        pool=(f"{prefix}.0.16", f"{prefix}.3.254"),
        shared=True,
    )


def _origin() -> Network:
    return Network(
        name="origin",
        kind="vlan",
        physical_network="physnet1",
        segment=110,
        cidr="10.9.0.0/24",
        pool=("10.9.0.16", "10.9.0.254"),
        shared=True,
    )


def _external(prefix: str) -> Network:
    return Network(
        name="ext",
        kind="flat",
        physical_network="physnet2",
        segment=None,
        cidr=f"{prefix}.0/24",
        pool=(f"{prefix}.16", f"{prefix}.254"),
        external=True,
    )


PRIVATE = Cloud(
    name="private",
    base_port=15100,
    hypervisors=(
        _hypervisor("private-xeon1", "xeon", "az1", both=True),
        _hypervisor("private-opteron1", "opteron", "az1", both=True),
        _hypervisor("private-xeon2", "xeon", "az2", both=False),
        _hypervisor("private-opteron2", "opteron", "az2", both=False),
    ),
    networks=(_front(101, "10.1"), _origin(), _external("203.0.113")),
)

PUBLIC = Cloud(
    name="public",
    base_port=15200,
    hypervisors=(
        _hypervisor("public-hv1", "hv", "az1", both=True),
        _hypervisor("public-hv2", "hv", "az1", both=True),
        _hypervisor("public-hv3", "hv", "az2", both=False),
        _hypervisor("public-hv4", "hv", "az2", both=False),
    ),
    networks=(_front(102, "10.2"), _external("198.51.100")),
)

FLAVORS = (
    Flavor(name="m1.nano", memory_mb=64, vcpus=1, disk_gb=1),
    Flavor(name="m1.tiny", memory_mb=512, vcpus=1, disk_gb=1),
    Flavor(name="m1.small", memory_mb=2048, vcpus=1, disk_gb=20),
    Flavor(name="m1.medium", memory_mb=4096, vcpus=2, disk_gb=40),
)


def layout() -> Layout:
    """The lab of this account: $CLOUDSENTRY_LAB_DIR, else ~/.local/share/cloudsentry/lab."""
    folder = os.environ.get("CLOUDSENTRY_LAB_DIR") or "~/.local/share/cloudsentry/lab"
    return Layout(root=Path(folder).expanduser().absolute(), clouds=(PRIVATE, PUBLIC))


def roles(cloud: Cloud) -> tuple[Role, ...]:
    """The cloud's processes, in an order in which each finds what it needs from those before it."""

    def role(family: str, name: str, port: int = 0, host: str = "") -> Role:
        full = f"{name}-{host}" if host else name
        return Role(cloud=cloud.name, family=family, role=name, name=full, port=port, host=host)

    return (
        role("keystone", "keystone", cloud.port("keystone")),
        role("placement", "placement", cloud.port("placement")),
        role("glance", "glance", cloud.port("glance")),
        role("nova", "nova-conductor"),
        role("nova", "nova-scheduler"),
        role("nova", "nova-api", cloud.port("nova")),
        *(role("nova", "nova-compute", host=hypervisor.name) for hypervisor in cloud.hypervisors),
        role("neutron", "neutron", cloud.port("neutron")),
        role("neutron", "neutron-agent"),
        role("octavia", "octavia-api", cloud.port("octavia")),
        role("octavia", "octavia-worker"),
    )
