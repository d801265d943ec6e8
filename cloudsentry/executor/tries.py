"""One call, tried by the meaning of its errors. The waiting between tries is tenacity's."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import tenacity

from cloudsentry.errors import Ambiguous, Busy, DriverError, Unreachable
from cloudsentry.executor.clock import Clock
from cloudsentry.executor.pace import Pace

T = TypeVar("T")
RETRIED = (Busy, Unreachable, Ambiguous)


class _Wait:
    """Exponential with full jitter, and never sooner than the service asked for."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def __call__(self, state: tenacity.RetryCallState) -> float:
        most = min(self._pace.retry_most, self._pace.retry_first * 2 ** (state.attempt_number - 1))
        error = state.outcome.exception() if state.outcome else None
        least = error.after if isinstance(error, Busy) else 0.0
        # Jitter spreads many clients that failed together; it guards nothing, so `random` will do.
        return max(least, random.uniform(most / 2, most))


class _Stop:
    """Stop at the limit of tries, at the deadline, or when told to.

    A service that answers "busy" is alive: it is waited for until the deadline, whatever the count.
    """

    def __init__(self, pace: Pace, clock: Clock, deadline: float) -> None:
        self._pace, self._clock, self._deadline = pace, clock, deadline

    def __call__(self, state: tenacity.RetryCallState) -> bool:
        if self._clock.stopped or self._clock.now() >= self._deadline:
            return True
        error = state.outcome.exception() if state.outcome else None
        return not isinstance(error, Busy) and state.attempt_number >= self._pace.attempts


def _retrying(pace: Pace, clock: Clock, deadline: float) -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(RETRIED),
        wait=_Wait(pace),
        stop=_Stop(pace, clock, deadline),
        sleep=clock.sleep,
        reraise=True,
    )


def reading(look: Callable[[], T], pace: Pace, clock: Clock) -> T:
    """Look, and look again while nobody answers; raises the last `DriverError`."""
    return _retrying(pace, clock, clock.now() + pace.balancer_timeout)(look)


@dataclass(slots=True, kw_only=True)
class Tries:
    """The tries of one step's call.

    ``call`` makes it. ``seen`` looks whether it had its effect. ``before`` makes the intent durable and
    is told the number of the try. ``said`` is told what went wrong before the next. ``allowed`` says whether the
    run has a retry left for an error.
    """

    call: Callable[[], None]
    seen: Callable[[], bool]
    before: Callable[[int], None]
    said: Callable[[int, DriverError], None]
    pace: Pace
    clock: Clock
    deadline: float
    allowed: Callable[[DriverError], bool] = lambda error: True
    attempts: int = field(default=0)

    def make(self) -> None:
        """Return when the call has been accepted, or has visibly had its effect. Raises the last `DriverError`."""
        _retrying(self.pace, self.clock, self.deadline)(self._once)

    def _once(self) -> None:
        if self.attempts and self.seen():
            return
        self.attempts += 1
        self.before(self.attempts)
        began = self.clock.now()
        try:
            self.call()
        except Ambiguous as error:
            if self._appears(self.clock.now() - began):
                return
            self._paid(error)
            raise
        except DriverError as error:
            if isinstance(error, RETRIED):
                self._paid(error)
            raise

    def _paid(self, error: DriverError) -> None:
        """Raises an error that is tried no more where the run has no retry left."""
        if self.attempts < self.pace.attempts and not self.allowed(error):
            raise DriverError(f"{error}; the retries of the whole run are used up") from error
        self.said(self.attempts, error)

    def _appears(self, took: float) -> bool:
        """The answer was lost. Give the effect time to show before the call is made again: better late than twice.

        A service that had not answered for a minute may well need another one: at least as long is waited again.
        """
        end = self.clock.now() + max(self.pace.settle, took)
        pause = self.pace.retry_first
        while not self.clock.stopped:
            try:
                if self.seen():
                    return True
            except RETRIED:
                end = max(end, self.clock.now() + pause)
            left = min(end, self.deadline) - self.clock.now()
            if left <= 0:
                return False
            self.clock.sleep(min(pause, left))
            pause *= 2
        return False
