"""Leaks on real clouds: told at once, deleted by id when two audits have seen them, and nothing else with them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from cloudsentry import conf
from cloudsentry.records.marks import Mark
from cloudsentry.sentry import Sentry

if TYPE_CHECKING:
    from conftest import Lab

pytestmark = pytest.mark.lab


@pytest.fixture
def strays(lab: Lab) -> Any:
    """What a stretch and a mover might have left when they died, by kind and id; and a network of somebody else."""
    there, name = lab.clouds["public"], f"test-audit-{uuid.uuid4().hex[:6]}"
    mark = Mark(event=name, unit="link", op="o1")
    network = there.network.create_network(name=name, description=f"cloudsentry-event={name}")
    subnet = there.network.create_subnet(name=name, network_id=network.id, ip_version=4, cidr="10.99.0.0/24")
    port = there.network.create_port(network_id=network.id, name=name)
    (outside, *_) = there.network.networks(is_router_external=True)
    router = there.network.create_router(name=name, external_gateway_info={"network_id": outside.id})
    for one in (subnet, port, router):
        there.network.set_tags(one, list(mark.tags()))
    trunk = there.network.create_trunk(name=name, port_id=port.id)
    there.network.set_tags(trunk, list(mark.tags()))
    vpn = _vpn(there.network, name, router.id, subnet.id)
    image = there.image.create_image(name=name, **mark.metadata(), disk_format="raw", container_format="bare")
    other = there.network.create_network(name=f"{name}-other", description="cloudsentry is nice")
    made = [("network", network.id), ("subnet", subnet.id), ("port", port.id), ("router", router.id)]
    made += [("image", image.id), ("trunk", trunk.id), *vpn]
    yield name, made, other.id
    there.network.delete_network(other.id)


def _vpn(network: Any, name: str, router: str, subnet: str) -> list[tuple[str, str]]:
    """A whole site-to-site connection, by kind."""
    mark = {"name": "link", "description": f"cloudsentry-event={name}"}
    network.add_interface_to_router(router, subnet=subnet)
    inner, outer = (
        network.create_vpn_endpoint_group(**mark, type=kind, endpoints=[one])
        for kind, one in (("subnet", subnet), ("cidr", "10.98.0.0/24"))
    )
    service = network.create_vpn_service(**mark, router_id=router)
    strong = {"auth_algorithm": "sha256", "encryption_algorithm": "aes-256", "pfs": "group14"}
    ike, ipsec = network.create_vpn_ike_policy(**mark, **strong), network.create_vpn_ipsec_policy(**mark, **strong)
    connection = network.create_vpn_ipsec_site_connection(
        **mark,
        psk=uuid.uuid4().hex,
        peer_address="192.0.2.1",
        peer_id="192.0.2.1",
        vpnservice_id=service.id,
        ikepolicy_id=ike.id,
        ipsecpolicy_id=ipsec.id,
        local_ep_group_id=inner.id,
        peer_ep_group_id=outer.id,
    )
    return [
        ("VPN connection", connection.id),
        ("VPN endpoint group", outer.id),
        ("VPN endpoint group", inner.id),
        ("VPN service", service.id),
        ("IKE policy", ike.id),
        ("IPsec policy", ipsec.id),
    ]


def test_what_others_left_is_offered_at_the_second_audit_and_goes_by_its_id(
    lab: Lab, strays: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, made, other = strays
    monkeypatch.setenv("CLOUDSENTRY_STATE_DIR", str(tmp_path / "state"))
    hall = Sentry(conf.settings(None))
    try:
        for passes in (1, 2):
            mine = {line.id: line for line in hall.audit(between=0) if line.event == name}
            told = {(line.kind, id, line.state, line.cloud, line.passes) for id, line in mine.items()}
            assert told == {(kind, id, "leak", "public", passes) for kind, id in made}
        there = lab.clouds["public"]
        # Only these: a lab may be shared with other tests, whose leaks are theirs.
        deleted = _deleted_only(hall, mine)
        assert {(line.kind, line.id, line.state) for line in deleted} == {(kind, id, "deleted") for kind, id in made}
        assert [line for line in hall.audit(between=0) if line.event == name] == []
        assert not there.network.find_network(name)
        assert there.network.find_network(other)
    finally:
        hall.close()


def _deleted_only(hall: Sentry, mine: dict[str, Any]) -> Any:
    from cloudsentry.auditing import Audit
    from cloudsentry.journal.leaks import Leaks

    leaks = Leaks(hall.settings.journal.connection)
    try:
        audit = Audit(looker=hall._looker, leaks=leaks, clouds=(), kept=(), open=hall._loader.open)
        return audit.delete(mine.values())
    finally:
        leaks.close()
