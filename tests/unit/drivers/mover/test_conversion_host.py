"""A disk on its way to a conversion host: whole, only what is new, nothing twice after a cut. The host is this one."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudsentry.clouds.hosts import host_of
from cloudsentry.drivers.mover.conversion import BLOCK, Depot, Sent, depot_of
from cloudsentry.errors import Busy, Conflict, NotSupported, Unreachable

FOLDER = Path(f"/var/tmp/cloudsentry-{os.geteuid()}")
BLOCKS = 40


class Cloud:
    """A cloud's entry in clouds.yaml."""

    name = "public"

    def __init__(self, place: str) -> None:
        self.place = place

    def setting(self, name: str) -> str:
        return self.place if name == "conversion_host" else ""


def disk(*, seed: int = 1, end: bytes = b"end") -> bytes:
    return random.Random(seed).randbytes(BLOCKS * BLOCK) + end


@pytest.fixture
def name() -> Iterator[str]:
    made = f"test-{uuid.uuid4().hex}"
    yield made
    Depot(host_of("local"), Cloud("local")).drop(made)  # type: ignore[arg-type]
    assert left(made) == []


def left(name: str) -> list[Path]:
    return sorted(path for path in FOLDER.glob(f"{name}.*") if not path.name.endswith(".lock"))


def brought(name: str, label: str, data: bytes, cut: int | None = None) -> Sent:
    """``cut``: the path breaks after so many bytes."""

    def source(start: int) -> Iterator[bytes]:
        for at in range(start, len(data), 100_000):
            if cut is not None and at >= cut:
                raise Unreachable("cut")
            yield data[at : min(at + 100_000, len(data))]

    return Depot(host_of("local"), Cloud("local")).bring(name, label, len(data), source)  # type: ignore[arg-type]


def kept(name: str, label: str) -> bytes:
    path = FOLDER / f"{name}.{label}.disk"
    assert path.stat().st_mode & 0o077 == 0
    return path.read_bytes()


def test_a_disk_comes_whole_and_nobody_else_may_read_it(name: str):
    sent = brought(name, "one", disk())
    assert kept(name, "one") == disk()
    assert (sent.sent, sent.bytes) == (BLOCKS + 1, BLOCKS * BLOCK + 3)
    assert FOLDER.stat().st_mode & 0o077 == 0


def test_of_a_later_state_only_the_blocks_cross_that_no_earlier_one_had(name: str):
    brought(name, "one", disk())
    later = bytearray(disk())
    later[5 * BLOCK : 6 * BLOCK] = bytes([7]) * BLOCK
    # An image format that fills its file in order: one more block in front moves all that follow.
    later[:0] = bytes([9]) * BLOCK
    sent = brought(name, "two", bytes(later))
    assert kept(name, "two") == bytes(later)
    assert sent.sent == 2
    assert not list(FOLDER.glob(f"{name}.one.*"))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_after_a_cut_no_more_than_the_block_under_way_crosses_twice(name: str, share: float):
    data = disk()
    with pytest.raises(Unreachable):
        brought(name, "one", data, cut=int(len(data) * share))
    sent = brought(name, "one", data)
    assert kept(name, "one") == data
    assert sent.kept + sent.sent == BLOCKS + 1
    assert sent.kept * BLOCK >= int(len(data) * share) - 100_000 - 2 * BLOCK


def test_a_cut_between_two_states_keeps_the_earlier_one(name: str):
    brought(name, "one", disk())
    later = disk()[: 30 * BLOCK] + disk(seed=2)[: 5 * BLOCK] + disk()[35 * BLOCK :]
    with pytest.raises(Unreachable):
        brought(name, "two", later, cut=33 * BLOCK)
    sent = brought(name, "two", later)
    assert kept(name, "two") == later
    assert sent.sent <= 3


def test_what_is_all_zero_does_not_cross(name: str):
    data = bytes(20 * BLOCK) + disk()
    assert brought(name, "one", data).sent == BLOCKS + 1
    assert kept(name, "one") == data


def test_a_host_is_what_the_clouds_entry_names_and_none_where_it_names_none():
    assert depot_of(Cloud("")) is None  # type: ignore[arg-type]
    assert depot_of(Cloud("ssh://root@far")) is not None  # type: ignore[arg-type]
    with pytest.raises(NotSupported):
        depot_of(Cloud("far"))  # type: ignore[arg-type]


def test_it_tells_how_much_room_there_is():
    assert Depot(host_of("local"), Cloud("local")).free() > 0  # type: ignore[arg-type]


def test_two_copies_of_one_disk_do_not_mix(name: str):
    def source(start: int) -> Iterator[bytes]:
        yield bytes([1]) * BLOCK
        with pytest.raises(Busy):
            brought(name, "one", disk())
        yield disk()[BLOCK:]

    Depot(host_of("local"), Cloud("local")).bring(name, "one", len(disk()), source)  # type: ignore[arg-type]
    assert kept(name, "one") == bytes([1]) * BLOCK + disk()[BLOCK:]


def test_a_folder_that_others_may_read_is_refused(name: str):
    FOLDER.chmod(0o755)
    try:
        with pytest.raises(Conflict):
            brought(name, "one", disk())
    finally:
        FOLDER.chmod(0o700)


def test_a_host_without_python_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cloudsentry.clouds.hosts.PATH", str(tmp_path))
    with pytest.raises((NotSupported, Unreachable)):
        Depot(host_of("local"), Cloud("local")).free()  # type: ignore[arg-type]


def test_nothing_secret_is_in_a_repr():
    told: Any = Depot(host_of("local"), Cloud("local"))  # type: ignore[arg-type]
    assert "token" not in repr(told)
