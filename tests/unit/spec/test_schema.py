"""The published schema: current, valid, and of one mind with the models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from cloudsentry.spec.load import dump, load
from cloudsentry.spec.schema import schema

ROOT = Path(__file__).parents[3]
EVENTS = ROOT / "etc" / "cloudsentry" / "events"
VALIDATOR = Draft202012Validator(schema())


def plain(path: Path) -> object:
    """The file as an editor's checker sees it: dates are text in JSON."""
    text = path.read_text(encoding="utf-8")
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(text), default=str))


def fields(node: object) -> Iterator[tuple[str, dict[str, object]]]:
    if isinstance(node, dict):
        yield from node.get("properties", {}).items()
        for part in node.values():
            yield from fields(part)


def test_the_published_file_is_the_generated_one() -> None:
    published = (EVENTS / "event.schema.json").read_text(encoding="utf-8")
    assert published == json.dumps(schema(), indent=2) + "\n", "write it anew: cloudsentry event schema"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_key_says_what_it_is() -> None:
    assert [name for name, part in fields(schema()) if not part.get("description")] == []


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_events_are_valid(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(plain(path))] == []
    assert [error.message for error in VALIDATOR.iter_errors(dump(load(path)))] == []


@pytest.mark.parametrize(
    "name",
    [
        "unknown-key",
        "missing-key",
        "wrong-type",
        "out-of-range",
        "bad-name-of-a-pool",
        "duration",
        "networks",
        "monitor",
    ],
)
def test_an_editor_marks_the_same_files(name: str) -> None:
    assert list(VALIDATOR.iter_errors(plain(ROOT / "tests" / "unit" / "bad_events" / f"{name}.yaml")))


def test_a_caller_cannot_spoil_it() -> None:
    schema()["properties"].clear()
    assert "event" in schema()["properties"]


def test_the_reference_names_every_key() -> None:
    page = (ROOT / "docs" / "event-file.rst").read_text(encoding="utf-8")
    names = {name for name, _ in fields(schema())}
    assert {"hypervisor", "drain", "timezone", "from", "until"} <= names
    assert sorted(name for name in names if f"``{name}``" not in page) == []


def test_the_example_of_the_reference_is_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "event-file.rst").read_text(encoding="utf-8")
    _, _, rest = page.partition(".. code-block:: yaml\n   :caption: event.yaml\n\n")
    block = [line for line in rest.split("\n..")[0].splitlines() if line.startswith("   ") or not line]
    example = tmp_path / "event.yaml"
    example.write_text("\n".join(line[3:] for line in block), encoding="utf-8")
    assert load(example).balancers
