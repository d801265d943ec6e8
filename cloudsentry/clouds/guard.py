"""A last question before a request that changes something leaves this process: may it still?

Who holds an event on a lease sets the question; the transport asks it, behind every queue, retry and token of the
SDK's. Nothing closer to the wire is left but the socket. The request says whose it is, in its User-Agent: the
services' access logs tell which event, and which holder of it, wrote what.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Protocol


class Holder(Protocol):
    """Who may write for now. ``origin`` is one line of plain ASCII."""

    @property
    def origin(self) -> str: ...

    def check(self) -> None:
        """Raise where nothing may be sent any more."""


_HOLDER: ContextVar[Holder | None] = ContextVar("holder", default=None)


@contextlib.contextmanager
def guarded(holder: Holder | None) -> Iterator[None]:
    """In this thread, ask ``holder`` before each write of the block; at its begin, too."""
    if holder is not None:
        holder.check()
    before = _HOLDER.set(holder)
    try:
        yield
    finally:
        _HOLDER.reset(before)


def asked() -> str:
    """The origin of this thread's writes, empty where nobody holds anything. Raises what the holder's check does."""
    holder = _HOLDER.get()
    if holder is None:
        return ""
    holder.check()
    return holder.origin
