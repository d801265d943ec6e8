"""How often a run may try again in all: what fails everywhere is given up together, not step by step."""

from __future__ import annotations

import threading

from cloudsentry.errors import Busy, DriverError

PER_STEP = 5
"""Retries per step of the plan that a large run has at the least."""


class Budget:
    """The retries of one run. Thread-safe."""

    def __init__(self, most: int, steps: int, spent: int) -> None:
        """``most`` of the configuration, for a plan of ``steps``; ``spent`` are those that the journal has already."""
        self.most = max(most, PER_STEP * steps) if most else 0
        self._left = self.most - spent
        self._lock = threading.Lock()

    def spend(self, error: DriverError) -> bool:
        """Whether the call may be made again after this error.

        A service that says that it is busy is alive: it costs patience, no budget.
        """
        if isinstance(error, Busy) and 0 < error.status < 500:
            return True
        with self._lock:
            self._left -= 1
            return self._left >= 0
