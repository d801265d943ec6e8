"""A cloud whose wire is a function: the real session, token and catalog with a token written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session
from requests.adapters import BaseAdapter

from cloudsentry.clouds import Cloud

HOST = "http://cloud.test"
SERVICES = {
    "compute": "/compute/v2.1",
    "network": "/network",
    "load-balancer": "/lb",
    "image": "/image",
    "placement": "/placement",
}
VERSIONS = {
    "/compute/v2.1": {"version": {"id": "v2.1", "status": "CURRENT", "version": "2.96", "min_version": "2.1"}},
    "/placement": {"versions": [{"id": "v1.0", "status": "CURRENT", "max_version": "1.39", "min_version": "1.0"}]},
}
PROJECT = "b49b594384d349c2a4ca71a7e6d0db7e"


def answer(status: int = 200, body: Any = None, *, headers: dict[str, str] | None = None, raw: bytes | None = None):
    """A response as requests hands it on."""
    response = requests.Response()
    response.status_code = status
    response.reason = "Because"
    response._content = raw if raw is not None else (json.dumps(body).encode() if body is not None else b"")
    response.headers.update(headers or {})
    return response


class Wire(BaseAdapter):
    """Answers by (method, path below the host), in order; the last of a list for ever. Exceptions are raised."""

    def __init__(self, routes: dict[str, Any]) -> None:
        super().__init__()
        self.routes = routes
        self.sent: list[tuple[str, str, dict[str, list[str]], Any]] = []
        self.requests: list[Any] = []

    def send(self, request: Any, **options: Any) -> Any:
        split = urlsplit(request.url)
        body = json.loads(request.body) if request.body else None
        self.sent.append((request.method, split.path, parse_qs(split.query), body))
        self.requests.append(request)
        found = self._answer(f"{request.method} {split.path}", split.path.rstrip("/"))
        if isinstance(found, Exception):
            raise found
        found.request, found.url = request, request.url
        return found

    def _answer(self, key: str, path: str) -> Any:
        if key in self.routes:
            found = self.routes[key]
            if isinstance(found, list):
                found = found.pop(0) if len(found) > 1 else found[0]
            return found if isinstance(found, Exception | requests.Response) else answer(200, found)
        if key == "POST /identity/v3/auth/tokens":
            return answer(201, token(), headers={"X-Subject-Token": "sesame"})
        if path in VERSIONS:
            links = [{"rel": "self", "href": HOST + path}]
            body = json.loads(json.dumps(VERSIONS[path]))
            (body.get("version") or body["versions"][0])["links"] = links
            return answer(200, body)
        return answer(404, {"itemNotFound": {"code": 404, "message": f"no route for {key}"}})

    def close(self) -> None:
        pass

    def writes(self) -> list[tuple[str, str, Any]]:
        """What was written: method, path, body; tokens aside."""
        return [
            (method, path, body)
            for method, path, _, body in self.sent
            if method != "GET" and not path.startswith("/identity")
        ]


def token() -> dict[str, Any]:
    """Keystone's answer: scoped to a project, one public endpoint per service."""
    catalog = [
        {
            "type": kind,
            "name": kind,
            "id": kind,
            "endpoints": [
                {"interface": "public", "url": HOST + path, "region": "here", "region_id": "here", "id": kind}
            ],
        }
        for kind, path in SERVICES.items()
    ]
    return {
        "token": {
            "methods": ["password"],
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "expires_at": "2999-01-01T00:00:00.000000Z",
            "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}},
            "project": {"id": PROJECT, "name": "p", "domain": {"id": "d", "name": "d"}},
            "roles": [{"id": "r", "name": "admin"}],
            "catalog": catalog,
        }
    }


class StubRegion:
    """What `Cloud` asks of openstacksdk's CloudRegion."""

    def __init__(self, wire: Wire) -> None:
        http = requests.Session()
        http.mount("http://", wire)
        auth = Password(
            f"{HOST}/identity/v3",
            username="u",
            password="hunter2",
            project_name="p",
            user_domain_name="d",
            project_domain_name="d",
        )
        self._session = Session(auth=auth, session=http)

    def get_session(self) -> Session:
        return self._session

    def get_endpoint(self, service_type: str) -> None:
        return None

    def get_service_type(self, service_type: str) -> str:
        return service_type

    def get_service_name(self, service_type: str) -> None:
        return None

    def get_interface(self, service_type: str) -> str:
        return "public"

    def get_region_name(self, service_type: str) -> str:
        return "here"


def cloud(routes: dict[str, Any] | None = None) -> tuple[Cloud, Wire]:
    """A cloud named ``here`` and its wire."""
    wire = Wire(routes or {})
    return Cloud("here", StubRegion(wire)), wire


def connect(routes: dict[str, Any]) -> tuple[Callable[[str], Cloud], Wire]:
    """A ``connect`` for a driver, and the wire."""
    made, wire = cloud(routes)
    return lambda name: made, wire
