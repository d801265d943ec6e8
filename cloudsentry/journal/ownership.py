"""One process works on an event at a time, and knows when its time is over.

The lock is tooz's: a file by default, which the operating system lets go of when the
process dies in whatever way; etcd, Redis or ZooKeeper by URL, which let go when the
lease is over. There it is a lease on this side as well: who could not renew it in time, as
its process was stopped or cut off, finds its `Hold` ended and writes nothing more.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cloudsentry.errors import Lost, Owned, SentryError, UserError
from cloudsentry.journal.backend import failures, objects_only, reached, still_ours
from cloudsentry.journal.fences import Fence, Fences

LOG = logging.getLogger(__name__)

MARGIN = 0.1
"""Share of the lease, at most a second, before whose end nothing new is begun: a call takes time to arrive."""


class Hold:
    """One event, held by this process. Thread-safe.

    ``seconds`` is the lease, None where the lock lives as long as the process does.
    """

    def __init__(self, event: str, seconds: float | None, token: int = 0) -> None:
        self.event, self.token = event, token
        self._seconds = seconds
        self._until = math.inf if seconds is None else _now() + seconds

    def check(self) -> None:
        """Raise `Lost` where the lease is over, or so nearly that a call might arrive after it."""
        if self._seconds is not None and _now() >= self._until - min(1.0, self._seconds * MARGIN):
            late = _now() - self._until
            told = f"ended {late:.1f} s ago" if late > 0 else "is about to end"
            raise Lost(f"event {self.event}: the lease {told} and was not renewed in time: nothing more is written")

    @property
    def origin(self) -> str:
        """How requests of this holder are told from others' in an access log."""
        return f"event/{self.event} token/{self.token} pid/{os.getpid()}"

    @property
    def fence(self) -> Fence:
        """What the journal's writers are given, so that they refuse what this process writes when it is late."""
        return Fence(event=self.event, token=self.token, alive=self.check)

    def renewed(self, asked: float) -> None:
        """The backend has renewed the lease; ``asked`` is when it was asked to. A lease that was over stays over."""
        if self._seconds is not None and asked < self._until:
            self._until = asked + self._seconds

    def end(self) -> None:
        """The backend says that it is over."""
        self._until = -math.inf


@contextlib.contextmanager
def owned(event: str, url: str, *, lease: float = 30.0, fences: Fences | None = None) -> Iterator[Hold]:
    """Hold an event while the block runs; nobody else does then, in this process or any other.

    Never waits: raises `Owned`, which names the holder where it is known, if the event is held.
    Raises `UserError` for a URL that tooz has no driver for, `SentryError` if the backend cannot be
    reached. ``lease`` is the seconds after which a backend on the network forgets a dead holder; it is renewed
    while the block runs. With ``fences`` earlier holders can no longer write to the journal.
    """
    coordinator = _coordinator(url, lease)
    try:
        lock = coordinator.get_lock(f"event-{event}".encode())
        asked = _now()
        if not _acquired(lock, url):
            raise Owned(f"event {event} is being worked on by {_holder(event, url, fences)}: nothing was changed")
        try:
            hold = Hold(event, _seconds(url, lease))
            hold.renewed(asked)
            hold.token = fences.next(event) if fences else 0
            hold.check()  # who was stopped before the token came may have shut out a later holder: it does no more
            _sign(event, url)
            with _renewing(hold, lock, _seconds(url, lease)):
                yield hold
        finally:
            _unsign(event, url)
            _let_go(lock, url)
    finally:
        _stopped(coordinator, url)


@contextlib.contextmanager
def _renewing(hold: Hold, lock: Any, seconds: float | None) -> Iterator[None]:
    """Renew three times a lease, in a thread of its own: whatever the block does, and waits for."""
    if seconds is None:
        yield
        return
    enough = threading.Event()

    def renew() -> None:
        while not enough.wait(seconds / 3):
            asked = _now()
            if _renewed(lock):
                hold.renewed(asked)

    thread = threading.Thread(target=renew, name=f"lease-{hold.event}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def _renewed(lock: Any) -> bool:
    """One heartbeat. What fails is not the end: the lease runs on until it is over by this machine's clock."""
    try:
        beating = bool(lock.heartbeat()) if hasattr(lock, "heartbeat") else True
        beating = beating and still_ours(lock)
    except failures() as error:
        LOG.warning("a lease could not be renewed: %s", type(error).__name__)
        return False
    return beating


def _now() -> float:
    """Seconds that go on while this process, or its machine, is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _coordinator(url: str, lease: float) -> Any:
    # tooz costs a tenth of a second to import: only who writes to a cloud pays it.
    from tooz import ToozError, coordination

    folder = _folder(url)
    member = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}".encode()
    try:
        reached(url)
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        coordinator = coordination.get_coordinator(url if folder else _leased(url, lease), member)
    except (OSError, ToozError) as error:
        raise SentryError(_failed(url, error)) from error
    except (RuntimeError, ImportError) as error:
        raise UserError(f"[ownership] backend_url: no driver for {_scheme(url)}") from error
    except ValueError as error:
        # Not said is what it says: it may hold the password.
        raise UserError(f"[ownership] backend_url: not a URL that the driver for {_scheme(url)} takes") from error
    objects_only(coordinator)
    try:
        coordinator.start(start_heart=False)
    except failures() as error:
        raise SentryError(_failed(url, error)) from error
    return coordinator


def _leased(url: str, lease: float) -> str:
    """The URL with the lease as the backend's timeout, unless the URL says one itself."""
    if "timeout" in parse_qs(urlsplit(url).query):
        return url
    return f"{url}{'&' if '?' in url else '?'}timeout={max(1, math.ceil(lease))}"


def _seconds(url: str, lease: float) -> float | None:
    """The lease on this side: never longer than the backend's. None for a file, which has none."""
    if _folder(url) is not None:
        return None
    asked = parse_qs(urlsplit(url).query)
    said = [float(value) for key in ("timeout", "lock_timeout") for value in asked.get(key, ()) if value.isdigit()]
    return min([lease, *said])


def _acquired(lock: Any, url: str) -> bool:
    try:
        return bool(lock.acquire(blocking=False))
    except failures() as error:
        raise SentryError(_failed(url, error)) from error


def _let_go(lock: Any, url: str) -> None:
    """Release the lock; one that cannot be released lapses with its lease."""
    try:
        reached(url)
        lock.release()
    except failures(SentryError) as error:
        LOG.warning("a lock could not be released, and ends with its lease: %s", type(error).__name__)


def _stopped(coordinator: Any, url: str) -> None:
    with contextlib.suppress(*failures(SentryError)):
        reached(url)
        coordinator.stop()


def _scheme(url: str) -> str:
    return urlsplit(url).scheme or "an empty URL"


def _failed(url: str, error: BaseException) -> str:
    """What a backend says may quote its URL, and so a password: then only the kind of the error is told."""
    told, secret = str(error) or type(error).__name__, urlsplit(url).password
    told = type(error).__name__ if secret and secret in told else told
    return f"[ownership] backend_url: the {_scheme(url)} backend failed: {told}"


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


def _holder(event: str, url: str, fences: Fences | None) -> str:
    """Who signed last. A courtesy: the lock decides, and a card left by a killed process decides nothing."""
    card = _card(event, url)
    if card is None:
        return (fences.holder(event) if fences else "") or "another process"
    try:
        told = json.loads(card.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = None
    if not isinstance(told, dict):
        return "another process"
    return f"process {told.get('pid')} on {told.get('host')} since {told.get('since')}"
