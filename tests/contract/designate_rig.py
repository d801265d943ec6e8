"""A Designate v2 API on the wire of a real session: asynchronous as the service is, and as strict about what it takes.

By its API reference: creates, changes and deletes are answered with 202 and stay ``PENDING`` until the name servers
answer by them (`settle`); names end in a dot; what a filter names may hold ``*``; lists come in pages.
"""

from __future__ import annotations

import fnmatch
import itertools
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cloudsentry.clouds import Cloud
from tests.unit.clouds import stub

ZONE, PAGE = "example.net.", 2


class Designate(stub.Wire):
    """One zone with its record sets, in pages of two."""

    def __init__(self) -> None:
        token = stub.token()
        where = {"region": "here", "region_id": "here", "id": "dns"}
        endpoint = {"interface": "public", "url": f"{stub.HOST}/dns", **where}
        token["token"]["catalog"].append({"type": "dns", "name": "designate", "id": "dns", "endpoints": [endpoint]})
        granted = stub.answer(201, token, headers={"X-Subject-Token": "sesame"})
        super().__init__({"POST /identity/v3/auth/tokens": granted})
        self.zone = {"id": "z1", "name": ZONE, "status": "ACTIVE"}
        self.sets: dict[str, dict[str, Any]] = {}
        self._ids = itertools.count(1)

    def put_in(self, name: str, type: str, ttl: int | None, *records: str) -> None:
        """A record set that stands."""
        key = f"r{next(self._ids)}"
        self.sets[key] = {
            "id": key,
            "name": name,
            "type": type,
            "ttl": ttl,
            "records": list(records),
            "status": "ACTIVE",
            "action": "NONE",
            "zone_id": "z1",
            "zone_name": ZONE,
        }

    def settle(self) -> None:
        """The name servers answer by what was asked."""
        self.sets = {key: one for key, one in self.sets.items() if one["action"] != "DELETE"}
        for one in self.sets.values():
            one.update(status="ACTIVE", action="NONE")

    def standing(self) -> dict[tuple[str, str], tuple[int | None, tuple[str, ...]]]:
        """What is answered, the marks aside."""
        return {
            (one["name"], one["type"]): (one["ttl"], tuple(sorted(one["records"])))
            for one in self.sets.values()
            if one["action"] != "DELETE" and not one["name"].startswith("_cloudsentry.")
        }

    def send(self, request: Any, **options: Any) -> Any:
        split = urlsplit(request.url)
        if not split.path.startswith("/dns/v2/"):
            return super().send(request, **options)
        body = json.loads(request.body) if request.body else None
        query = {key: value[0] for key, value in parse_qs(split.query).items()}
        self.sent.append((request.method, split.path, parse_qs(split.query), body))
        found = self._dns(request.method, split.path.removeprefix("/dns/v2/").split("/"), query, body)
        found.request, found.url = request, request.url
        return found

    def _dns(self, method: str, path: list[str], query: dict[str, str], body: Any) -> Any:
        match method, path:
            case "GET", ["zones"]:
                return self._page("zones", [self.zone], path, query)
            case "GET", ["recordsets"] | ["zones", "z1", "recordsets"]:
                return self._page("recordsets", list(self.sets.values()), path, query)
            case "POST", ["zones", "z1", "recordsets"]:
                return self._create(body)
            case "PUT" | "DELETE", ["zones", "z1", "recordsets", key] if key in self.sets:
                return self._change(method, self.sets[key], body)
            case _:
                return stub.answer(404, {"code": 404, "type": "recordset_not_found"})

    def _page(self, key: str, items: list[dict[str, Any]], path: list[str], query: dict[str, str]) -> Any:
        for field in ("name", "type"):
            if field in query:
                items = [one for one in items if fnmatch.fnmatchcase(str(one.get(field, "")), query[field])]
        first = next((i + 1 for i, one in enumerate(items) if one["id"] == query.get("marker")), 0)
        page = items[first : first + PAGE]
        links = {"self": "here"}
        if first + PAGE < len(items):
            more = "&".join(f"{name}={value}" for name, value in {**query, "marker": page[-1]["id"]}.items())
            links["next"] = f"{stub.HOST}/dns/v2/{'/'.join(path)}?{more}"
        return stub.answer(200, {key: page, "links": links, "metadata": {"total_count": len(items)}})

    def _create(self, body: dict[str, Any]) -> Any:
        if not body["name"].endswith(ZONE) or not body["records"]:
            return stub.answer(400, {"code": 400, "type": "invalid_object"})
        known = [(one["name"], one["type"]) for one in self.sets.values()]
        kinds = {kind for name, kind in known if name == body["name"]}
        if (body["name"], body["type"]) in known:
            return stub.answer(409, {"code": 409, "type": "duplicate_recordset"})
        if "CNAME" in kinds or (kinds and body["type"] == "CNAME"):
            return stub.answer(400, {"code": 400, "type": "invalid_recordset_location"})
        self.put_in(body["name"], body["type"], body["ttl"], *body["records"])
        made = self.sets[f"r{len(self.sets)}"] if f"r{len(self.sets)}" in self.sets else list(self.sets.values())[-1]
        made.update(status="PENDING", action="CREATE")
        return stub.answer(202, made)

    def _change(self, method: str, one: dict[str, Any], body: Any) -> Any:
        if method == "DELETE":
            one.update(status="PENDING", action="DELETE")
        else:
            one.update(body, status="PENDING", action="UPDATE")
        return stub.answer(202, one)


def served() -> tuple[Cloud, Designate]:
    """A cloud whose catalog has this Designate."""
    wire = Designate()
    return Cloud("private", stub.StubRegion(wire)), wire
