"""Moves between the two clouds of the lab: no request lost, no server twice, nothing left."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from conftest import Lab, Program

pytestmark = pytest.mark.slow

NETWORK, VLAN, CIDR = "test-moving", 378, "10.9.78.0/24"
RANGES = {"private": ("10.9.78.10", "10.9.78.99"), "public": ("10.9.78.100", "10.9.78.199")}
PHASES = ("prepare", "copy", "switch", "verify", "release")


@pytest.fixture(scope="module")
def wide(lab: Lab) -> Iterator[str]:
    """One layer 2 over both sites, as an operator would have it."""
    for cloud, (start, end) in RANGES.items():
        neutron = lab.clouds[cloud].network
        made = neutron.create_network(
            name=NETWORK,
            provider_network_type="vlan",
            provider_physical_network="physnet1",
            provider_segmentation_id=VLAN,
        )
        neutron.create_subnet(
            network_id=made.id,
            name=NETWORK,
            ip_version=4,
            cidr=CIDR,
            gateway_ip="10.9.78.1" if cloud == "private" else None,
            allocation_pools=[{"start": start, "end": end}],
        )
    yield NETWORK
    for cloud in RANGES:
        neutron = lab.clouds[cloud].network
        neutron.delete_network(neutron.find_network(NETWORK))


def body(name: str, count: int) -> dict[str, Any]:
    """A pool behind a balancer, both on the wide network."""
    return {
        "event": name,
        "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
        "pools": {
            "front-nara": {
                "site": "nara",
                "image": "tiny",
                "flavor": "m1.nano",
                "networks": [NETWORK],
                "pins": [{"hypervisor": "private-xeon2", "count": count, "weight": 10}],
            }
        },
        "balancers": {
            "web": {
                "site": "nara",
                "network": NETWORK,
                "monitor": {"type": "HTTP", "path": "/name", "delay": 2, "timeout": 1},
                "drain": 2,
                "members": [{"pool": "front-nara"}],
            }
        },
    }


@pytest.fixture
def stand(lab: Lab, program: Program, wide: str, tmp_path: Path) -> Iterator[Callable[[str, int], str]]:
    """Makes an event stand; afterwards all of it is gone, ports and images too."""
    made: list[str] = []
    images = all_images(lab)

    def standing(name: str, count: int) -> str:
        made.append(name)
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(body(name, count)))
        assert program.json("event", "apply", str(path))["outcome"] == "done"
        return name

    yield standing
    for name in made:
        program("event", "destroy", name, "--yes")
    left = [port for cloud in RANGES for port in lab.clouds[cloud].network.ports(network_id=network_id(lab, cloud))]
    assert [port.name for port in left] == []
    assert [image for image in all_images(lab) - images if image.startswith("cloudsentry-move")] == []


def network_id(lab: Lab, cloud: str) -> str:
    return str(lab.clouds[cloud].network.find_network(NETWORK).id)


def all_images(lab: Lab) -> set[str]:
    return {image.name for cloud in RANGES for image in lab.clouds[cloud].image.images()}


def again(program: Program, name: str, tmp_path: Path) -> Any:
    """The event's newest revision, applied as a file."""
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(program.json("event", "show", name)["body"]))
    return program.json("event", "apply", str(path))


def port_of(lab: Lab, cloud: str, server: Any) -> tuple[str, str]:
    """(address, MAC) of a server's one port."""
    (port,) = lab.clouds[cloud].network.ports(device_id=server.id)
    return port.fixed_ips[0]["ip_address"], port.mac_address


def test_a_pool_moves_under_load_and_no_request_is_lost(
    lab: Lab, program: Program, stand: Callable[[str, int], str], tmp_path: Path
) -> None:
    name = stand("test-replace", 2)
    before = {server.id for server in lab.servers(name)}
    crowd = program.start("lab", "load", f"{name}-web", "--rate", "40", "--connections", "4", "--duration", "150")
    (moved,) = program.json("migrate", "run", name, "front-nara", "--to", "public", "--hypervisor", "public-hv1")
    assert (moved["State"], moved["Mover"]) == ("done", "replace")
    assert crowd.poll() is None, "the load was over before the move"
    out, told = crowd.communicate(timeout=300)
    assert " 0 errors" in told, told
    after = lab.servers(name)
    assert [server.hypervisor_hostname for server in after] == ["public-hv1"] * 2
    assert all(server.name in out for server in after), "nobody asked the new servers"
    assert not before & {server.id for server in after}
    status = program.json("event", "status", name)
    assert [(row["Cloud"], row["Status"], row["Weight"]) for row in status] == [("public", "ACTIVE", 10)] * 2
    assert program.json("event", "status", name, "--drift") == []
    assert again(program, name, tmp_path)["writes"] == 0


