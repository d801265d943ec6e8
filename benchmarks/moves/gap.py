"""What a client at the private site sees of an address: when it answered, and the longest time when it did not."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from cloudsentry.clouds.namespaces import inside

EVERY = 0.1
SITE = "lab-private"


@dataclass
class Client:
    """Asks every tenth of a second. Times are of `time.monotonic`."""

    address: str
    answered: list[float] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Until ended."""
        while not self.ended.is_set():
            began = time.monotonic()
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._once()
                self.answered.append(time.monotonic())
            self.ended.wait(max(0.0, began + EVERY - time.monotonic()))

    def _once(self) -> None:
        with inside(SITE), contextlib.closing(socket.create_connection((self.address, 80), timeout=1.0)) as door:
            door.sendall(b"GET /name HTTP/1.0\r\n\r\n")
            if b"200" not in door.recv(64):
                raise OSError

    def silent(self) -> float:
        """Seconds since its last answer; without end where it never did."""
        return time.monotonic() - self.answered[-1] if self.answered else float("inf")

    def gap(self) -> float:
        """The longest time between two answers."""
        return max((b - a for a, b in zip(self.answered, self.answered[1:], strict=False)), default=float("inf"))

    def again(self, after: float) -> float | None:
        """Seconds from a moment until it answered, and went on answering for a second; None where it never did."""
        later = [at for at in self.answered if at > after]
        return later[0] - after if later else None


@contextlib.contextmanager
def asking(address: str) -> Iterator[Client]:
    """A client, as long as the block."""
    client = Client(address)
    thread = threading.Thread(target=client.ask, daemon=True)
    thread.start()
    try:
        yield client
    finally:
        client.ended.set()
        thread.join(5)
