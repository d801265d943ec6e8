"""The lab's only waits. Every one has a deadline and says what did not come."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from cloudsentry.errors import SentryError


class LabTimeout(SentryError):
    """Something in the lab did not come up (or down) in time."""


def until(probe: Callable[[], bool], what: str, *, deadline_s: float, every_s: float = 0.05) -> None:
    """Return as soon as `probe` is true. Raises LabTimeout with `what` after `deadline_s` seconds; a probe's own error
    passes through."""
    end = time.monotonic() + deadline_s
    while not probe():
        if time.monotonic() > end:
            raise LabTimeout(f"{what}: not within {deadline_s:.0f} s")
        time.sleep(every_s)


def listening(port: int) -> bool:
    """Does anything accept TCP connections on this loopback port?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