def test_a_server_keeps_its_disk_name_address_and_mac(
    lab: Lab, program: Program, stand: Callable[[str, int], str], tmp_path: Path
) -> None:
    name = stand("test-image", 1)
    (old,) = lab.servers(name)
    was = port_of(lab, "private", old)
    (planned,) = program.json("migrate", "plan", name, old.name, "--to", "osaka")
    assert (planned["Mover"], planned["Refused because"]) == ("image", [])
    (moved,) = program.json("migrate", "run", name, old.name, "--to", "osaka")
    assert moved["State"] == "done"
    (new,) = lab.servers(name)
    assert (new.name, new.status) == (old.name, "ACTIVE")
    assert new.id != old.id
    assert port_of(lab, "public", new) == was
    assert lab.members("private", f"{name}-web") == {was[0]: 10}
    assert program.json("event", "status", name, "--drift") == []
    assert again(program, name, tmp_path)["writes"] == 0


@pytest.mark.parametrize("phase", ["prepare", "switch", "release"])
def test_a_process_killed_in_a_phase_leaves_what_retry_completes(
    lab: Lab, program: Program, stand: Callable[[str, int], str], tmp_path: Path, phase: str
) -> None:
    name = stand(f"test-move-{phase}", 1)
    (old,) = lab.servers(name)
    killed_in(program.start("migrate", "run", name, old.name, "--to", "public"), program, name, phase)
    (left,) = program.json("migrate", "list", "--event", name)
    assert left["State"] == "open"
    refused = program("event", "apply", str(tmp_path / f"{name}.yaml"), code=1)
    assert f"migrate retry {left['Move']}" in refused
    (ended,) = program.json("migrate", "retry", str(left["Move"]))
    assert ended["State"] == "done"
    (new,) = lab.servers(name)
    assert (new.status, new.location.cloud if new.location else "public") == ("ACTIVE", "public")
    assert program.json("event", "status", name, "--drift") == []


def test_a_killed_move_can_be_rolled_back_and_the_old_server_serves(
    lab: Lab, program: Program, stand: Callable[[str, int], str]
) -> None:
    name = stand("test-move-back", 1)
    (old,) = lab.servers(name)
    killed_in(program.start("migrate", "run", name, old.name, "--to", "public"), program, name, "switch")
    (left,) = program.json("migrate", "list", "--event", name)
    (ended,) = program.json("migrate", "rollback", str(left["Move"]))
    assert ended["State"] == "undone"
    (still,) = lab.servers(name)
    assert (still.id, still.status) == (old.id, "ACTIVE")
    assert program.json("event", "status", name, "--drift") == []


def test_every_reason_is_told_before_anything_is_touched(
    lab: Lab, program: Program, stand: Callable[[str, int], str], tmp_path: Path
) -> None:
    name = stand("test-refused", 1)
    nova, glance = lab.clouds["private"].compute, lab.clouds["private"].image
    changed = body(name, 1)
    changed["pools"]["front-nara"]["image"] = "test-only-here"
    changed["pools"]["front-nara"]["key_name"] = "test-only-here"
    public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    key = nova.create_keypair(name="test-only-here", public_key=public.decode())
    tiny = glance.find_image("tiny")
    image = glance.create_image(
        name="test-only-here", disk_format="raw", container_format="bare", data=b"0" * tiny.size
    )
    try:
        path = tmp_path / "changed.yaml"
        path.write_text(yaml.safe_dump(changed))
        program("event", "apply", str(path))
        lab.mark()
        (planned,) = program.json("migrate", "plan", name, "front-nara", "--to", "public", code=1)
        told = " ".join(planned["Refused because"])
        assert "image 'test-only-here'" in told
        assert "keypair 'test-only-here'" in told
        refused = program("migrate", "run", name, "front-nara", "--to", "public", code=1)
        assert "image 'test-only-here'" in refused
        assert lab.writes() == []
        assert program.json("migrate", "list", "--event", name) == []
    finally:
        nova.delete_keypair(key)
        glance.delete_image(image)


def killed_in(process: subprocess.Popen[str], program: Program, name: str, phase: str) -> None:
    """SIGKILL when the journal says that a phase has begun."""
    end = time.monotonic() + 120
    while True:
        rows = program.json("migrate", "list", "--event", name)
        if rows and PHASES.index(phase) <= (PHASES.index(rows[0]["Phase"]) if rows[0]["Phase"] in PHASES else -1):
            break
        assert process.poll() is None, re.sub(r"\s+", " ", str(process.communicate()))
        assert time.monotonic() < end, "the phase never came"
        time.sleep(0.05)  # a poll of the journal, bounded above
    process.send_signal(signal.SIGKILL)
    process.communicate()
