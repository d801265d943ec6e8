"""Counting what goes over the wire, where it goes over the wire: every attempt counts once."""

from __future__ import annotations

import collections
import re
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import BaseAdapter

from cloudsentry.clouds import guard

ASKS = "X-Cloudsentry-Asks"
"""A header, never sent on, of a POST that changes nothing: it counts as a read."""

_READS = frozenset({"GET", "HEAD", "OPTIONS", "ASK"})
_SERIAL = re.compile(r"v\d[\d.]*|\d+|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TOKENS = "auth/tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """HTTP requests sent by this process, every attempt counted.

    ``by`` holds (method, family, count), sorted; a family is the path without versions and ids:
    ``compute/servers``. A request for a token is a read: it changes nothing that anybody has.
    """

    reads: int = 0
    writes: int = 0
    by: tuple[tuple[str, str, int], ...] = ()


class Counter:
    """Counts requests; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by: collections.Counter[tuple[str, str]] = collections.Counter()

    def add(self, method: str, url: str) -> None:
        """Count one request that is about to be sent."""
        with self._lock:
            self._by[(method, family(url))] += 1

    def calls(self) -> Calls:
        """What was counted until now."""
        with self._lock:
            by = dict(self._by)
        reads = sum(count for (method, where), count in by.items() if method in _READS or where.endswith(_TOKENS))
        return Calls(
            reads=reads,
            writes=sum(by.values()) - reads,
            by=tuple(sorted((method, where, count) for (method, where), count in by.items())),
        )


class CountingAdapter(BaseAdapter):  # type: ignore[misc]  # requests is untyped here
    """A transport of requests that counts and passes on."""

    def __init__(self, inner: BaseAdapter, counter: Counter) -> None:
        super().__init__()
        self._inner = inner
        self._counter = counter

    def send(self, request: Any, **options: Any) -> Any:
        """Count, then send; a write only while whoever makes it still may."""
        method = "ASK" if request.headers.pop(ASKS, None) else str(request.method)
        if method not in _READS and not family(str(request.url)).endswith(_TOKENS):
            self._sign(request, guard.asked())
        self._counter.add(method, str(request.url))
        return self._inner.send(request, **options)

    @staticmethod
    def _sign(request: Any, origin: str) -> None:
        """keystoneauth sends a request of its own making again, with the headers it has: signed once is enough."""
        agent = str(request.headers.get("User-Agent", ""))
        if origin and origin not in agent:
            request.headers["User-Agent"] = f"{agent} {origin}".strip()

    def close(self) -> None:
        """Close what is inside."""
        self._inner.close()


def family(url: str) -> str:
    """The path of a URL without its versions and ids."""
    return "/".join(word for word in urlsplit(url).path.split("/") if word and not _SERIAL.fullmatch(word))
