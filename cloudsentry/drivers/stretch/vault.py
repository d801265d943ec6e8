"""Secrets of stretches in a cloud's key manager (Barbican), instead of files of this machine.

A secret there never changes: another one of the same name takes its place, and the oldest counts, so that two who make
one at the same moment end with the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudsentry.clouds import Cloud, Connect, open_cloud
from cloudsentry.records.marks import PREFIX

SERVICE = "key-manager"


class Vault:
    """What `keys.Keys` needs of a place for secrets, by the API of the key manager (version 1)."""

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._name, self._connect = cloud, connect
        self._opened: Cloud | None = None
        self._read: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"Vault({self._name!r})"

    def read(self, event: str, unit: str, part: str) -> bytes | None:
        """The content of a part (``psk``, ``generation``), or None. Raises a `DriverError`."""
        found = self._named(event, unit, part)
        if not found:
            return None
        id = _id(found[0])
        if id not in self._read:
            self._read[id] = self._cloud.text(SERVICE, f"/secrets/{id}/payload").encode("ascii")
        return self._read[id]

    def keep(self, event: str, unit: str, part: str, content: bytes, *, replace: bool) -> None:
        """The part has this content; one that is there stays unless ``replace``."""
        standing = self._named(event, unit, part)
        if standing and not replace:
            return
        body = {
            "name": _name(event, unit, part),
            "payload": content.decode("ascii"),
            "payload_content_type": "text/plain",
            "secret_type": "passphrase",
        }
        self._cloud.post(SERVICE, "/secrets", body)
        for one in standing:
            self._cloud.delete(SERVICE, f"/secrets/{_id(one)}")

    def drop(self, event: str, unit: str) -> None:
        """Nothing of the unit is there any more."""
        for part in ("psk", "generation"):
            for one in self._named(event, unit, part):
                self._cloud.delete(SERVICE, f"/secrets/{_id(one)}")

    def _named(self, event: str, unit: str, part: str) -> list[Mapping[str, Any]]:
        """All of that name, the one that counts first."""
        params: dict[str, str | int | list[str]] = {"name": _name(event, unit, part), "limit": 100}
        found = (self._cloud.get(SERVICE, "/secrets", params=params) or {}).get("secrets") or []
        return sorted(found, key=lambda one: (str(one.get("created", "")), _id(one)))

    @property
    def _cloud(self) -> Cloud:
        if self._opened is None:
            self._opened = self._connect(self._name)
        return self._opened


def _name(event: str, unit: str, part: str) -> str:
    return f"{PREFIX}/{event}/{unit}/{part}"


def _id(secret: Mapping[str, Any]) -> str:
    """The last part of the secret's address."""
    return str(secret["secret_ref"]).rstrip("/").rsplit("/", 1)[-1]
