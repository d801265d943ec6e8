"""What the fakes of all families share: a world that several drivers see, and faults on order.

A world lives in memory, or in a JSON file of the folder that the environment's
``CLOUDSENTRY_FAKE_DIR`` names: then other processes see it too, and it outlives a killed one.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import pydantic

from cloudsentry.errors import Ambiguous, Busy, Denied, NoCapacity, Unreachable

FOLDER = "CLOUDSENTRY_FAKE_DIR"

Kind = Literal[
    "busy",
    "unreachable",
    "ambiguous_before",
    "ambiguous_after",
    "denied",
    "nocapacity",
    "error_server",
    "kill_before",
    "kill_after",
]
"""``before`` and ``after``: whether the lost call, or the killed process's, had its effect."""


@dataclass(slots=True)
class FaultRule:
    """Something that goes wrong with the ``nth`` call of a verb, and with ``times`` calls from there on.

    ``verb`` is ``observe``, the name of an order's class or ``*``; the rule counts its own calls in
    ``seen``. ``after`` is Busy's. ``error_server`` leaves ``count`` of a create's servers in ERROR.
    """

    verb: str
    nth: int = 1
    kind: Kind = "busy"
    times: int = 1
    after: float = 0.0
    count: int = 1
    seen: int = 0

    def meets(self, verb: str) -> bool:
        """Count a call; whether the fault is due."""
        if self.verb not in ("*", verb):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


def before(rules: list[FaultRule], cloud: str) -> None:
    """Raise what goes wrong before a call has its effect. ``rules`` are those that are due."""
    for rule in rules:
        text = f"fake fault {rule.kind} at {rule.verb} {rule.nth}"
        match rule.kind:
            case "busy":
                raise Busy(text, cloud=cloud, status=503, after=rule.after)
            case "unreachable":
                raise Unreachable(text, cloud=cloud)
            case "ambiguous_before":
                raise Ambiguous(text, cloud=cloud)
            case "denied":
                raise Denied(text, cloud=cloud, status=403)
            case "nocapacity":
                raise NoCapacity(text, cloud=cloud, status=403)
            case _:
                pass


def after(rules: list[FaultRule], cloud: str) -> None:
    """Raise what goes wrong once a call has had its effect."""
    if any(rule.kind == "ambiguous_after" for rule in rules):
        raise Ambiguous("fake fault ambiguous_after: the answer was lost", cloud=cloud)


def kill(rules: list[FaultRule], kind: Literal["kill_before", "kill_after"]) -> None:
    """End this process as nothing else ends one, if a rule says so."""
    if any(rule.kind == kind for rule in rules):
        os.kill(os.getpid(), signal.SIGKILL)


S = TypeVar("S")


@functools.cache
def _adapter(state: type[Any]) -> pydantic.TypeAdapter[Any]:
    """Once per type: building one costs more than a hundred calls of it."""
    return pydantic.TypeAdapter(state)


class World(Generic[S]):
    """A state that one at a time works on. With a path every piece of work is read from and written to the file."""

    def __init__(self, blank: Callable[[], S], state: type[S], path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._blank = blank
        self._path = path
        self._json: pydantic.TypeAdapter[S] = _adapter(state)  # type: ignore[arg-type]  # a class is hashable
        self._state = blank()

    @property
    def state(self) -> S:
        """The state as it is now; in a file, a copy of it."""
        with self._lock:
            return self._read()

    @contextlib.contextmanager
    def work(self) -> Iterator[S]:
        """The state, to be changed; what was changed stays changed whatever is raised."""
        with self._lock, self._alone():
            self._state = self._read()
            try:
                yield self._state
            finally:
                self._write()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes out."""
        if self._path is None:
            yield
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> S:
        if self._path is None:
            return self._state
        return self._json.validate_json(self._path.read_bytes()) if self._path.exists() else self._blank()

    def _write(self) -> None:
        if self._path is not None:
            part = self._path.with_suffix(f".{os.getpid()}.part")
            part.write_bytes(self._json.dump_json(self._state))
            part.replace(self._path)


def path_of(family: str, cloud: str) -> Path | None:
    """The file of a fake cloud's world, or None where worlds live in memory."""
    folder = os.environ.get(FOLDER)
    return Path(folder) / f"{family}-{cloud}.json" if folder else None
