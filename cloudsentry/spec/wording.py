"""Faults in plain words: what was expected, what was found, and the name that was perhaps meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cloudsentry.errors import Fault
from cloudsentry.spec.event import NAME_WORDS
from cloudsentry.spec.positions import Path, Tree
from cloudsentry.spec.schema import forms, part_at

SHOWN_MAX = 60
"""Characters of a wrong text that a fault repeats."""

KNOWN_MAX = 20
"""Names that a fault lists where none is alike."""


def alike(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that a typo most likely meant, if any; case, ``-`` and ``_`` do not count."""
    folded = {_folded(other): other for other in known}
    close = difflib.get_close_matches(_folded(name), list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?``, or the known names where none is alike."""
    names = list(known)
    if (meant := alike(name, names)) is not None:
        return f"; did you mean '{meant}'?"
    return f"; known: {', '.join(names[:KNOWN_MAX])}{', …' if len(names) > KNOWN_MAX else ''}" if names else ""


def found(value: object) -> str:
    """A value as a fault shows it."""
    if isinstance(value, str):
        return _found_text(value)
    if isinstance(value, (list, dict)):
        word = "list" if isinstance(value, list) else "mapping"
        return f"a {word}" if value else f"an empty {word}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    if isinstance(value, int) and abs(value) >= 10**SHOWN_MAX:
        return f"a number of more than {SHOWN_MAX} digits"
    return str(value)


def _found_text(value: str) -> str:
    if not value:
        return "an empty text"
    return f"'{value}'" if len(value) <= SHOWN_MAX and value.isprintable() else f"a text of {len(value)} characters"


def expected(node: dict[str, Any]) -> str:
    """What the schema allows, such as ``an integer from 0 to 1000``."""
    if "patternErrorMessage" in node:
        return str(node["patternErrorMessage"])
    return " or ".join(dict.fromkeys(_form(form) for form in forms(node))) or "something else"


def _form(form: dict[str, Any]) -> str:
    if "enum" in form:
        return "one of " + ", ".join(map(str, form["enum"]))
    if "const" in form:
        return f"'{form['const']}'"
    match form.get("type"):
        case "integer":
            return "an integer" + _bounds(form)
        case "number":
            return "a number" + _bounds(form)
        case "boolean":
            return "true or false"
        case "array":
            return "a list" + (" with at least one entry" if form.get("minItems") else "")
        case "object":
            return _mapping(form)
    return _text(form)


def _bounds(form: dict[str, Any]) -> str:
    if "minimum" in form and "maximum" in form:
        return f" from {form['minimum']} to {form['maximum']}"
    return f" of at least {form['minimum']}" if "minimum" in form else ""


def _mapping(form: dict[str, Any]) -> str:
    keys = form.get("required") or list(form.get("properties", {}))
    return "a mapping with " + ", ".join(keys) if keys else "a mapping"


def _text(form: dict[str, Any]) -> str:
    if "patternErrorMessage" in form:
        return str(form["patternErrorMessage"])
    if form.get("format") == "date":
        return "a date such as 2010-08-07"
    least = "text that is not empty" if form.get("minLength") else "text"
    return least + (f" of at most {form['maxLength']} characters" if "maxLength" in form else "")


def faults_of(error: ValidationError, tree: Tree) -> Iterator[Fault]:
    """Every fault that the models found, where it stands in the file."""
    details = [(_path(detail, tree.data), detail) for detail in error.errors(include_url=False)]
    meant = {_meant(path) for path, detail in details if detail["type"] == "extra_forbidden"}
    for path, detail in _of_the_form_meant(details):
        if detail["type"] != "missing" or path not in meant:  # else the misspelt key says it already
            yield _fault(path, detail, tree)


def _fault(path: Path, detail: ErrorDetails, tree: Tree) -> Fault:
    part = part_at(path)
    if detail["type"] == "missing":
        return tree.fault(path[:-1], f"the key '{path[-1]}' is missing: expected {expected(part)}", at_key=True)
    if detail["type"] == "extra_forbidden":
        return tree.fault(path, f"unknown key '{path[-1]}'{nearest(str(path[-1]), _keys(path[:-1]))}", at_key=True)
    if detail["loc"][-1:] == ("[key]",):
        return tree.fault(path, f"expected {NAME_WORDS}, found {found(path[-1])}", at_key=True)
    value = detail["input"]
    return tree.fault(path, f"expected {expected(part)}, found {found(value)}{_hint(part, value)}")


def _hint(part: dict[str, Any], value: object) -> str:
    """The choice that was meant, or how a number becomes text."""
    if isinstance(value, str):
        if value.isdecimal() and all(form.get("type") == "integer" for form in forms(part)):
            return "; a number has no quotes"
        choices = [str(choice) for form in forms(part) for choice in form.get("enum", [form.get("const", "")])]
        meant = alike(value, filter(None, choices))
        return f"; did you mean '{meant}'?" if meant else ""
    text = all(form.get("type") == "string" and not {"enum", "format"} & form.keys() for form in forms(part))
    return "; put it in quotes if it is meant as text" if text and isinstance(value, (bool, int, float)) else ""


def _keys(path: Path) -> list[str]:
    return [key for form in forms(part_at(path)) for key in form.get("properties", {})]


def _meant(path: Path) -> Path:
    """The key that an unknown one stands for, by its path."""
    return (*path[:-1], alike(str(path[-1]), _keys(path[:-1])) or "")


def _path(detail: ErrorDetails, data: object) -> Path:
    """Where in the file: the location without the names of union members, which are no part of it."""
    path: list[str | int] = []
    for step in detail["loc"]:
        if isinstance(data, dict) and step in data:
            data = data[str(step)]
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        elif detail["type"] != "missing" or step != detail["loc"][-1]:
            continue
        path.append(step)
    return tuple(path)


def _of_the_form_meant(details: list[tuple[Path, ErrorDetails]]) -> list[tuple[Path, ErrorDetails]]:
    """One fault per part that may have several forms: the one deepest inside, as that form was meant."""
    choices = {path: detail for path, detail in details if _of_choice(path, detail)}
    plain = [(path, detail) for path, detail in details if not _of_choice(path, detail)]
    deepest = [path for path in choices if not any(other[: len(path)] == path and other != path for other in choices)]
    return plain + [(path, choices[path]) for path in deepest]


def _of_choice(path: Path, detail: ErrorDetails) -> bool:
    return len(detail["loc"]) > len(path) and detail["loc"][-1:] != ("[key]",)
