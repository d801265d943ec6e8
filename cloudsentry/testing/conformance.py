"""The contracts of families as checks that a driver's own tests call: no fixture, no pytest, no lab.

Each check takes the driver's class and raises `AssertionError` with the sentence of the contract that it breaks. The
project's own drivers pass the same checks.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import socket

from cloudsentry.drivers.policy.base import PolicyDriver
from cloudsentry.drivers.signal.base import SignalDriver, SignalOptions
from cloudsentry.records.scaling import Inputs, Missing, Reading

QUIET = Inputs(
    event="e",
    pool="p",
    now=dt.datetime(2010, 8, 7, tzinfo=dt.UTC),
    current=5,
    least=1,
    most=9,
    capacities=tuple(float(100 * n) for n in range(10)),
    step=9,
    cooldown=0,
    ahead=0,
    boot=0,
)
"""A pool of five servers, between one and nine, each good for 100 requests per second; nothing is asked of it."""


def signatures(driver: type, base: type) -> None:
    """The driver is of the family, and each of the family's methods takes and gives what the base's does."""
    assert issubclass(driver, base), f"{driver.__name__} is no {base.__name__}"
    for name in getattr(base, "__abstractmethods__", ()):
        wanted, found = inspect.signature(getattr(base, name)), inspect.signature(getattr(driver, name))
        assert found == wanted, f"{driver.__name__}.{name}{found} is not {name}{wanted}"


def signal(driver: type[SignalDriver]) -> None:
    """A source that is down is `Missing` with a reason and a source, and nothing is raised.

    Binds a port of loopback to which nobody listens.
    """
    signatures(driver, SignalDriver)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        made = driver(SignalOptions(url=url, query="missing: down", timeout=1.0))
        found = made.read()
    assert isinstance(found, Missing), f"a source that is down must be Missing, not {found!r}"
    assert found.why, "Missing tells why"
    assert found.source, "Missing tells where it looked"


def policy(driver: type[PolicyDriver]) -> None:
    """A policy is pure, stays within the bounds, gives its reasons, and takes nothing away for want of data."""
    signatures(driver, PolicyDriver)
    assert driver().decide(QUIET) == driver().decide(QUIET), "the same inputs give the same decision"
    blind = driver().decide(dataclasses.replace(QUIET, signal=Missing(why="blind", source="s")))
    assert blind.wanted >= QUIET.current, "missing data is never no load"
    assert blind.reasons, "a decision tells its reasons"
    heavy = Reading(value=1e9, unit="requests/s", source="s")
    for current in (0, QUIET.least, QUIET.most, 20):
        decision = driver().decide(dataclasses.replace(QUIET, current=current, signal=heavy))
        assert QUIET.least <= decision.wanted <= QUIET.most, f"{decision.wanted} servers are out of bounds"
