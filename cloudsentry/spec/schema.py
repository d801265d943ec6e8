"""The event file's JSON Schema: published for editors, and the source of what a fault says was expected."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from cloudsentry.records.marks import NAME_MAX
from cloudsentry.spec.calendar import Timetable
from cloudsentry.spec.event import NAME_PATTERN, NAME_WORDS, Event

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of an event file; what one file's parts say of each other is left to `check`."""
    return copy.deepcopy(_schema())


@cache
def _schema() -> dict[str, Any]:
    made = Event.model_json_schema(by_alias=True, mode="validation")
    _name_keys(made)
    _timetable(made)
    return {"$schema": DIALECT, **made, "title": "cloudsentry event"}


def _timetable(made: dict[str, Any]) -> None:
    """Matches may be named as a file: the models never see that, for it is read before."""
    made["$defs"]["Timetable"] = Timetable.model_json_schema(mode="validation")
    matches = made["$defs"]["Calendar"]["properties"]["matches"]
    listed = {key: matches.pop(key) for key in ("type", "items")}
    matches["anyOf"] = [listed, {"$ref": "#/$defs/Timetable"}]


def _name_keys(node: object) -> None:
    """Mappings by name refuse keys that are no names; pydantic's patternProperties would let them pass."""
    if isinstance(node, list):
        for part in node:
            _name_keys(part)
    if not isinstance(node, dict):
        return
    for part in node.values():
        _name_keys(part)
    if "patternProperties" in node:
        (node["additionalProperties"],) = node.pop("patternProperties").values()
        node["propertyNames"] = {
            "pattern": NAME_PATTERN,
            "maxLength": NAME_MAX,
            "patternErrorMessage": NAME_WORDS,
        }


def part_at(path: tuple[str | int, ...]) -> dict[str, Any]:
    """The schema of the part at ``path``; empty where the schema says nothing about it."""
    node = _schema()
    for step in path:
        node = next((found for form in forms(node) if (found := _inner(form, step))), {})
    return node


def forms(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The forms that a part may have, references followed, null left out."""
    if "$ref" in node:
        return forms(_schema()["$defs"][node["$ref"].rsplit("/", 1)[-1]])
    if "anyOf" in node:
        return [form for choice in node["anyOf"] for form in forms(choice)]
    return [] if node.get("type") == "null" else [node]


def _inner(form: dict[str, Any], step: str | int) -> dict[str, Any]:
    if isinstance(step, int):
        found = form.get("items", {})
    else:
        found = form.get("properties", {}).get(step) or form.get("additionalProperties")
    return found if isinstance(found, dict) else {}
