"""A clock that jumps: whoever sleeps wakes at once, later."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from cloudsentry.executor import Clock


class JumpClock(Clock):
    """Time passes only when somebody sleeps; work in threads is waited for as it is."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds slept so far, by anybody."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass, and return at once."""
        with self._lock:
            self._now += max(0.0, seconds)

    def until_done(self, futures: set[Future[Any]], seconds: float) -> None:
        """Wait for one of the futures; with none, let time pass."""
        if futures:
            wait(futures, return_when=FIRST_COMPLETED)
        else:
            self.sleep(seconds)
