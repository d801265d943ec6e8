"""What an answer, or none, means: statuses and exception types to the project's errors.

The text of a message is passed on for people and never decides anything. The only part of a
body that does is Neutron's ``NeutronError.type``, which is a documented, structured field.

======================  =============================================================
401, 403                `Denied` (a driver tells a used-up quota by asking for it)
404, 410                `Conflict` with that status
409                     `Busy` from Octavia (its objects are immutable while it works),
                        `NoCapacity` for Neutron's OverQuota, else `Conflict`
413, 429                `Busy` after ``Retry-After``; 413 without it `NoCapacity`
other 3xx and 4xx, 501  `NotSupported`
503                     `Busy`
other 5xx, 408          `Busy` for a read, `Ambiguous` for a write
never connected         `Unreachable`
connection lost         `Unreachable` for a read, `Ambiguous` for a write
======================  =============================================================
"""

from __future__ import annotations

import datetime as dt
import email.utils
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3.exceptions
from keystoneauth1 import exceptions as ksa

from cloudsentry.errors import (
    Ambiguous,
    Busy,
    Conflict,
    Denied,
    DriverError,
    NoCapacity,
    NotSupported,
    SentryError,
    Unreachable,
    UserError,
)

TEXT_MAX = 400
"""Longest explanation passed on; clouds sometimes answer with a page."""

_FULL = frozenset({"OverQuota", "IpAddressGenerationFailure", "NoMoreFixedIps"})
"""Neutron's exception names for a used-up quota and for a subnet without free addresses."""

