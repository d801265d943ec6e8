"""What the sweep of a cloud finds: by tags, by description, by properties, by the name of a move; nothing else."""

from __future__ import annotations

from cloudsentry.clouds.marked import marked, remove
from cloudsentry.records.marks import Mark

from .stub import answer, cloud

MARK = Mark(event="cup", unit="link", op="o1")
TAGS = list(MARK.tags())


def items(key: str, *listed: dict[str, object]) -> dict[str, object]:
    return {key: [{"id": f"{key}-{number}", "name": "x", **one} for number, one in enumerate(listed)]}


def test_everything_of_ours_and_nothing_of_anybody_elses():
    here, wire = cloud(
        {
            "GET /image/v2/images": items("images", {**MARK.metadata(), "tags": []}, {"name": "debian"}),
            "GET /network/v2.0/networks": items("networks", {"tags": TAGS}, {"tags": ["prod"]}),
            "GET /network/v2.0/subnets": items("subnets", {"description": "cloudsentry-event=cup", "name": "link/a"}),
            "GET /network/v2.0/ports": items(
                "ports", {"tags": [*TAGS, "cloudsentry-server=s1"]}, {"name": "cloudsentry-move-o2-0"}, {"name": ""}
            ),
            "GET /network/v2.0/trunks": answer(404, {"NeutronError": {"message": "no such extension"}}),
            "GET /network/v2.0/routers": answer(403, {}),
        }
    )
    found = marked(here)
    assert [(one.kind, one.id, one.mark.event, one.mark.unit, one.mark.op, one.server) for one in found] == [
        ("image", "images-0", "cup", "link", "o1", ""),
        ("port", "ports-0", "cup", "link", "o1", "s1"),
        ("port", "ports-1", "", "cloudsentry-move-o2-0", "o2", ""),
        ("subnet", "subnets-0", "cup", "link", "", ""),
        ("network", "networks-0", "cup", "link", "o1", ""),
    ]
    assert wire.writes() == []


def test_a_router_goes_with_its_interfaces_and_by_its_id():
    here, wire = cloud(
        {
            "GET /network/v2.0/ports": items(
                "ports", {"device_owner": "network:router_interface"}, {"device_owner": "network:router_gateway"}
            ),
            "PUT /network/v2.0/routers/r1/remove_router_interface": {},
            "DELETE /network/v2.0/routers/r1": answer(204),
        }
    )
    remove(here, "router", "r1")
    assert [(method, path) for method, path, _ in wire.writes()] == [
        ("PUT", "/network/v2.0/routers/r1/remove_router_interface"),
        ("DELETE", "/network/v2.0/routers/r1"),
    ]
