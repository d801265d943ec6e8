"""A last question before a request that changes something leaves this process: may it still?

Who holds an event on a lease sets the question; the transport asks it, behind every queue, retry and token of the
SDK's. Nothing closer to the wire is left but the socket.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

Check = Callable[[], None]
"""Raises where nothing may be sent any more."""

_CHECK: ContextVar[Check | None] = ContextVar("check", default=None)


@contextlib.contextmanager
def guarded(check: Check | None) -> Iterator[None]:
    """In this thread, ask ``check`` before each write of the block. It is asked once at the begin, too."""
    if check is not None:
        check()
    before = _CHECK.set(check)
    try:
        yield
    finally:
        _CHECK.reset(before)


def ask() -> None:
    """Ask what was set for this thread, if anything. Raises what it does."""
    check = _CHECK.get()
    if check is not None:
        check()
