"""A circuit breaker per cloud and service: a sick API is left alone for a while, then asked with one call.

::

    closed ──FAILURES in a row──▶ open ──rest is over──▶ half-open ──the probe succeeds──▶ closed
                                   ▲                        │
                                   └──the probe fails: rest doubled──┘

Sick is who does not answer, or answers with 5xx. A busy balancer's 409, a 429 and every refusal are answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeVar

from cloudsentry.errors import Ambiguous, Busy, DriverError, Unreachable

T = TypeVar("T")
Key = tuple[str, str]
"""(cloud, family of drivers)."""

FAILURES = 5
REST_LEAST = 2.0
REST_MOST = 30.0
"""Seconds; a rest is doubled from the least to the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """One circuit. ``until`` is when its rest is over; ``probing`` whether the one call is under way."""

    failures: int = 0
    rest: float = 0.0
    until: float = 0.0
    probing: bool = False

    def state(self, now: float) -> Literal["closed", "open", "half-open"]:
        """What a call of now meets."""
        if not self.rest:
            return "closed"
        return "open" if now < self.until or self.probing else "half-open"

    def asked(self, now: float) -> Circuit:
        """A call is let through: where that is the probe, it is the only one."""
        return replace(self, probing=True) if self.state(now) == "half-open" else self

    def answered(self) -> Circuit:
        """It answered: all is well."""
        return Circuit()

    def failed(self, now: float) -> Circuit:
        """It did not. A call that began before the rest did does not lengthen it."""
        if self.rest and not self.probing:
            return self
        failures = self.failures + 1
        if failures < FAILURES and not self.rest:
            return replace(self, failures=failures)
        rest = min(REST_MOST, self.rest * 2) if self.rest else REST_LEAST
        return Circuit(failures=failures, rest=rest, until=now + rest)


class Memory(Protocol):
    """Where circuits outlive a process; `cloudsentry.executor.circuits.Circuits` is one."""

    def recall(self) -> Mapping[Key, tuple[int, float]]:
        """Failures in a row, and seconds of rest."""

    def keep(self, key: Key, failures: int, rest: float) -> None:
        """As they are now."""


class Breaker:
    """The circuits of one process. Thread-safe.

    What an earlier process has left begins half-open: one call tells whether the API is still sick, and nobody has
    to wait for it who has just mended it.
    """

    def __init__(self, now: Callable[[], float], memory: Memory | None = None) -> None:
        self._now, self._memory = now, memory
        self._lock = threading.Lock()
        self._known: dict[Key, Circuit] | None = None
        self._busy: dict[Key, bool] = {}

    def call(self, key: Key, call: Callable[[], T]) -> T:
        """What ``call`` gives. While the circuit is open nothing is sent.

        Then it is `Busy` with the rest that is left where the service had answered that it is, and `Unreachable`
        where it had not answered: who gives up on the one sooner than on the other goes on doing so.
        """
        with self._lock:
            circuit = self._circuits.get(key, Circuit())
            if circuit.state(self._now()) == "open":
                after = max(circuit.until - self._now(), REST_LEAST / 4)
                raise self._refusal(key, circuit.failures, after)
            self._circuits[key] = circuit.asked(self._now())
        try:
            result = call()
        except BaseException as error:
            self._busy[key] = isinstance(error, Busy)
            self._end(key, sick=isinstance(error, DriverError) and _sick(error))
            raise
        self._end(key, sick=False)
        return result

    def open(self) -> tuple[tuple[Key, str], ...]:
        """Every circuit that is not closed, with its state, sorted."""
        return tuple((key, circuit.state(self._now())) for key, circuit in self.circuits() if circuit.rest)

    def circuits(self) -> tuple[tuple[Key, Circuit], ...]:
        """Every circuit of which something is known, sorted."""
        with self._lock:
            return tuple(sorted(self._circuits.items(), key=lambda item: item[0]))

    @property
    def _circuits(self) -> dict[Key, Circuit]:
        if self._known is None:
            left = self._memory.recall() if self._memory else {}
            self._known = {
                key: Circuit(failures=failures, rest=rest, until=self._now()) for key, (failures, rest) in left.items()
            }
        return self._known

    def _refusal(self, key: Key, failures: int, after: float) -> DriverError:
        text = f"the {key[1]} service is left alone for {after:.0f} s after {failures} failures in a row"
        return Busy(text, cloud=key[0], after=after) if self._busy.get(key) else Unreachable(text, cloud=key[0])

    def _end(self, key: Key, *, sick: bool) -> None:
        with self._lock:
            before = self._circuits[key]
            after = self._circuits[key] = before.failed(self._now()) if sick else before.answered()
            if self._memory and (before.failures, before.rest) != (after.failures, after.rest):
                self._memory.keep(key, after.failures, after.rest)


def _sick(error: DriverError) -> bool:
    return isinstance(error, Unreachable | Ambiguous) or (isinstance(error, Busy) and error.status >= 500)
