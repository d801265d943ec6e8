"""One cloud of clouds.yaml, as this process talks to it.

openstacksdk reads the configuration, keystoneauth authenticates and sends; its service
proxies are left out: drivers speak JSON, and the client's own CPU stays small. One token and
one catalog per cloud and process, shared by all threads.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import requests
from keystoneauth1 import exceptions as ksa
from keystoneauth1.adapter import Adapter

from cloudsentry import __version__
from cloudsentry.clouds import faults
from cloudsentry.clouds.calls import ASKS, Calls, Counter, CountingAdapter
from cloudsentry.clouds.turn import taking_turns
from cloudsentry.errors import Busy, Conflict, NotSupported, Unreachable

LOG = logging.getLogger(__name__)

TIMEOUT = (5.0, 60.0)
"""Seconds to connect, and between two bytes of an answer, where clouds.yaml has no ``api_timeout``."""

READ_RETRIES = 2
"""Further attempts of a read on a lost connection or a 503; a write gets none: the executor looks first."""

MICROVERSIONED = {"compute": ("2", "2.latest"), "placement": ("1", "1.latest")}
"""Services whose version document is read once, for the microversions they offer."""

VERSION_PATH = {
    "network": "v2.0",
    "load-balancer": "v2.0",
    "image": "v2",
    "identity": "v3",
    "dns": "v2",
    "key-manager": "v1",
}
"""What a catalog's bare endpoint lacks; these services' documents are not worth a call."""

Params = Mapping[str, str | int | list[str]]


class Region(Protocol):
    """What is used of `openstack.config.cloud_region.CloudRegion`."""

    def get_session(self) -> Any: ...

    def get_endpoint(self, service_type: str) -> str | None: ...

    def get_service_type(self, service_type: str) -> str: ...

    def get_service_name(self, service_type: str) -> str | None: ...

    def get_interface(self, service_type: str) -> Any: ...

    def get_region_name(self, service_type: str) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a service is, and the newest microversion it offers ((0, 0): none)."""

    url: str
    newest: tuple[int, int] = (0, 0)


