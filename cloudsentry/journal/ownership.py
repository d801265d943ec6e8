"""One process works on an event at a time.

The lock is tooz's: a file by default, which the operating system lets go of when the
process dies in whatever way; etcd, Redis or ZooKeeper by URL, which let go when the
lease is over.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cloudsentry.errors import Owned, SentryError, UserError

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def owned(event: str, url: str, *, lease: float = 30.0) -> Iterator[None]:
    """Hold an event while the block runs; nobody else does then, in this process or any other.

    Never waits: raises `Owned`, which names the holder where the lock is a file, if the event is held.
    Raises `UserError` for a URL that tooz has no driver for, `SentryError` if the backend cannot be
    reached. ``lease`` is the seconds after which a backend on the network forgets a dead holder.
    """
    coordinator = _coordinator(url, lease)
    try:
        lock = coordinator.get_lock(f"event-{event}".encode())
        if not _acquired(lock, url):
            raise Owned(f"event {event} is being worked on by {_holder(event, url)}: nothing was changed")
        _sign(event, url)
        try:
            yield
        finally:
            _unsign(event, url)
            lock.release()
    finally:
        coordinator.stop()


def _coordinator(url: str, lease: float) -> Any:
    # tooz costs a tenth of a second to import: only who writes to a cloud pays it.
    from tooz import ToozError, coordination

    folder = _folder(url)
    member = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}".encode()
    try:
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        coordinator = coordination.get_coordinator(url if folder else _leased(url, lease), member)
        coordinator.start(start_heart=folder is None)
    except (OSError, ToozError) as error:
        raise SentryError(f"[ownership] backend_url: the {urlsplit(url).scheme} backend failed: {error}") from error
    except (RuntimeError, ImportError) as error:
        raise UserError(f"[ownership] backend_url: no driver for {urlsplit(url).scheme or 'an empty URL'}") from error
    return coordinator


def _leased(url: str, lease: float) -> str:
    """The URL with the lease as the backend's timeout, unless the URL says one itself."""
    if "timeout=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}timeout={max(1, round(lease))}"


def _acquired(lock: Any, url: str) -> bool:
    from tooz import ToozError

    try:
        return bool(lock.acquire(blocking=False))
    except ToozError as error:
        raise SentryError(f"[ownership] backend_url: the {urlsplit(url).scheme} backend failed: {error}") from error


def _folder(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(parts.path) if parts.scheme == "file" else None


def _card(event: str, url: str) -> Path | None:
    """Where the holder leaves its name, beside the lock; never the lock's own file, which the lock holds open."""
    folder = _folder(url)
    return folder / f"event-{event}.holder" if folder else None


def _sign(event: str, url: str) -> None:
    card = _card(event, url)
    if card is None:
        return
    mine = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
    # Replaced as a whole: whoever is refused meanwhile reads the old card or the new one.
    draft = card.with_suffix(".draft")
    draft.write_text(json.dumps(mine), encoding="utf-8")
    draft.replace(card)


def _unsign(event: str, url: str) -> None:
    card = _card(event, url)
    if card is not None:
        card.unlink(missing_ok=True)


def _holder(event: str, url: str) -> str:
    """Who signed last. A courtesy: the lock decides, and a card left by a killed process decides nothing."""
    card = _card(event, url)
    try:
        told = json.loads(card.read_text(encoding="utf-8")) if card else None
    except (OSError, ValueError):
        told = None
    if not isinstance(told, dict):
        return "another process"
    return f"process {told.get('pid')} on {told.get('host')} since {told.get('since')}"
