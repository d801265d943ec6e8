"""The only sleep in the house, so that a test or a rehearsal can bring its own time."""

from __future__ import annotations

import datetime as dt
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any


class Clock:
    """Monotonic seconds, and sleeps that end early when the run is told to stop."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        return time.monotonic()

    def wall(self) -> dt.datetime:
        """The time of day, aware, in UTC: what the journal writes down. It may jump."""
        return dt.datetime.now(dt.UTC)

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``, or at once when stopped."""
        self._stop.wait(max(0.0, seconds))

    def until_done(self, futures: set[Future[Any]], seconds: float) -> None:
        """Return when one of the futures is done, or after ``seconds``."""
        if futures:
            wait(futures, timeout=max(0.0, seconds), return_when=FIRST_COMPLETED)
        else:
            self.sleep(seconds)

    def stop(self) -> None:
        """Wake every sleeper, now and later."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()


class JumpClock(Clock):
    """Time passes only when somebody sleeps, who wakes at once, later; work in threads is waited for as it is.

    With ``speed`` a sleep of so many seconds takes one. With ``begin``, aware, its wall clock starts there and jumps
    along; without, it is the machine's.
    """

    def __init__(self, speed: float | None = None, begin: dt.datetime | None = None) -> None:
        super().__init__()
        self._now = 0.0
        self._begin = begin
        self._speed = speed
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds slept so far, by anybody."""
        return self._now

    def wall(self) -> dt.datetime:
        """``begin``, and the seconds slept since."""
        return super().wall() if self._begin is None else self._begin + dt.timedelta(seconds=self._now)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if self._speed:
            super().sleep(seconds / self._speed)
        with self._lock:
            self._now += max(0.0, seconds)

    def until_done(self, futures: set[Future[Any]], seconds: float) -> None:
        """Wait for one of the futures; with none, let time pass."""
        if futures:
            wait(futures, return_when=FIRST_COMPLETED)
        else:
            self.sleep(seconds)
