"""Pre-shared keys: made once, kept in files that their owner alone may read, named by reference everywhere else."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from cloudsentry.errors import Conflict

SCHEME = "file:"
BYTES = 32
"""256 bits, as much as the cipher's key has."""


class Keys:
    """The keys of one folder, which is made with the first of them."""

    def __init__(self, folder: Path | None = None) -> None:
        """``folder``: by default ``keys`` in the state folder, which `cloudsentry.conf.state_dir` tells too."""
        self._folder = folder or _state() / "keys"

    def __repr__(self) -> str:
        return "Keys()"

    @staticmethod
    def reference(event: str, unit: str) -> str:
        """How a stretch's key is named; says nothing about the key."""
        return f"{SCHEME}{event}/{unit}"

    def made(self, reference: str) -> str:
        """The key behind a reference, made now unless it is there. The two ends may ask at the same moment."""
        path = self._path(reference)
        if (known := self.known(reference)) is not None:
            return known
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Whole or not at all, and the first one stays: a link, unlike a rename, refuses what is there.
        handle, part = tempfile.mkstemp(dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(BYTES))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(part, path)
        finally:
            os.unlink(part)
        return path.read_text(encoding="ascii")

    def known(self, reference: str) -> str | None:
        """The key behind a reference, or None where this machine has none."""
        try:
            return self._path(reference).read_text(encoding="ascii")
        except FileNotFoundError:
            return None

    def forget(self, reference: str) -> None:
        """The key is gone, and its folder with the last one."""
        path = self._path(reference)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()

    def _path(self, reference: str) -> Path:
        parts = reference.removeprefix(SCHEME).split("/")
        if not reference.startswith(SCHEME) or len(parts) != 2 or {"", ".", ".."} & set(parts):
            raise Conflict(f"{reference!r} refers to no key of this machine")
        return self._folder / parts[0] / f"{parts[1]}.psk"


def _state() -> Path:
    chosen = os.environ.get("CLOUDSENTRY_STATE_DIR")
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(chosen).expanduser().absolute() if chosen else Path(base).expanduser().absolute() / "cloudsentry"
