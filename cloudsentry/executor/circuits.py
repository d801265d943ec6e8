"""What a process knows of sick APIs, kept for the next process on this machine: a small file of its state folder.

It is this machine's own view, and not the event's: whether a cloud can be reached differs from host to host.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Key = tuple[str, str]
"""(cloud, family of drivers)."""


class Circuits:
    """Failures in a row and seconds of rest by (cloud, family); nothing where all is well. For several processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self) -> dict[Key, tuple[int, float]]:
        """What the last process has left; nothing where the file cannot be read: an API is then asked anew."""
        return {
            (str(one["cloud"]), str(one["family"])): (one["failures"], one["rest"])
            for one in self._read()
            if _whole(one)
        }

    def keep(self, key: Key, failures: int, rest: float) -> None:
        """Note one circuit; without failures it is forgotten. A folder that cannot be written keeps nothing."""
        with contextlib.suppress(OSError), self._alone():
            others = [one for one in self._read() if (one.get("cloud"), one.get("family")) != key]
            mine = [{"cloud": key[0], "family": key[1], "failures": failures, "rest": rest}] if failures else []
            part = self._path.with_suffix(f".{os.getpid()}.part")
            part.touch(mode=0o600)
            part.write_text(json.dumps(others + mine))
            part.replace(self._path)

    def _read(self) -> list[dict[str, Any]]:
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return []
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _whole(one: dict[str, Any]) -> bool:
    return {"cloud", "family"} <= one.keys() and all(
        isinstance(one.get(name), int | float) for name in ("failures", "rest")
    )
