"""PowerDNS's HTTP API: what is at a name, and several record sets changed in one transaction."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
import urllib3.exceptions

from cloudsentry.drivers.steering.dns.answers import LABEL, RRset, weighted
from cloudsentry.errors import Ambiguous, Busy, Conflict, Denied, DriverError, NotSupported, Unreachable
from cloudsentry.records.steering import Target

KEY = "CLOUDSENTRY_PDNS_KEY"
KEY_FILE = "CLOUDSENTRY_PDNS_KEY_FILE"
DEFAULT_FILE = "/etc/cloudsentry/pdns.key"
TIMEOUT = (5.0, 20.0)
"""Seconds to connect, and between two bytes of an answer."""

MOST = 10_000
"""Marks that are looked for at once."""


class PowerDns:
    """One server; the key is read when it is first needed, and told to nobody."""

    def __init__(self, url: str) -> None:
        self.place = url
        self._root = f"{url.rstrip('/')}/api/v1/servers/localhost"
        self._session = requests.Session()
        self._session.trust_env = False

    def __repr__(self) -> str:
        return f"PowerDns({self.place!r})"

    def marks(self) -> list[tuple[str, str, str]]:
        """(zone, name, content) of every mark, by one search over all zones."""
        found = self._call("GET", f"/search-data?q={LABEL}.*&max={MOST}&object_type=record")
        return [(one["zone_id"], one["name"], one["content"]) for one in found if one["type"] == "TXT"]

    def sets(self, zone: str, name: str) -> tuple[RRset, ...]:
        """What is at a name. Raises `Conflict` where the zone is not there."""
        body = self._call("GET", f"/zones/{quote(zone, safe='')}?rrset_name={quote(name, safe='')}")
        return tuple(
            RRset(
                name=one["name"],
                type=one["type"],
                ttl=one["ttl"],
                records=tuple(record["content"] for record in one["records"] if not record.get("disabled")),
            )
            for one in body["rrsets"]
            if one["name"] == name
        )

    def change(self, zone: str, sets: Sequence[RRset]) -> None:
        """All of them at once, or none."""
        self._call("PATCH", f"/zones/{quote(zone, safe='')}", {"rrsets": [_change(one) for one in sets]})

    def render(self, name: str, ttl: int, targets: Sequence[Target]) -> tuple[RRset, ...]:
        """What answers by these shares."""
        return weighted(name, ttl, targets)

    def missing(self, zone: str) -> list[str]:
        """Why the zone could not be steered here."""
        settings = {one["name"]: one["value"] for one in self._call("GET", "/config")}
        lines = (
            [] if settings.get("enable-lua-records") in ("yes", "shared") else ["LUA records: set enable-lua-records"]
        )
        try:
            self.sets(zone, zone)
        except Conflict:
            lines.append(f"zone '{zone}'")
        return lines

    def _call(self, method: str, path: str, body: object = None) -> Any:
        try:
            answer = self._session.request(
                method, f"{self._root}{path}", json=body, headers={"X-API-Key": _key(self.place)}, timeout=TIMEOUT
            )
        except requests.ConnectionError as error:
            cause = getattr(error.args[0] if error.args else None, "reason", None)
            never = isinstance(cause, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError)
            kind = Unreachable if never or method == "GET" else Ambiguous
            raise kind("nobody answers", cloud=self.place) from error
        except requests.Timeout as error:
            kind = Unreachable if method == "GET" else Ambiguous
            raise kind("no answer in time", cloud=self.place) from error
        except requests.RequestException as error:
            raise DriverError(f"no usable answer ({type(error).__name__})", cloud=self.place) from error
        if answer.status_code >= 400:
            raise _refused(answer, self.place)
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise DriverError("the answer is no JSON: is this PowerDNS's API?", cloud=self.place) from error


def _change(one: RRset) -> dict[str, Any]:
    if not one.records:
        return {"name": one.name, "type": one.type, "changetype": "DELETE"}
    records = [{"content": record, "disabled": False} for record in one.records]
    return {"name": one.name, "type": one.type, "ttl": one.ttl, "changetype": "REPLACE", "records": records}


def _refused(answer: requests.Response, place: str) -> DriverError:
    status = answer.status_code
    try:
        told = str(answer.json().get("error", ""))[:200]
    except (ValueError, AttributeError):
        told = ""
    words = told or f"HTTP status {status}"
    if status in (401, 403):
        return Denied("the API refuses the key", cloud=place, status=status)
    if status == 404:
        return Conflict("no such zone" if "zones/" in answer.url else words, cloud=place, status=status)
    if status == 422:
        return NotSupported(words, cloud=place, status=status)
    if status in (429, 502, 503, 504):
        return Busy(words, cloud=place, status=status)
    return DriverError(words, cloud=place, status=status)


def _key(place: str) -> str:
    if key := os.environ.get(KEY):
        return key.strip()
    path = os.environ.get(KEY_FILE) or DEFAULT_FILE
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise Denied(f"no key for the API: put it into ${KEY} or the file {path}", cloud=place) from error
