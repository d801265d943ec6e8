"""Secrets in a cloud's key manager, on a Barbican of dictionaries."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from cloudsentry.drivers.stretch.keys import Keys
from cloudsentry.drivers.stretch.vault import Vault
from cloudsentry.errors import Conflict, NotSupported, UserError


class Barbican:
    """Secrets by id; a name may be had by several, as in the real one."""

    def __init__(self) -> None:
        self.secrets: dict[str, dict[str, Any]] = {}
        self.reads = 0
        self._serial = itertools.count(1)

    def get(self, service: str, path: str, *, params: Any = None, microversion: str = "") -> Any:
        assert (service, path) == ("key-manager", "/secrets")
        found = [{**one, "payload": None} for one in self.secrets.values() if one["name"] == params["name"]]
        return {"secrets": list(reversed(found)), "total": len(found)}

    def text(self, service: str, path: str) -> str:
        self.reads += 1
        return str(self.secrets[path.split("/")[2]]["payload"])

    def post(self, service: str, path: str, body: Any, *, microversion: str = "") -> Any:
        assert body["payload_content_type"] == "text/plain"
        number = next(self._serial)
        ref = f"https://keys.example/v1/secrets/s{number}"
        self.secrets[f"s{number}"] = {**body, "secret_ref": ref, "created": f"2010-08-07T00:00:{number:02}"}
        return {"secret_ref": ref}

    def delete(self, service: str, path: str, *, params: Any = None, microversion: str = "") -> None:
        self.secrets.pop(path.split("/")[2], None)


@pytest.fixture
def barbican() -> Barbican:
    return Barbican()


@pytest.fixture
def keys(barbican: Barbican, monkeypatch: pytest.MonkeyPatch) -> Keys:
    monkeypatch.setenv("CLOUDSENTRY_KEYS_STORE", "barbican:private")
    return Keys(store=Vault("private", connect=lambda name: barbican))  # type: ignore[arg-type,return-value]


def test_a_secret_is_made_once_read_once_and_forgotten(keys: Keys, barbican: Barbican) -> None:
    reference = Keys.reference("cup", "link")
    assert reference == "barbican:cup/link"
    assert keys.known(reference) is None
    secret = keys.made(reference)
    assert (keys.made(reference), keys.known(reference), len(secret)) == (secret, secret, 43)
    assert barbican.reads == 1, "what never changes is asked for once"
    assert len(barbican.secrets) == 1
    keys.forget(reference)
    assert barbican.secrets == {}


def test_of_two_made_at_the_same_moment_the_older_counts_for_both(keys: Keys, barbican: Barbican) -> None:
    first = keys.made("barbican:cup/link")
    (one,) = barbican.secrets.values()
    barbican.post("key-manager", "/secrets", {**one, "payload": "late"})
    assert keys.known("barbican:cup/link") == first
    keys.renew("barbican:cup/link")
    assert keys.known("barbican:cup/link") not in (first, "late")
    assert len(barbican.secrets) == 1


def test_generations_are_kept_there_too(keys: Keys) -> None:
    reference = "barbican:cup/link"
    assert (keys.generation(reference), keys.advance(reference), keys.advance(reference)) == (0, 1, 2)
    assert keys.generation(reference) == 2


def test_nothing_secret_is_on_this_machine_or_shown(keys: Keys, state: Path) -> None:
    secret = keys.made("barbican:cup/link")
    assert [path for path in state.rglob("*") if path.is_file()] == []
    assert secret not in repr(keys) + repr(Vault("private"))


def test_a_reference_to_the_other_store_is_refused(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Conflict, match="refers to no key"):
        keys.known("file:cup/link")
    monkeypatch.delenv("CLOUDSENTRY_KEYS_STORE")
    with pytest.raises(Conflict, match="refers to no key"):
        Keys().known("barbican:cup/link")


@pytest.mark.parametrize("named", ["vault:private", "barbican:", "barbican"])
def test_a_store_that_there_is_not_is_the_user_s_mistake(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDSENTRY_KEYS_STORE", named)
    with pytest.raises(UserError, match="expected barbican:CLOUD"):
        Keys()


def test_a_cloud_without_a_key_manager_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare(Barbican):
        def get(self, service: str, path: str, *, params: Any = None, microversion: str = "") -> Any:
            raise NotSupported(f"there is no {service} service in the catalog", cloud="private")

    monkeypatch.setenv("CLOUDSENTRY_KEYS_STORE", "barbican:private")
    keys = Keys(store=Vault("private", connect=lambda name: Bare()))  # type: ignore[arg-type,return-value]
    with pytest.raises(NotSupported, match="key-manager"):
        keys.made("barbican:cup/link")