class Cloud:
    """JSON calls to the services of one cloud.

    ``path`` is below the service's versioned endpoint. Every method raises the project's errors only
    (`cloudsentry.clouds.faults` has the table) and answers with parsed JSON, None for an empty body.
    """

    def __init__(self, name: str, region: Region) -> None:
        self.name = name
        self._region = region
        self._lock = threading.Lock()
        self._endpoints: dict[str, Endpoint] = {}
        self._counter = Counter()
        self._skew: float | None = None
        self._session = region.get_session()
        taking_turns(self._session.auth)
        # Operators find our calls in the services' access logs by this.
        self._session.app_name, self._session.app_version = "cloudsentry", __version__
        if self._session.timeout is None:
            self._session.timeout = TIMEOUT
        http = self._session.session
        for prefix in ("https://", "http://"):
            http.mount(prefix, CountingAdapter(http.get_adapter(prefix), self._counter))

    def __repr__(self) -> str:
        return f"Cloud({self.name!r})"

    def calls(self) -> Calls:
        """How many requests were sent until now."""
        return self._counter.calls()

    def get(self, service: str, path: str, *, params: Params | None = None, microversion: str = "") -> Any:
        """One GET."""
        return self._send(self._call(service, "GET", path), params=params, microversion=microversion)

    def listed(
        self, service: str, path: str, key: str, *, params: Params | None = None, microversion: str = ""
    ) -> list[dict[str, Any]]:
        """Every item of a collection, page after page as the service links them."""
        return [item for page in self._pages(service, path, key, params, microversion) for item in page]

    def post(self, service: str, path: str, body: Mapping[str, Any], *, microversion: str = "") -> Any:
        """One POST, sent once."""
        return self._send(self._call(service, "POST", path), body=body, microversion=microversion)

    def ask(self, service: str, path: str, body: Mapping[str, Any], *, microversion: str = "") -> Any:
        """One POST that changes nothing, such as Nova's question for a console; counted as a read."""
        return self._send(self._call(service, "POST", path), body=body, microversion=microversion, headers={ASKS: "1"})

    def put(self, service: str, path: str, body: Mapping[str, Any], *, microversion: str = "") -> Any:
        """One PUT, sent once."""
        return self._send(self._call(service, "PUT", path), body=body, microversion=microversion)

    def read_from(self, service: str, path: str, offset: int = 0) -> requests.Response:
        """One GET whose body is left to be read bit by bit, from ``offset`` on where the service can (206, not 200)."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        return self._stream(self._call(service, "GET", path), stream=True, headers=headers)

    def text(self, service: str, path: str) -> str:
        """One GET whose answer is plain text."""
        return str(self._stream(self._call(service, "GET", path), headers={"Accept": "text/plain"}).text)

    def write_to(self, service: str, path: str, body: Iterable[bytes]) -> None:
        """One PUT of bytes, sent once, bit by bit; ``len(body)``, where there is one, is what the service is told."""
        headers = {"Content-Type": "application/octet-stream"}
        self._stream(self._call(service, "PUT", path), data=body, headers=headers).close()

    def delete(self, service: str, path: str, *, params: Params | None = None, microversion: str = "") -> None:
        """One DELETE, sent once. What is not there is deleted."""
        try:
            self._send(self._call(service, "DELETE", path), params=params, microversion=microversion)
        except Conflict as gone:
            if gone.status not in (404, 410):
                raise

    def newest(self, service: str) -> tuple[int, int]:
        """The newest microversion that the service offers."""
        return self._endpoint(self._call(service, "GET", "/")).newest

    def project(self) -> str:
        """The id of the account's project."""
        call = self._call("identity", "GET", "/auth/projects")
        try:
            return str(self._session.get_project_id() or "")
        except (ksa.ClientException, requests.exceptions.RequestException) as failure:
            raise faults.lost(call, failure) from failure

    def setting(self, name: str) -> str:
        """A key of the cloud's entry in clouds.yaml that is the project's own; empty where it has none."""
        return str((getattr(self._region, "config", None) or {}).get(name) or "")

    def lent(self, service: str, path: str) -> Mapping[str, Any]:
        """What a machine that is trusted needs for one call: ``url``, ``token``, and how to know the service.

        ``ca`` is the PEM text of clouds.yaml's ``cacert``, ``insecure`` where its ``verify`` is off. A secret.
        """
        call = self._call(service, "PUT", path)
        url = self._endpoint(call).url + path
        verify = self._session.verify
        ca = Path(verify).read_text(encoding="ascii") if isinstance(verify, str) else ""
        agent = f"cloudsentry/{__version__}"
        return {"url": url, "token": self._session.get_token(), "ca": ca, "insecure": verify is False, "agent": agent}

    def told_of(self, token: str) -> Mapping[str, Any]:
        """What the cloud's Keystone says of somebody's token: user, project, roles, expires_at.

        Raises `Conflict` with status 404 for one that is none, or none any more.
        """
        call = self._call("identity", "GET", "/auth/tokens")
        found: Mapping[str, Any] = self._send(call, headers={"X-Subject-Token": token})["token"]
        return found

    @property
    def skew(self) -> float | None:
        """Seconds by which the cloud's clock was ahead of this machine's at its last answer; None where it has none."""
        return self._skew

    def until(self) -> str:
        """When the credentials end (ISO 8601): the password, or the application credential; empty where unknown."""
        call = self._call("identity", "GET", "/auth/tokens")
        try:
            access = self._session.auth.get_access(self._session)
        except (ksa.ClientException, requests.exceptions.RequestException) as failure:
            raise faults.lost(call, failure) from failure
        known = getattr(access, "application_credential_id", None)
        if known:
            path = f"/users/{access.user_id}/application_credentials/{known}"
            return str(self.get("identity", path)["application_credential"].get("expires_at") or "")
        # keystoneauth has no name for this part of the token's body.
        user = (getattr(access, "_data", None) or {}).get("token", {}).get("user", {})
        return str(user.get("password_expires_at") or "")

    def _note_clock(self, response: requests.Response) -> None:
        try:
            theirs = email.utils.parsedate_to_datetime(response.headers.get("Date", ""))
        except (TypeError, ValueError):
            return
        self._skew = (theirs - dt.datetime.now(dt.UTC)).total_seconds() if theirs.tzinfo else None

    def _call(self, service: str, method: str, path: str) -> faults.Call:
        return faults.Call(cloud=self.name, service=service, method=method, path=path)

    def _pages(
        self, service: str, path: str, key: str, params: Params | None, microversion: str
    ) -> Iterator[list[dict[str, Any]]]:
        asked: set[str] = set()
        while True:
            body = self._page(service, path, params, microversion, first=not asked)
            if not isinstance(body, dict) or not isinstance(body.get(key), list):
                raise faults.garbled(self._call(service, "GET", path))
            yield body[key]
            link = _next(body, key)
            if not link or link in asked or not body[key]:
                return
            asked.add(link)
            params = _query(link)

    def _page(self, service: str, path: str, params: Params | None, microversion: str, *, first: bool) -> Any:
        """One page. Where the item that a page begins after has gone (400 or 404), the list is to be asked for anew."""
        try:
            return self.get(service, path, params=params, microversion=microversion)
        except (NotSupported, Conflict) as gone:
            if first or gone.status not in (400, 404):
                raise
            raise Busy(f"{path} changed while it was listed", cloud=self.name, status=gone.status) from gone

    def _send(
        self,
        call: faults.Call,
        *,
        params: Params | None = None,
        body: Mapping[str, Any] | None = None,
        microversion: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        endpoint = self._endpoint(call)
        options: dict[str, Any] = {"params": dict(params)} if params else {}
        if headers:
            options["headers"] = dict(headers)
        if body is not None:
            options["json"] = body
        if microversion:
            options |= {"microversion": microversion, "microversion_service_type": call.service}
        retries = READ_RETRIES if call.reads else 0
        try:
            response = self._session.request(
                endpoint.url + call.path,
                call.method,
                raise_exc=False,
                log=False,  # bodies may hold user data
                connect_retries=retries,
                status_code_retries=retries,
                **options,
            )
        except (ksa.ClientException, requests.exceptions.RequestException) as failure:
            raise faults.lost(call, failure) from failure
        return self._read(call, response)

    def _stream(self, call: faults.Call, **options: Any) -> requests.Response:
        endpoint = self._endpoint(call)
        try:
            response: requests.Response = self._session.request(
                endpoint.url + call.path, call.method, raise_exc=False, log=False, **options
            )
        except (ksa.ClientException, requests.exceptions.RequestException) as failure:
            raise faults.lost(call, failure) from failure
        if not 200 <= response.status_code < 300:
            raise faults.answered(call, response)
        return response

    def _read(self, call: faults.Call, response: requests.Response) -> Any:
        self._note_clock(response)
        LOG.debug("%s: %s: %d in %.3f s", self.name, call, response.status_code, response.elapsed.total_seconds())
        if not 200 <= response.status_code < 300:
            raise faults.answered(call, response)
        if response.status_code == 204 or not response.content:
            return None
        try:
            return response.json()
        except ValueError as failure:
            raise faults.garbled(call) from failure

    def _endpoint(self, call: faults.Call) -> Endpoint:
        """Where the service is. The token is there afterwards too: what fails later is the call's own."""
        stage = faults.Call(cloud=self.name, service="identity", method="GET", path="/auth/tokens")
        try:
            self._session.get_token()
            if known := self._endpoints.get(call.service):
                return known
            stage = faults.Call(cloud=self.name, service=call.service, method="GET", path="/")
            with self._lock:
                if call.service not in self._endpoints:
                    self._endpoints[call.service] = self._locate(call.service)
                return self._endpoints[call.service]
        except (ksa.ClientException, requests.exceptions.RequestException) as failure:
            raise faults.lost(stage, failure) from failure

    def _locate(self, service: str) -> Endpoint:
        oldest, newest = MICROVERSIONED.get(service, (None, None))
        adapter = Adapter(
            session=self._session,
            service_type=self._region.get_service_type(service),
            service_name=self._region.get_service_name(service),
            interface=self._region.get_interface(service),
            region_name=self._region.get_region_name(service),
            endpoint_override=self._region.get_endpoint(service),
            min_version=oldest,
            max_version=newest,
        )
        if not oldest:
            url = adapter.get_endpoint()
            offered = (0, 0)
        else:
            data = adapter.get_endpoint_data()
            url = data.url if data else None
            offered = (data.max_microversion if data else None) or (0, 0)
            if url and offered == (0, 0):
                # keystoneauth goes on with the catalog's URL where the version document could not be had.
                raise Unreachable(f"there is no version document at the {service} endpoint just now", cloud=self.name)
        if not url:
            region = f" of region {adapter.region_name}" if adapter.region_name else ""
            raise NotSupported(f"there is no {service} service in the catalog{region}", cloud=self.name)
        return Endpoint(url=_versioned(url, VERSION_PATH.get(service, "")), newest=offered)


def _versioned(url: str, version: str) -> str:
    url = url.rstrip("/")
    return url if not version or url.endswith(f"/{version}") else f"{url}/{version}"


def _next(body: Mapping[str, Any], key: str) -> str:
    """The link to the next page: ``<key>_links`` of Nova, Neutron and Octavia, ``next`` of Glance."""
    links = body.get(f"{key}_links")
    if isinstance(links, list):
        return next((str(link["href"]) for link in links if link.get("rel") == "next"), "")
    return str(body.get("next") or "")


def _query(link: str) -> dict[str, str | int | list[str]]:
    """Only the query of a link: its host is the service's own idea of itself, which a proxy may hide."""
    return dict(parse_qs(urlsplit(link).query))
