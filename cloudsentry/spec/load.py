"""Event files in, events out; and events as plain data for the journal and back."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from pydantic import ValidationError

from cloudsentry.errors import Fault, SpecError
from cloudsentry.spec.carriers import equipped
from cloudsentry.spec.check import check
from cloudsentry.spec.event import Event
from cloudsentry.spec.positions import SIZE_MAX, Tree, parse, too_large
from cloudsentry.spec.timetable import Read, with_timetable
from cloudsentry.spec.wording import faults_of


def load(path: str | os.PathLike[str]) -> Event:
    """The event of a file. Raises SpecError with every fault of it, also where it cannot be read."""
    file = os.fspath(path)
    return load_text(text_of(file), file, read=partial(_beside, os.path.dirname(file)))


def load_all(paths: Iterable[str | os.PathLike[str]]) -> tuple[Event, ...]:
    """The events of several files, in order. Raises one SpecError with the faults of all of them."""
    events: list[Event] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            events.append(load(path))
        except SpecError as error:
            faults.extend(error.faults)
    if faults:
        raise SpecError(tuple(faults))
    return tuple(events)


def load_text(text: str, name: str, read: Read | None = None) -> Event:
    """The event in ``text``; ``name`` is what faults call the file. Raises SpecError with every fault.

    ``read`` gives a file that the event names, by its path from the event's folder, with its whole path.
    """
    tree = with_timetable(parse(text, name), read)
    event, faults = _modelled(tree)
    broken = {(fault.line, fault.column) for fault in tree.faults}
    told = {fault for fault in (*faults, *check(tree)) if (fault.line, fault.column) not in broken}
    if event is None or told or tree.faults:
        raise SpecError(
            tuple(sorted({*told, *tree.faults}, key=lambda fault: (fault.line, fault.column, fault.message)))
        )
    return equipped(event)


def _modelled(tree: Tree) -> tuple[Event | None, list[Fault]]:
    try:
        # Through JSON: strict there means that "2" is no number and true is no count, and dates are still text.
        return Event.model_validate_json(json.dumps(tree.data), strict=True), []
    except ValidationError as error:
        return None, list(faults_of(error, tree))


def dump(event: Event) -> dict[str, Any]:
    """The event as canonical plain data: defaults filled in, what is absent left out; `from_dict` reads it back."""
    return event.model_dump(mode="json", by_alias=True, exclude_none=True)


def digest(event: Event) -> str:
    """Sixteen hex digits over `dump`: two files that mean the same have the same."""
    text = json.dumps(dump(event), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def from_dict(data: Mapping[str, Any], name: str = "revision") -> Event:
    """The event that `dump` wrote. Raises SpecError where it does not fit the models.

    `check` is not repeated: a revision that was accepted once must stay readable, or it could not be taken down.
    """
    plain = dict(data)
    try:
        return Event.model_validate_json(json.dumps(plain), strict=True)
    except ValidationError as error:
        tree = Tree(file=name, data=plain, keys={}, values={}, faults=())
        raise SpecError(tuple(faults_of(error, tree))) from error


def text_of(path: str | os.PathLike[str]) -> str:
    """What stands in a file. Raises `SpecError` where it cannot be read, is too large, or is not UTF-8."""
    file = os.fspath(path)
    return _decoded(_read(file), file)


def _beside(folder: str, name: str) -> tuple[str, str]:
    path = os.path.join(folder, name)
    return path, text_of(path)


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            content = stream.read(SIZE_MAX + 1)
    except (OSError, ValueError) as error:
        why = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise SpecError((Fault(file=file, line=0, column=0, message=f"cannot be read: {why}"),)) from error
    if len(content) > SIZE_MAX:
        raise too_large(file)
    return content


def _decoded(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        byte = content[error.start]
        message = f"not UTF-8: the byte 0x{byte:02X} begins no character"
        raise SpecError((Fault(file=file, line=line, column=column, message=message),)) from error
