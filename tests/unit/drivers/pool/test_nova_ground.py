"""What the Nova driver sees of the ground that an event stands on: hypervisors, pins, quotas, addresses and sizes."""

from __future__ import annotations

from clouds.stub import PROJECT, answer

from cloudsentry.drivers.pool.base import PoolScope
from drivers.pool.nova_stub import LIMITS, LOOKUPS, NOVA, driver

SERVICES = {
    "services": [
        {"host": "xeon1", "zone": "az1", "state": "up", "status": "enabled", "forced_down": False},
        {"host": "xeon2", "zone": "az2", "state": "up", "status": "disabled", "forced_down": False},
        {"host": "opteron1", "zone": "az1", "state": "down", "status": "enabled", "forced_down": False},
    ]
}
PINS = {
    f"GET {NOVA}/servers/detail": {"servers": []},
    f"GET {NOVA}/os-services": SERVICES,
    f"GET {NOVA}/os-aggregates": {"aggregates": [{"name": "xeon", "hosts": ["xeon1", "xeon2"]}]},
    f"GET {NOVA}/os-hypervisors/detail": {
        "hypervisors": [{"id": f"rp-{host}", "service": {"host": host}} for host in ("xeon1", "xeon2", "opteron1")]
    },
    "GET /placement/allocation_candidates": {
        "provider_summaries": {
            "rp-xeon1": {
                "traits": ["CUSTOM_XEON"],
                "resources": {
                    "VCPU": {"capacity": 64, "used": 4},
                    "MEMORY_MB": {"capacity": 36864, "used": 512},
                    "DISK_GB": {"capacity": 100, "used": 1},
                },
            }
        }
    },
    "GET /placement/resource_providers/rp-xeon2/inventories": {
        "inventories": {"VCPU": {"total": 16, "reserved": 0, "allocation_ratio": 4.0}}
    },
    "GET /placement/resource_providers/rp-xeon2/usages": {"usages": {"VCPU": 64}},
    "GET /placement/resource_providers/rp-xeon2/traits": {"traits": ["CUSTOM_XEON"]},
}


def test_hypervisors_of_an_aggregate_with_state_and_room():
    pool, _ = driver(PINS)
    view = pool.observe(PoolScope(event="final", full=True, aggregates=("xeon",)))
    first, second = view.hypervisors
    assert (first.name, first.up, first.enabled, first.zone) == ("xeon1", True, True, "az1")
    assert (first.free_vcpus, first.free_ram, first.free_disk, first.traits) == (60, 36352, 99, ("CUSTOM_XEON",))
    assert (second.name, second.enabled, second.free_vcpus, second.free_ram) == ("xeon2", False, 0, -1)
    assert (view.pins_allowed, view.missing) == (True, ())


def test_hypervisors_of_a_trait():
    found = {"resource_providers": [{"uuid": "rp-xeon1"}, {"uuid": "rp-of-a-disk-pool"}]}
    pool, _ = driver(PINS | {"GET /placement/resource_providers": found})
    view = pool.observe(PoolScope(event="final", full=True, traits=("CUSTOM_XEON",)))
    assert [host.name for host in view.hypervisors] == ["xeon1"]


def test_unknown_pins_are_told():
    scope = PoolScope(
        event="final", full=True, hypervisors=("xeon3",), aggregates=("xeons",), traits=("CUSTOM_X",), zones=("az9",)
    )
    zones = {"availabilityZoneInfo": [{"zoneName": "az1", "zoneState": {"available": True}}]}
    pool, _ = driver(
        PINS | {"GET /placement/resource_providers": answer(400), f"GET {NOVA}/os-availability-zone": zones}
    )
    assert pool.observe(scope).missing == (
        "available zone 'az9' (nearest: 'az1')",
        "hypervisor 'xeon3' (nearest: 'xeon2', 'xeon1')",
        "aggregate 'xeons' (nearest: 'xeon')",
        "trait 'CUSTOM_X'",
    )


def test_a_member_may_not_pin_and_is_not_told_that_hypervisors_are_missing():
    pool, _ = driver(PINS | {f"GET {NOVA}/os-services": answer(403)})
    view = pool.observe(PoolScope(event="final", full=True, hypervisors=("xeon1",)))
    assert (view.pins_allowed, view.hypervisors, view.missing) == (False, (), ())


def test_room_is_what_quotas_addresses_and_sizes_say():
    availability = {
        "network_ip_availabilities": [
            {
                "network_id": "net-1",
                "subnet_ip_availability": [
                    {"ip_version": 4, "total_ips": 10, "used_ips": 7},
                    {"ip_version": 4, "total_ips": 5, "used_ips": 5},
                    {"ip_version": 6, "total_ips": 2**64, "used_ips": 7},
                ],
            }
        ]
    }
    pool, _ = driver(
        {
            f"GET {NOVA}/servers/detail": {"servers": []},
            **LOOKUPS,
            "GET /image/v2/images": {"images": [{"id": "i", "name": "tiny", "min_ram": 256, "min_disk": 1}]},
            f"GET {NOVA}/limits": {"limits": {"absolute": LIMITS}},
            f"GET /network/v2.0/quotas/{PROJECT}/details.json": {
                "quota": {"port": {"limit": 20, "used": 3, "reserved": 1}}
            },
            "GET /network/v2.0/network-ip-availabilities": availability,
        }
    )
    scope = PoolScope(
        event="final", full=True, limits=True, images=("tiny",), flavors=("m1.tiny",), networks=("front",)
    )
    ground = pool.observe(scope).ground
    assert (ground.free("instances"), ground.free("cores"), ground.free("ports")) == (2, None, 16)
    assert [(room.network, room.free) for room in ground.rooms] == [("front", 3)]
    assert [(size.vcpus, size.ram) for size in ground.flavors] == [(2, 512)]
    assert [(size.ram, size.disk) for size in ground.images] == [(256, 1)]


def test_room_that_the_account_may_not_see_is_left_out():
    pool, _ = driver(
        {
            f"GET {NOVA}/servers/detail": {"servers": []},
            **LOOKUPS,
            f"GET {NOVA}/limits": {"limits": {"absolute": LIMITS}},
            f"GET /network/v2.0/quotas/{PROJECT}/details.json": answer(403, {}),
            "GET /network/v2.0/network-ip-availabilities": answer(403, {}),
        }
    )
    ground = pool.observe(PoolScope(event="final", full=True, limits=True, networks=("front",))).ground
    assert (ground.free("instances"), ground.free("ports"), ground.rooms) == (2, None, ())