_NEVER_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NameResolutionError,
    urllib3.exceptions.SSLError,
    requests.exceptions.ConnectTimeout,
    requests.exceptions.SSLError,
    requests.exceptions.ProxyError,
    ksa.SSLError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as messages name it: no host, no query, nothing secret."""

    cloud: str
    service: str
    method: str
    path: str

    @property
    def reads(self) -> bool:
        """Whether it can have had no effect."""
        return self.method in ("GET", "HEAD")

    def __str__(self) -> str:
        return f"{self.method} {self.service} {self.path}"


def answered(call: Call, response: requests.Response) -> DriverError:
    """The error that a response with a status other than 2xx means."""
    status = response.status_code
    body = _body(response)
    text = _sentence(call, response, body)
    where = {"cloud": call.cloud, "status": status}
    if status in (401, 403):
        return Denied(text, **where)
    if status in (404, 410):
        return Conflict(text, **where)
    if status == 409:
        return _conflict(call, body, text)
    if status == 429 or (status == 413 and "Retry-After" in response.headers):
        return Busy(text, **where, after=retry_after(response.headers))
    if status == 413:
        return NoCapacity(text, **where)
    if status == 503:
        return Busy(text, **where, after=retry_after(response.headers))
    if status == 408 or (status >= 500 and status != 501):
        return Busy(text, **where) if call.reads else Ambiguous(text, **where)
    return NotSupported(text, **where)


def _conflict(call: Call, body: Any, text: str) -> DriverError:
    if call.service == "load-balancer":
        return Busy(text, cloud=call.cloud, status=409)
    if _neutron_type(body) in _FULL:
        return NoCapacity(text, cloud=call.cloud, status=409)
    return Conflict(text, cloud=call.cloud, status=409)


def lost(call: Call, failure: Exception) -> SentryError:
    """The error that an exception below a call means: no answer, or half of one."""
    if isinstance(failure, ksa.HttpError):
        return _refused(call, failure)
    if isinstance(failure, ksa.EndpointNotFound):
        return NotSupported(f"there is no {call.service} service in the catalog", cloud=call.cloud)
    if isinstance(failure, ksa.DiscoveryFailure):
        return Unreachable(f"{call}: no usable version document at the {call.service} endpoint", cloud=call.cloud)
    if isinstance(failure, ksa.InvalidResponse):  # keystoneauth asked for a token and cannot read the answer
        return garbled(call)
    if isinstance(failure, ksa.ConnectionError | requests.exceptions.RequestException):
        return _no_answer(call, failure)
    return UserError(f"{call.cloud}: cannot authenticate: {failure}")


def _no_answer(call: Call, failure: Exception) -> DriverError:
    causes = list(_causes(failure))
    if any(isinstance(cause, _NEVER_SENT) for cause in causes):
        return Unreachable(f"{call}: no connection ({_kind(causes)})", cloud=call.cloud)
    text = f"{call}: the answer was lost ({_kind(causes)})"
    return Unreachable(text, cloud=call.cloud) if call.reads else Ambiguous(text, cloud=call.cloud)


def garbled(call: Call) -> DriverError:
    """A 2xx whose body is no JSON: something between has cut or replaced it."""
    text = f"{call}: the answer is not JSON"
    return Unreachable(text, cloud=call.cloud) if call.reads else Ambiguous(text, cloud=call.cloud)


def _refused(call: Call, failure: ksa.HttpError) -> DriverError:
    """A status that keystoneauth itself raised: the identity service, before the call was sent."""
    status = int(failure.http_status or 0)
    # keystoneauth's own message ends with the status and an id that differs from call to call.
    said = "" if failure.response is None else explanation(_body(failure.response))
    text = f"the identity service answers {status}: {said or str(failure.message)[:TEXT_MAX]}"
    if status == 401:
        text = f"{text} (wrong user, password or project in clouds.yaml?)"
    if status in (401, 403, 404):
        return Denied(text, cloud=call.cloud, status=status)
    if status == 429 or status >= 500:
        return Busy(text, cloud=call.cloud, status=status)
    return NotSupported(text, cloud=call.cloud, status=status)


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """The exception, what it was raised from, and what those carry: urllib3 hides the reason in ``args``."""
    queue: list[Any] = [failure]
    seen: set[int] = set()
    while queue:
        cause = queue.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        queue += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def _kind(causes: list[BaseException]) -> str:
    """The innermost exception's words: ``ConnectionRefusedError: [Errno 111] Connection refused``."""
    inner = next((cause for cause in reversed(causes) if isinstance(cause, OSError) and cause.errno), causes[-1])
    name = type(inner).__name__
    strerror = getattr(inner, "strerror", None)
    return f"{name}: {strerror}" if strerror else name


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds of ``Retry-After``, as a number or as a date against the answer's own ``Date``; 0 where absent."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    until, now = _date(value), _date(headers.get("Date", ""))
    return max(0.0, (until - now).total_seconds()) if until and now else 0.0


def _date(value: str) -> dt.datetime | None:
    try:
        return email.utils.parsedate_to_datetime(value).astimezone(dt.UTC)
    except ValueError:
        return None


def _body(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _neutron_type(body: Any) -> str:
    error = body.get("NeutronError") if isinstance(body, dict) else None
    return str(error.get("type", "")) if isinstance(error, dict) else ""


def _sentence(call: Call, response: requests.Response, body: Any) -> str:
    request = response.headers.get("x-openstack-request-id") or response.headers.get("x-compute-request-id", "")
    text = explanation(body) or response.reason or "no reason given"
    return f"{call}: {response.status_code} {text}" + (f" ({request})" if request else "")


def explanation(body: Any) -> str:
    """A service's own words, for people: Nova's, Neutron's, Octavia's, Keystone's and Placement's shapes."""
    if not isinstance(body, dict):
        return ""
    if isinstance(body.get("faultstring"), str):
        return _line(body["faultstring"])
    errors = body.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return _line(str(errors[0].get("detail") or errors[0].get("title") or ""))
    for inner in body.values():
        if isinstance(inner, dict) and isinstance(inner.get("message"), str):
            return _line(inner["message"])
    return _line(body["message"]) if isinstance(body.get("message"), str) else ""


def _line(text: str) -> str:
    return " ".join(text.split())[:TEXT_MAX]
