"""Whatever becomes of a file, it is an event or it has faults; nothing else ever comes out.

CLOUDSENTRY_FUZZ is the number of files to try (the default is kept short).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudsentry.errors import SpecError
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import digest, dump, from_dict, load, load_text

KOSHIEN = (Path(__file__).parents[3] / "etc" / "cloudsentry" / "events" / "koshien-2010.yaml").read_text("utf-8")
BOUNDED = settings(
    max_examples=int(os.environ.get("CLOUDSENTRY_FUZZ", "200")),
    deadline=None,
    derandomize="CLOUDSENTRY_FUZZ" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
SPLINTERS = st.sampled_from(
    (
        *"{}[],:&*!|>'\"%@`#?-~\\\t\n \r\0\x85\u2028\ufeff",
        *("<<: ", "&a ", "*a", "*name-answers", "!!int ", "!!set ", "!!float x", "!!bool x", "!!binary x", "? "),
        *("---\n", "...\n", "%YAML 1.1\n", "%TAG ! x\n", "null", "true", "yes", ".nan", ".inf", "-1", "1e400"),
        *("0x", "0o9", "1_0", "9" * 5000, "2010-02-30", "é", "\ud800", '"\\ud800"', '"\\UFFFFFFFF"'),
    )
)
EDIT = st.tuples(st.integers(0, len(KOSHIEN)), st.integers(0, 40), SPLINTERS | st.text(max_size=8))


def mutated(edits: list[tuple[int, int, str]]) -> str:
    text = KOSHIEN
    for start, length, new in edits:
        text = text[:start] + new + text[start + length :]
    return text


def outcome(read: Callable[[], Event]) -> Event | SpecError:
    try:
        return read()
    except SpecError as error:
        return error


def event_or_faults(text: str) -> None:
    answer = outcome(lambda: load_text(text, "fuzz"))
    if isinstance(answer, SpecError):
        lines = 1 + sum(text.count(end) for end in "\n\r\x85\u2028\u2029")
        assert answer.faults
        assert all(1 <= fault.line <= lines + 1 and fault.column >= 1 and fault.message for fault in answer.faults)
    else:
        assert digest(from_dict(dump(answer))) == digest(answer)


@BOUNDED
@given(st.lists(EDIT, min_size=1, max_size=4))
def test_a_mutated_file(edits: list[tuple[int, int, str]]) -> None:
    event_or_faults(mutated(edits))


@BOUNDED
@given(st.permutations(KOSHIEN.splitlines()), st.integers(1, 57))
def test_shuffled_lines(lines: list[str], kept: int) -> None:
    event_or_faults("\n".join(lines[:kept]))


@BOUNDED
@given(content=st.binary(max_size=64), start=st.integers(0, len(KOSHIEN)))
def test_any_bytes(tmp_path: Path, content: bytes, start: int) -> None:
    path = tmp_path / "event.yaml"
    path.write_bytes(KOSHIEN.encode()[:start] + content)
    answer = outcome(lambda: load(path))
    assert isinstance(answer, Event) or answer.faults
