"""The secret of a stretch: made once, kept encrypted in a file of its owner's alone, named by reference elsewhere.

The files are encrypted with one key (Fernet: AES-128 and HMAC), which lies in ``master.key`` of the state folder or,
better, in the file that ``CLOUDSENTRY_KEYS_MASTER`` names, on another disk than the backups of the state folder.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloudsentry.errors import Conflict, UserError

SCHEME = "file:"
BYTES = 32
"""256 bits, as much as the ciphers' keys have."""


class Keys:
    """The secrets of one folder, which is made with the first of them."""

    def __init__(self, folder: Path | None = None) -> None:
        """``folder``: by default ``keys`` in the state folder, which `cloudsentry.conf.state_dir` tells too."""
        self._folder = folder or _state() / "keys"

    def __repr__(self) -> str:
        return "Keys()"

    @staticmethod
    def reference(event: str, unit: str) -> str:
        """How a stretch's secret is named; says nothing about it."""
        return f"{SCHEME}{event}/{unit}"

    def made(self, reference: str) -> str:
        """The secret behind a reference, made now unless it is there. The two ends may ask at the same moment."""
        if (known := self.known(reference)) is None:
            _keep(self._path(reference), self._sealed(secrets.token_urlsafe(BYTES)), replace=False)
            known = self.known(reference)
            assert known is not None
        return known

    def known(self, reference: str) -> str | None:
        """The secret behind a reference, or None where this machine has none.

        Raises `Conflict` where the file was encrypted with another master key.
        """
        try:
            token = self._path(reference).read_bytes()
        except FileNotFoundError:
            return None
        try:
            return self._cipher().decrypt(token).decode("ascii")
        except InvalidToken as failure:
            raise Conflict(f"the key {reference} was encrypted with another master key than this one") from failure

    def renew(self, reference: str) -> None:
        """Another secret from now on: the old one is gone."""
        _keep(self._path(reference), self._sealed(secrets.token_urlsafe(BYTES)), replace=True)

    def generation(self, reference: str) -> int:
        """How often the keys that are derived from the secret were renewed."""
        try:
            return int(self._path(reference).with_suffix(".generation").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def advance(self, reference: str) -> int:
        """The next generation of derived keys holds from now on; its number."""
        number = self.generation(reference) + 1
        _keep(self._path(reference).with_suffix(".generation"), str(number).encode(), replace=True)
        return number

    def forget(self, reference: str) -> None:
        """The secret is gone, and its folder with the last one."""
        path = self._path(reference)
        path.unlink(missing_ok=True)
        path.with_suffix(".generation").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()

    def _path(self, reference: str) -> Path:
        parts = reference.removeprefix(SCHEME).split("/")
        if not reference.startswith(SCHEME) or len(parts) != 2 or {"", ".", ".."} & set(parts):
            raise Conflict(f"{reference!r} refers to no key of this machine")
        return self._folder / parts[0] / f"{parts[1]}.psk"

    def _sealed(self, secret: str) -> bytes:
        return self._cipher().encrypt(secret.encode("ascii"))

    def _cipher(self) -> Fernet:
        named = os.environ.get("CLOUDSENTRY_KEYS_MASTER")
        path = Path(named).expanduser() if named else self._folder.parent / "master.key"
        if not path.exists():
            _keep(path, Fernet.generate_key(), replace=False)
        return Fernet(path.read_bytes().strip())


def rotate(driver: str, event: str, unit: str) -> None:
    """A stretch has other keys from now on; both ends follow with the next apply. Raises `UserError` where it has none.

    `vpnaas` gets another secret, and its tunnel is interrupted while both ends take it. `gateway` and `router` derive
    the next generation from the one it has, and both generations stand until the far end has answered on the new one.
    """
    keys, reference = Keys(), Keys.reference(event, unit)
    if driver not in ("vpnaas", "gateway", "router"):
        raise UserError(f"stretch {unit} has no keys: its driver is {driver}")
    if keys.known(reference) is None:
        raise UserError(f"this machine has no key of stretch {unit}: apply the event first")
    if driver == "vpnaas":
        keys.renew(reference)
    else:
        keys.advance(reference)


def derived(secret: str, purpose: str) -> str:
    """32 bytes for one purpose, as hex. The secret cannot be told from it (HMAC-SHA-256)."""
    return hmac.new(secret.encode("ascii"), purpose.encode(), hashlib.sha256).hexdigest()


def public_key(seed: str, generation: int) -> str:
    """The WireGuard public key of a gateway's seed (hex): the gateway derives the private one alike."""
    private = hmac.new(bytes.fromhex(seed), f"wireguard/{generation}".encode(), hashlib.sha256).digest()
    public = X25519PrivateKey.from_private_bytes(private).public_key()
    return base64.b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def _keep(path: Path, content: bytes, *, replace: bool) -> None:
    """Whole or not at all. The first one stays unless ``replace``: a link, unlike a rename, refuses what is there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, part = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(part, path)
            return
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def _state() -> Path:
    chosen = os.environ.get("CLOUDSENTRY_STATE_DIR")
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(chosen).expanduser().absolute() if chosen else Path(base).expanduser().absolute() / "cloudsentry"
