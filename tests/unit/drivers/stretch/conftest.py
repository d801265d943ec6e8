"""A Neutron of dictionaries, as far as the stretch drivers speak to it."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from cloudsentry.errors import Conflict, Denied, NotSupported

EXTENSIONS = (
    "provider",
    "net-mtu-writable",
    "standard-attr-description",
    "standard-attr-tag",
    "router",
    "ext-gw-mode",
    "vpnaas",
    "vpn-endpoint-groups",
    "bgpvpn",
)


class FakeNeutron:
    """One cloud: ``items`` by collection, ``limits`` by kind, ``writes`` in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.items: dict[str, list[dict[str, Any]]] = {}
        self.extensions = list(EXTENSIONS)
        self.limits: dict[str, int] = {}
        self.writes: list[tuple[str, str]] = []
        self.admin = True
        self._serial = itertools.count(1)

    def project(self) -> str:
        return "ours"

    def add(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Something that somebody has made."""
        item = {"id": f"{self.name}-{kind}-{next(self._serial)}", "project_id": "ours", "tags": [], **fields}
        self.items.setdefault(kind, []).append(item)
        return item

    def network(self, name: str, cidr: str, physical: str = "physnet1", vlan: int = 0, **fields: Any) -> dict[str, Any]:
        """A network with its one subnet."""
        made = self.add(
            "networks",
            **{
                "name": name,
                "description": "",
                "status": "ACTIVE",
                "mtu": 1500,
                "shared": True,
                "router:external": False,
                "provider:network_type": "vlan",
                "provider:physical_network": physical,
                "provider:segmentation_id": vlan or 100 + next(self._serial),
                **fields,
            },
        )
        self.add("subnets", name=name, description="", network_id=made["id"], cidr=cidr, gateway_ip=cidr[:-4] + "1")
        return made

    def bgpvpn(self, name: str, type: str = "l3", **fields: Any) -> dict[str, Any]:
        """What an operator gives to a project."""
        targets = {"route_targets": ["64512:130"], "import_targets": [], "export_targets": []}
        return self.add("bgpvpns", **{"name": name, "type": type, **targets, **fields})

    def listed(self, service: str, path: str, key: str, *, params: Any = None, microversion: str = "") -> list[Any]:
        kind = path.split("/")[-1]
        if kind.endswith("_associations"):
            vpn = self._find("bgpvpns", path.split("/")[-2])
            return [copy.deepcopy(item) for item in self.items.get(kind, []) if item["bgpvpn_id"] == vpn["id"]]
        if kind == "extensions":
            return [{"alias": alias} for alias in self.extensions]
        if kind == "agents" and not self.admin:
            raise Denied("agents", cloud=self.name, status=403)
        if kind == "bgpvpns" and "bgpvpn" not in self.extensions:
            raise Conflict("no such resource", cloud=self.name, status=404)
        wanted = {name: value for name, value in (params or {}).items() if name != "fields"}
        if kind == "bgpvpns" and wanted:
            raise NotSupported("invalid attribute for filtering", cloud=self.name, status=400)  # as the real one does
        found = [copy.deepcopy(item) for item in self.items.get(kind, []) if _meets(item, wanted)]
        for vpn in found if kind == "bgpvpns" else ():
            for one in ("network", "router"):
                all_ = self.items.get(f"{one}_associations", [])
                vpn[f"{one}s"] = [item[f"{one}_id"] for item in all_ if item["bgpvpn_id"] == vpn["id"]]
        hidden = () if self.admin else ("provider:network_type", "provider:physical_network")
        return [{name: value for name, value in item.items() if name not in hidden} for item in found]

    def get(self, service: str, path: str, *, params: Any = None, microversion: str = "") -> Any:
        if path.endswith("details.json"):
            kinds = {"network": "networks", "subnet": "subnets", "router": "routers"}
            return {
                "quota": {
                    kind: {"limit": self.limits.get(kind, -1), "used": len(self.items.get(many, []))}
                    for kind, many in kinds.items()
                }
            }
        kind, id = path.strip("/").split("/")[-2:]
        return {kind[:-1]: copy.deepcopy(self._find(kind, id))}

    def post(self, service: str, path: str, body: Any, *, microversion: str = "") -> Any:
        self.writes.append(("POST", path))
        (key, fields), kind = next(iter(body.items())), path.split("/")[-1]
        if kind.endswith("_associations"):
            return self._associate(path.split("/")[-2], key, kind, fields)
        usual = {"provider:network_type": "vxlan", "provider:physical_network": None, "provider:segmentation_id": 7}
        extra: dict[str, Any] = (
            {"status": "ACTIVE", "mtu": 1500, "shared": False, **usual} if kind == "networks" else {}
        )
        made = self.add(kind, **{**extra, **fields})
        if kind == "vpnservices":
            made["external_v4_ip"] = "203.0.113.5" if self.name == "private" else "198.51.100.5"
        if kind == "ipsec-site-connections":
            made["status"] = "PENDING_CREATE"
        return {key: copy.deepcopy(made)}

    def _associate(self, vpn: str, key: str, kind: str, fields: dict[str, Any]) -> Any:
        """As networking-bgpvpn does: nothing but ids and project, and each thing once."""
        if any((one["bgpvpn_id"], one.items() >= fields.items()) == (vpn, True) for one in self.items.get(kind, [])):
            raise NotSupported("is already associated", cloud=self.name, status=400)
        made = self.add(kind, bgpvpn_id=self._find("bgpvpns", vpn)["id"], **fields)
        del made["tags"]
        return {key: copy.deepcopy(made)}

    def put(self, service: str, path: str, body: Any, *, microversion: str = "") -> Any:
        self.writes.append(("PUT", path))
        kind, id, *verb = path.removeprefix("/vpn").strip("/").split("/")
        item = self._find(kind, id)
        if verb == ["add_router_interface"]:
            subnet = self._find("subnets", body["subnet_id"])
            fixed = [{"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}]
            owner = "network:router_interface"
            self.add("ports", device_id=id, device_owner=owner, network_id=subnet["network_id"], fixed_ips=fixed)
        elif verb == ["remove_router_interface"]:
            self.items["ports"].remove(self._find("ports", body["port_id"]))
        elif verb == ["tags"]:
            item["tags"] = list(body["tags"])
        else:
            item.update(next(iter(body.values())))

    def delete(self, service: str, path: str, *, params: Any = None, microversion: str = "") -> None:
        self.writes.append(("DELETE", path))
        kind, id = path.strip("/").split("/")[-2:]
        if kind == "networks" and any(port["network_id"] == id for port in self.items.get("ports", [])):
            raise Conflict("in use", cloud=self.name, status=409)
        self.items[kind] = [item for item in self.items.get(kind, []) if item["id"] != id]

    def left(self) -> int:
        """How many things there are, whoever made them."""
        return sum(len(items) for items in self.items.values())

    def _find(self, kind: str, id: str) -> dict[str, Any]:
        for item in self.items.get(kind, []):
            if item["id"] == id:
                return item
        raise Conflict(f"no {kind} {id}", cloud=self.name, status=404)


def _meets(item: dict[str, Any], wanted: dict[str, Any]) -> bool:
    for name, value in wanted.items():
        if name == "tags":
            if not set(str(value).split(",")) <= set(item.get("tags") or ()):
                return False
            continue
        if name == "fixed_ips":
            address = str(value).partition("=")[2]
            if address not in [ip["ip_address"] for ip in item["fixed_ips"]]:
                return False
            continue
        here = str(item.get(name)).lower() if isinstance(item.get(name), bool) else item.get(name)
        if here not in (value if isinstance(value, list) else [value]):
            return False
    return True


def seeded(name: str, prefix: str, external: str) -> FakeNeutron:
    """As the lab's clouds are: a front network, an external one, and an agent that knows physnet1."""
    cloud = FakeNeutron(name)
    cloud.network("front", f"{prefix}.0.0/22")
    ext = {"router:external": True, "shared": False, "provider:network_type": "flat"}
    cloud.network("ext", external, "physnet2", **ext)
    cloud.add("agents", configurations={"bridge_mappings": {"physnet1": "br1", "physnet2": "br2"}})
    return cloud


@pytest.fixture
def clouds() -> dict[str, FakeNeutron]:
    """Two clouds by name."""
    return {
        "private": seeded("private", "10.1", "203.0.113.0/24"),
        "public": seeded("public", "10.2", "198.51.100.0/24"),
    }


@pytest.fixture
def connect(clouds: dict[str, FakeNeutron]) -> Callable[[str], Any]:
    """What opens them."""
    return clouds.__getitem__


@pytest.fixture(autouse=True)
def state(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Keys go to a folder of the test's own."""
    monkeypatch.setenv("CLOUDSENTRY_STATE_DIR", str(tmp_path))
    return tmp_path
