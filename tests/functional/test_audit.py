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
    """What a stretch and a mover might have left when they died, kind → id; and a network of somebody else."""
    there, name = lab.clouds["public"], f"test-audit-{uuid.uuid4().hex[:6]}"
    mark = Mark(event=name, unit="link", op="o1")
    network = there.network.create_network(name=name, description=f"cloudsentry-event={name}")
    subnet = there.network.create_subnet(name=name, network_id=network.id, ip_version=4, cidr="10.99.0.0/24")
    port = there.network.create_port(network_id=network.id, name=name)
    router = there.network.create_router(name=name)
    for one in (subnet, port, router):
        there.network.set_tags(one, list(mark.tags()))
    image = there.image.create_image(name=name, **mark.metadata(), disk_format="raw", container_format="bare")
    other = there.network.create_network(name=f"{name}-other", description="cloudsentry is nice")
    made = {"network": network.id, "subnet": subnet.id, "port": port.id, "router": router.id, "image": image.id}
    yield name, made, other.id
    there.network.delete_network(other.id)


def test_what_others_left_is_offered_at_the_second_audit_and_goes_by_its_id(
    lab: Lab, strays: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, made, other = strays
    monkeypatch.setenv("CLOUDSENTRY_STATE_DIR", str(tmp_path / "state"))
    hall = Sentry(conf.settings(None))
    try:
        for passes in (1, 2):
            mine = {line.kind: line for line in hall.audit(between=0) if line.event == name}
            told = {kind: (line.state, line.cloud, line.id, line.passes) for kind, line in mine.items()}
            assert told == {kind: ("leak", "public", id, passes) for kind, id in made.items()}
        there = lab.clouds["public"]
        # Only these: a lab may be shared with other tests, whose leaks are theirs.
        deleted = _deleted_only(hall, mine)
        assert {line.kind: line.state for line in deleted} == dict.fromkeys(made, "deleted")
        assert not there.network.find_network(made["network"])
        assert not there.image.find_image(made["image"])
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
