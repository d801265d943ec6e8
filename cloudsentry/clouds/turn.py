"""Only one thread at a time asks an identity service for a token, and never for the token that it is asking for.

keystoneauth holds a lock while it fetches a token. Where the version document, which it reads first, is answered by
401, it asks for that with a token: the thread then waits for itself, and all others for it, for ever. Told that there
is no such document it goes on with the version that is in the URL.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

from keystoneauth1.exceptions import DiscoveryFailure


class Turn:
    """A lock that its own holder is refused by `DiscoveryFailure`, and everybody else waits for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None

    def __enter__(self) -> None:
        if self._holder == threading.get_ident():
            raise DiscoveryFailure("the identity service wants a token for its version document")
        self._lock.acquire()
        self._holder = threading.get_ident()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder = None
        self._lock.release()


def taking_turns(auth: Any) -> None:
    """Give an identity plugin such a lock in the place of its own. keystoneauth has no public name for it."""
    if isinstance(getattr(auth, "_lock", None), type(threading.Lock())):
        auth._lock = Turn()
