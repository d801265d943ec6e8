"""What the tests of the Nova driver share: the answers of a small cloud, and the driver over a stub wire."""

from __future__ import annotations

from clouds.stub import PROJECT, connect

from cloudsentry.drivers.pool.nova import NovaPool
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateServers, Template

NOVA = "/compute/v2.1"
MARK = Mark(event="final", unit="front/xeon1", op="op1", template="t1")
SERVER = {
    "id": "0b1c",
    "name": "final-front-1",
    "status": "ACTIVE",
    "created": "2026-11-23T10:00:00Z",
    "metadata": MARK.metadata() | {"role": "front"},
    "OS-EXT-STS:task_state": None,
    "OS-EXT-AZ:availability_zone": "az1",
    "OS-EXT-SRV-ATTR:host": "xeon1",
    "addresses": {
        "front": [
            {"version": 6, "addr": "2001:db8::5", "OS-EXT-IPS:type": "fixed"},
            {"version": 4, "addr": "10.0.0.5", "OS-EXT-IPS:type": "fixed"},
            {"version": 4, "addr": "203.0.113.9", "OS-EXT-IPS:type": "floating"},
        ],
        "back": [{"version": 4, "addr": "192.168.0.5", "OS-EXT-IPS:type": "fixed"}],
    },
}
IMAGES = {"images": [{"id": "img-1", "name": "tiny"}]}
FLAVORS = {"flavors": [{"id": "f-1", "name": "m1.tiny", "vcpus": 2, "ram": 512}]}
NETWORKS = {"networks": [{"id": "net-1", "name": "front", "project_id": PROJECT, "shared": False}]}
LOOKUPS = {
    "GET /image/v2/images": IMAGES,
    f"GET {NOVA}/flavors/detail": FLAVORS,
    "GET /network/v2.0/networks": NETWORKS,
}
LIMITS = {
    "maxTotalInstances": 10,
    "totalInstancesUsed": 8,
    "maxTotalCores": -1,
    "totalCoresUsed": 16,
    "maxTotalRAMSize": 51200,
    "totalRAMUsed": 4096,
    "maxServerGroups": 10,
    "totalServerGroupsUsed": 10,
}


def driver(routes):
    opener, wire = connect(routes)
    return NovaPool("here", connect=opener), wire


def order(**wanted):
    template = Template(image="tiny", flavor="m1.tiny", networks=("front",))
    return CreateServers(unit=MARK.unit, name="final-front", template=template, mark=MARK, **{"count": 4, **wanted})
