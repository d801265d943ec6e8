"""What tooz leaves to its callers: whether its backend answers, which errors mean that it does not, whose a lock is.

It is asked whether it answers before tooz asks it: tooz tries a Redis that is gone for a minute.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

from cloudsentry.errors import SentryError

PATIENCE = 5.0
"""Seconds that a connection may take."""

PORTS = {
    "redis": 6379,
    "rediss": 6379,
    "etcd3": 2379,
    "etcd3+http": 2379,
    "etcd3+https": 2379,
    "etcd": 2379,
    "zookeeper": 2181,
    "kazoo": 2181,
    "consul": 8500,
    "memcached": 11211,
    "mysql": 3306,
    "postgresql": 5432,
}
"""What tooz's drivers take where a URL names no port."""


def reached(url: str) -> None:
    """Return where somebody listens at the URL's host and port, within `PATIENCE`; else raise `SentryError`.

    A file, a socket of this host and several hosts at once are not asked: their drivers tell soon enough themselves.
    """
    parts = urlsplit(url)
    if not parts.hostname or "," in parts.netloc or not (port := parts.port or PORTS.get(parts.scheme)):
        return
    try:
        socket.create_connection((parts.hostname, port), timeout=PATIENCE).close()
    except OSError as error:
        why = error.strerror or ("no answer" if isinstance(error, TimeoutError) else type(error).__name__)
        raise SentryError(
            f"[ownership] backend_url: no {parts.scheme} at {parts.hostname}:{port} ({why}): start it, or name another "
            "one that all agents reach; nothing was changed"
        ) from error


def failures(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """``more``, and what tooz's drivers raise where their backend is gone, refuses, or answers what nobody can read.

    tooz translates most of it. Of etcd's driver it leaves the start and the errors of etcd3gw in it as they are, and
    an answer that lacks what it should hold is a `LookupError`, one that holds something else a `ValueError`.
    """
    from tooz import ToozError

    found: list[type[Exception]] = [*more, OSError, ToozError, LookupError, ValueError]
    if "etcd3gw" in sys.modules:
        from etcd3gw.exceptions import Etcd3Exception

        found.append(Etcd3Exception)
    return tuple(found)


def objects_only(coordinator: Any) -> None:
    """Have every answer of etcd's gateway that is JSON and no object be a `ValueError`: one of `failures`.

    etcd3gw and tooz take for granted that it is one, and fail on ``null`` or a list as a mistake of theirs would.
    """
    session = getattr(getattr(coordinator, "client", None), "session", None)
    if session is not None and isinstance(getattr(session, "hooks", None), dict):
        session.hooks["response"] = [*session.hooks.get("response", ()), _object]


def _object(response: Any, **_: Any) -> None:
    if response.ok and not isinstance(response.json(), dict):
        raise ValueError("the answer is JSON and no object")


def still_ours(lock: Any) -> bool:
    """Whether the backend, asked now, has the lock as this process's. Raises `failures`.

    A heartbeat of etcd's driver says nothing of a lease that is over, and its lock does not tell its owner: there the
    lock's key is read. True for a driver that has no way to tell.
    """
    from tooz import NotImplemented as Missing

    with contextlib.suppress(Missing):
        return bool(lock.is_still_owner())
    if "etcd3gw" in sys.modules:
        from tooz.drivers.etcd3gw import Etcd3Lock

        if isinstance(lock, Etcd3Lock):
            return base64.b64decode(lock._uuid) in lock._coord.client.get(lock._key)
    return True
