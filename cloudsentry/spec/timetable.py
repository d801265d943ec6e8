"""A timetable that is kept in another file than the event's: it takes the place of the list of matches."""

from __future__ import annotations

import copy
import dataclasses
import json
import zoneinfo
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from cloudsentry.errors import SpecError, UserError
from cloudsentry.spec.calendar import Timetable
from cloudsentry.spec.ical import Wanted, matches
from cloudsentry.spec.parts import Day
from cloudsentry.spec.positions import Path, Tree
from cloudsentry.spec.wording import faults_of

Read = Callable[[str], tuple[str, str]]
"""(whole path, text) of a file by its path from the event's folder. Raises `SpecError` where it cannot be read."""
HERE: Path = ("calendar", "matches")


class _Part(BaseModel):
    # What else stands there is looked at with the whole event.
    model_config = ConfigDict(extra="ignore")


class _Days(_Part):
    timezone: str = "UTC"
    first: Day
    last: Day


class _Named(_Part):
    matches: Timetable


class _Root(_Part):
    calendar: _Named


def with_timetable(tree: Tree, read: Read | None) -> Tree:
    """The tree with the matches of the file that it names instead of them; the same tree where it names none.

    Raises `SpecError` with the faults of either file, where it cannot be read too.
    """
    calendar = tree.data.get("calendar") if isinstance(tree.data, dict) else None
    if not isinstance(calendar, dict) or not isinstance(calendar.get("matches"), dict):
        return tree
    try:
        named = _Root.model_validate_json(json.dumps(tree.data), strict=True).calendar.matches
    except ValidationError as error:
        raise SpecError((*tree.faults, *faults_of(error, tree))) from error
    data: Any = copy.deepcopy(tree.data)
    data["calendar"]["matches"] = _read(tree, named, _wanted(calendar, named), read)
    return dataclasses.replace(tree, data=data)


def _wanted(calendar: dict[str, object], named: Timetable) -> Wanted:
    """How the file's entries become matches; days and zone that are wrong are told with the event's other faults."""
    each = named.model_dump(exclude_none=True, exclude={"ical"})
    try:
        found = _Days.model_validate({"first": calendar.get("from"), "last": calendar.get("until"), **_zone(calendar)})
    except ValidationError:
        return Wanted(zone="UTC", each=each)
    days = (found.first, found.last) if found.first <= found.last else None
    return Wanted(zone=found.timezone, days=days, each=each)


def _zone(calendar: dict[str, object]) -> dict[str, str]:
    try:
        return {"timezone": zoneinfo.ZoneInfo(str(calendar["timezone"])).key}
    except (KeyError, ValueError, OSError):  # none, no such zone, a folder of the database
        return {}


def _read(tree: Tree, named: Timetable, wanted: Wanted, read: Read | None) -> list[dict[str, object]]:
    where = (*HERE, "ical")
    if read is None:
        raise SpecError((tree.fault(where, "a calendar's file is read only where the event is a file itself"),))
    try:
        path, text = read(named.ical)
    except SpecError as error:
        why = "; ".join(fault.message for fault in error.faults)
        raise SpecError((tree.fault(where, f"the calendar {named.ical} {why}"),)) from error
    try:
        return matches(text, path, wanted)
    except SpecError:
        raise
    except UserError as error:
        raise SpecError((tree.fault(where, str(error)),)) from error
