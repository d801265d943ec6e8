"""Files with seeded faults: each says in its last lines what must be told of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudsentry.errors import SpecError
from cloudsentry.spec.load import load, load_all, load_text

BAD = sorted((Path(__file__).parents[1] / "bad_events").glob("*.yaml"))
EXPECT = re.compile(r"^# expect (\d+:\d+: .*)$", re.MULTILINE)


def test_the_bad_files_are_here() -> None:
    assert len(BAD) >= 40


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_exactly_the_expected_faults_are_told(path: Path) -> None:
    expected = EXPECT.findall(path.read_text(encoding="utf-8"))
    assert expected
    with pytest.raises(SpecError) as told:
        load(path)
    assert str(told.value).splitlines() == [f"{path}:{line}" for line in expected]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_no_jargon_of_the_libraries(path: Path) -> None:
    with pytest.raises(SpecError) as told:
        load(path)
    assert not re.search(
        r"pydantic|ruamel|Input should|_type|block (mapping|sequence)|<[a-z ]+>|NoneType|Traceback", str(told.value)
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"event: caf\xe9\n", "1:11: not UTF-8: the byte 0xE9 begins no character"),
        ("event: x\n".encode("utf-16"), "1:1: not UTF-8: the byte 0xFF begins no character"),
        (b"event: x\ntitle: a\x00b\n", "2:9: the character U+0000 is not allowed in YAML"),
        (b"#" * (256 * 1024 + 1), "1:1: the file is larger than 256 KiB"),
    ],
)
def test_bytes_that_are_no_text(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "event.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as told:
        load(path)
    assert str(told.value) == f"{path}:{said}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.yaml", "a\0b"):
        with pytest.raises(SpecError, match=": cannot be read: ") as told:
            load(path)
        assert told.value.exit_code == 2


def test_the_faults_of_all_files_come_together() -> None:
    with pytest.raises(SpecError) as told:
        load_all(BAD[:3])
    assert {fault.file for fault in told.value.faults} == {str(path) for path in BAD[:3]}


def test_what_user_data_may_hold_is_counted_in_bytes() -> None:
    def text(user_data: str) -> str:
        return (
            "event: e\nsites: {s: {cloud: c}}\npools:\n  p: {site: s, image: i, flavor: f, networks: none, "
            f"pins: [{{count: 1}}],\n    user_data: '{user_data}'}}\n"
        )

    assert load_text(text("x" * 49149), "f").pools["p"].user_data == "x" * 49149
    with pytest.raises(SpecError, match="f:5:16: expected at most 49149 bytes, found 49150"):
        load_text(text("é" * 24575), "f")
    with pytest.raises(SpecError, match="f:5:16: expected text of at most 49149 characters, found a text of 49150"):
        load_text(text("x" * 49150), "f")
