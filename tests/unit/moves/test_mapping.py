"""What a server has that cannot go along is told, all of it at once, before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest

from cloudsentry.drivers.mover.image.mapping import carried, reasons
from cloudsentry.errors import Conflict
from cloudsentry.records.marks import Mark
from cloudsentry.records.moving import MoveOrder
from cloudsentry.records.orders import Template

FLAVOR = {"name": "m1", "id": "1", "vcpus": 2, "ram": 512, "disk": 5}


class Cloud:
    """Answers lists by path; what is not listed is not there."""

    def __init__(self, name: str, **lists: list[dict[str, Any]]) -> None:
        self.name, self._lists = name, lists

    def listed(self, service: str, path: str, key: str, *, params: Any = None, **_: Any) -> list[dict[str, Any]]:
        found = self._lists.get(key, [])
        names = (params or {}).get("name")
        if names is None:
            return found
        return [one for one in found if one["name"] in ([names] if isinstance(names, str) else names)]

    def get(self, service: str, path: str, **_: Any) -> Any:
        for one in self._lists.get("named", []):
            if path.endswith(one["path"]):
                return one["body"]
        raise Conflict("not there", cloud=self.name, status=404)


def order(*networks: str, hypervisors: tuple[str, ...] = ()) -> MoveOrder:
    return MoveOrder(
        event="cup", pool="db", new_pool="db-osaka", source="private", target="public", driver="nova", count=1,
        server="s1", name="db-1", hypervisors=hypervisors, template=Template(image="i", flavor="m1", networks=networks),
        mark=Mark(event="cup", unit="db-osaka@any"),
    )  # fmt: skip


PLAIN: dict[str, Any] = {
    "id": "s1",
    "name": "db-1",
    "image": {"id": "i"},
    "flavor": {"original_name": "m1", "vcpus": 2, "ram": 512, "disk": 5},
}
NEAR: dict[str, Any] = {
    "networks": [{"id": "n1", "name": "wide"}],
    "ports": [{"id": "p1", "network_id": "n1"}],
}
FAR: dict[str, Any] = {"networks": [{"id": "f1", "name": "wide"}], "flavors": [FLAVOR]}


def told(server: dict[str, Any], near: dict[str, Any] | None = None, far: dict[str, Any] | None = None) -> str:
    found = reasons(
        Cloud("private", **(NEAR | (near or {}))),  # type: ignore[arg-type]
        Cloud("public", **(FAR | (far or {}))),  # type: ignore[arg-type]
        PLAIN | server,
        order("wide"),
    )
    return "\n".join(found)


def test_a_plain_server_may_move():
    assert told({}) == ""


@pytest.mark.parametrize(
    ("server", "near", "far", "why"),
    [
        ({"os-extended-volumes:volumes_attached": [{"id": "v"}]}, {}, {}, "1 volumes attached"),
        ({"image": ""}, {}, {}, "boots from a volume"),
        ({"addresses": {"wide": [{"addr": "1.2.3.4", "OS-EXT-IPS:type": "floating"}]}}, {}, {}, "floating IP 1.2.3.4"),
        ({}, {"ports": [{"id": "p9", "network_id": "n9"}]}, {}, "a port (p9) on a network that its pool does not name"),
        ({}, {"ports": [{"id": "p1", "network_id": "n1"}] * 2}, {}, "2 ports on network 'wide'"),
        ({}, {"ports": [{"id": "p1", "network_id": "n1", "trunk_details": {"x": 1}}]}, {}, "a trunk (p1)"),
        ({}, {}, {"networks": []}, "public has no network 'wide'"),
        ({"security_groups": [{"name": "web"}, {"name": "default"}]}, {}, {}, "no security group 'web'"),
        ({"key_name": "ops"}, {}, {}, "no keypair 'ops'"),
        ({"flavor": PLAIN["flavor"] | {"original_name": "m2"}}, {}, {}, "resize it first"),
        ({}, {}, {"flavors": []}, "public has no flavor 'm1'"),
        ({}, {}, {"flavors": [FLAVOR | {"disk": 4}]}, "has 4 GiB of disk, server db-1 has 5"),
        (
            {"server_groups": ["g"]},
            {"named": [{"path": "/g", "body": {"server_group": {"name": "theirs"}}}]},
            {},
            "in server group 'theirs'",
        ),
        (
            {"server_groups": ["g"]},
            {"named": [{"path": "/g", "body": {"server_group": {"name": "cloudsentry.cup.db@x"}}}]},
            {},
            "name hypervisors to keep them so",
        ),
    ],
)
def test_each_thing_that_cannot_go_along_is_a_reason(
    server: dict[str, Any], near: dict[str, Any], far: dict[str, Any], why: str
):
    assert why in told(server, near, far)


def test_what_the_target_has_as_well_is_no_reason():
    found = told(
        {"key_name": "ops", "security_groups": [{"name": "web"}]},
        far={
            "security_groups": [{"name": "web"}],
            "named": [{"path": "/os-keypairs/ops", "body": {"keypair": {}}}],
            "flavors": [FLAVOR | {"ram": 4096}],
        },
    )
    assert found == ""


def test_all_reasons_come_at_once():
    found = told({"image": "", "key_name": "ops", "security_groups": [{"name": "web"}]}, far={"networks": []})
    assert len(found.splitlines()) == 4


def test_metadata_goes_along_without_the_mark_of_the_place_that_was():
    assert carried({"metadata": {"role": "db", "cloudsentry.op": "1", "cloudsentry.unit": "x"}}) == {"role": "db"}
