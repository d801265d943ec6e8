"""The secret of a stretch: made once, kept where only its owner reads it, named by reference elsewhere.

By default it is kept in an encrypted file. Files are encrypted with one key (Fernet: AES-128 and HMAC), which lies in
``master.key`` of the state folder or, better, in the file that ``CLOUDSENTRY_KEYS_MASTER`` names, on another disk than
the backups of the state folder. With ``CLOUDSENTRY_KEYS_STORE=barbican:CLOUD`` a cloud's key manager keeps it instead.
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
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloudsentry.drivers.stretch.vault import Vault
from cloudsentry.errors import Conflict, UserError

FILE, VAULT = "file", "barbican"
"""How references begin, by where the secret is."""
BYTES = 32
"""256 bits, as much as the ciphers' keys have."""


class Store(Protocol):
    """Where secrets are. A part is ``psk`` or ``generation``."""

    def read(self, event: str, unit: str, part: str) -> bytes | None:
        """The content, or None."""

    def keep(self, event: str, unit: str, part: str, content: bytes, *, replace: bool) -> None:
        """The part has this content; one that is there stays unless ``replace``."""

    def drop(self, event: str, unit: str) -> None:
        """Nothing of the unit is there any more."""


class Keys:
    """The secrets of one store."""

    def __init__(self, folder: Path | None = None, *, store: Store | None = None) -> None:
        """``folder``: by default ``keys`` in the state folder, which `cloudsentry.conf.state_dir` tells too."""
        cloud = _vault()
        self._store: Store = store or (Vault(cloud) if cloud and folder is None else Files(folder or _state() / "keys"))

    def __repr__(self) -> str:
        return "Keys()"

    @staticmethod
    def reference(event: str, unit: str) -> str:
        """How a stretch's secret is named; says nothing about it."""
        return f"{VAULT if _vault() else FILE}:{event}/{unit}"

    def made(self, reference: str) -> str:
        """The secret behind a reference, made now unless it is there. The two ends may ask at the same moment."""
        if (known := self.known(reference)) is None:
            self._store.keep(*_parts(reference), "psk", _new(), replace=False)
            known = self.known(reference)
            assert known is not None
        return known

    def known(self, reference: str) -> str | None:
        """The secret behind a reference, or None where the store has none.

        Raises `Conflict` where a file was encrypted with another master key, and what a key manager's calls raise.
        """
        content = self._store.read(*_parts(reference), "psk")
        return None if content is None else content.decode("ascii")

    def renew(self, reference: str) -> None:
        """Another secret from now on: the old one is gone."""
        self._store.keep(*_parts(reference), "psk", _new(), replace=True)

    def generation(self, reference: str) -> int:
        """How often the keys that are derived from the secret were renewed."""
        try:
            return int(self._store.read(*_parts(reference), "generation") or b"0")
        except ValueError:
            return 0

    def advance(self, reference: str) -> int:
        """The next generation of derived keys holds from now on; its number."""
        number = self.generation(reference) + 1
        self._store.keep(*_parts(reference), "generation", str(number).encode(), replace=True)
        return number

    def forget(self, reference: str) -> None:
        """The secret is gone."""
        self._store.drop(*_parts(reference))


class Files:
    """Secrets of one folder, which is made with the first of them and goes with the last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, event: str, unit: str, part: str) -> bytes | None:
        """As `Store` says. Raises `Conflict` for what another master key has encrypted."""
        try:
            content = self._path(event, unit, part).read_bytes()
        except FileNotFoundError:
            return None
        try:
            return self._cipher().decrypt(content) if part == "psk" else content
        except InvalidToken as failure:
            told = f"the key {FILE}:{event}/{unit} was encrypted with another master key than this one"
            raise Conflict(told) from failure

    def keep(self, event: str, unit: str, part: str, content: bytes, *, replace: bool) -> None:
        """As `Store` says."""
        sealed = self._cipher().encrypt(content) if part == "psk" else content
        _keep(self._path(event, unit, part), sealed, replace=replace)

    def drop(self, event: str, unit: str) -> None:
        """As `Store` says."""
        for part in ("psk", "generation"):
            self._path(event, unit, part).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (self._folder / event).rmdir()

    def _path(self, event: str, unit: str, part: str) -> Path:
        return self._folder / event / f"{unit}.{part}"

    def _cipher(self) -> Fernet:
        named = os.environ.get("CLOUDSENTRY_KEYS_MASTER")
        path = Path(named).expanduser() if named else self._folder.parent / "master.key"
        if not path.exists():
            _keep(path, Fernet.generate_key(), replace=False)
        return Fernet(path.read_bytes().strip())


def _parts(reference: str) -> tuple[str, str]:
    """Event and unit. Raises `Conflict` for what refers to no secret of the store that is in use."""
    scheme, _, rest = reference.partition(":")
    parts = rest.split("/")
    if scheme != (VAULT if _vault() else FILE) or len(parts) != 2 or {"", ".", ".."} & set(parts):
        raise Conflict(f"{reference!r} refers to no key of this machine")
    return parts[0], parts[1]


def _vault() -> str:
    """The cloud whose key manager keeps the secrets; empty where files do. Raises `UserError`."""
    named = os.environ.get("CLOUDSENTRY_KEYS_STORE", "")
    kind, _, cloud = named.partition(":")
    if named and (kind != VAULT or not cloud):
        raise UserError(f"CLOUDSENTRY_KEYS_STORE is {named!r}: expected {VAULT}:CLOUD")
    return cloud


def _new() -> bytes:
    return secrets.token_urlsafe(BYTES).encode("ascii")


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
