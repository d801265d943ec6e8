"""Names of network namespaces, and names that nothing is mounted on any more."""

from pathlib import Path

import pytest

from cloudsentry.lab.inside import wires


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "netns"
    folder.mkdir()
    monkeypatch.setattr(wires, "NAMES", str(folder))
    monkeypatch.setattr(wires, "lab", lambda: str(tmp_path / "lab"))
    return folder


def test_a_name_whose_namespace_went_with_its_container_is_made_again(
    names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (names / "lab-private").touch()
    stood: list[tuple[tuple[str, ...], bool]] = []
    monkeypatch.setattr(wires, "ip", lambda *words: stood.append((words, (names / "lab-private").exists())))
    assert not wires.exists("lab-private")
    assert wires.make("lab-private")
    assert stood[0] == (("netns", "add", "lab-private"), False), "iproute2 refuses a name that is there"


def test_what_is_mounted_is_a_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    """`/proc` lies on another file system than the root, as a namespace does than the folder of names."""
    monkeypatch.setattr(wires, "NAMES", "/")
    assert wires.exists("proc")
