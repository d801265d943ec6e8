"""Whether the backend of ownership answers, asked before tooz asks it: tooz tries a Redis that is gone for a minute."""

from __future__ import annotations

import socket
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
