"""The load driver `fake`: servers that answer so many times a second, and each in so many milliseconds.

What a server carries is told by `FakeLoad.carries`; who was told nothing carries 1000 responses/s.
"""

from __future__ import annotations

from typing import ClassVar

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.drivers.load.base import LoadDriver
from cloudsentry.errors import DriverError
from cloudsentry.records.loading import LoadOrder, LoadResult

BODY = 25 * 1024
"""Bytes of an answer: the source's pictures."""


class FakeLoad(LoadDriver):
    """Every target answers in 2 ms until it is full; then answers queue. ``connect`` is for the signature."""

    carries: ClassVar[dict[str, float]] = {}
    """Responses per second by address."""
    orders: ClassVar[list[LoadOrder]] = []
    """What was driven, in order."""
    fault: ClassVar[DriverError | None] = None
    """Raised by every order, where set."""

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._place = cloud

    @classmethod
    def forget(cls) -> None:
        """As at the beginning."""
        cls.carries.clear()
        cls.orders.clear()
        cls.fault = None

    def drive(self, order: LoadOrder) -> LoadResult:
        """As the contract says, at once."""
        if self.fault is not None:
            raise self.fault
        self.orders.append(order)
        full = [self.carries.get(target.address, 1000.0) for target in order.targets]
        rates = [min(carried, order.connections / 0.002) for carried in full]
        slowest = max((order.connections / rate * 1000 for rate in rates if rate), default=0.0)
        return LoadResult(
            connections=order.connections,
            responses=sum(rates),
            mbits=sum(rates) * BODY * 8 / 1e6,
            errors=sum(not rate for rate in rates),
            p50_ms=slowest,
            p99_ms=slowest,
        )
