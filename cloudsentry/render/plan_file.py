"""A plan as a file: what was reviewed is what is applied, or nothing is.

JSON with sorted keys, so that the same event on the same clouds gives the same bytes.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from cloudsentry.errors import UserError
from cloudsentry.records.orders import Order
from cloudsentry.records.plans import Plan, Step
from cloudsentry.spec.event import Event

VERSION = 1
KEY = "cloudsentry_plan"
_ORDERS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Order)}


def write(path: str, event: Event, plan: Plan) -> None:
    """Write event and plan to ``path``, readable by the owner alone (it holds user data), all of it or nothing.

    Raises UserError where the file cannot be written.
    """
    target = Path(path)
    draft: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(  # made with mode 0600
            "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as file:
            draft = Path(file.name)
            file.write(dumped(event, plan))
        draft.replace(target)
    except OSError as error:
        if draft is not None:
            draft.unlink(missing_ok=True)
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def dumped(event: Event, plan: Plan) -> str:
    """The file's text."""
    body = {"event": event.model_dump(mode="json", by_alias=True), "plan": _plain(plan)}
    return f'{{"{KEY}": {VERSION},\n{json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True)[1:]}\n'


def is_plan(path: str) -> bool:
    """Whether a file is a saved plan rather than an event; a file that is not there is not."""
    try:
        with open(path, "rb") as file:
            return file.read(64).lstrip().startswith(f'{{"{KEY}"'.encode())
    except OSError:
        return False


def read(path: str) -> tuple[Event, Plan]:
    """What `write` wrote. Raises UserError where the file is not there, of another version, or changed in shape."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        body = json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}:{error.colno}: not a saved plan: {error.msg}") from error
    version = body.get(KEY) if isinstance(body, dict) else None
    if version != VERSION:
        raise UserError(f"{path}: a saved plan of version {version}, this cloudsentry reads version {VERSION}")
    try:
        event, plan = Event.model_validate(body["event"]), _read_plan(body["plan"])
    except (KeyError, TypeError, AttributeError, ValidationError) as error:
        raise UserError(f"{path}: not a saved plan: {_fault(error)}") from error
    if dumped(event, plan) != text:
        raise UserError(f"{path}: not as it was written; make a new one with `event plan --out`")
    return event, plan


def _plain(value: Any) -> Any:
    """Records as JSON; an order also says which one it is, since several have the same fields."""
    if is_dataclass(value) and not isinstance(value, type):
        body = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {"order": type(value).__name__, **body} if type(value).__name__ in _ORDERS else body
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _read_plan(body: dict[str, Any]) -> Plan:
    steps = tuple(_read_step(step) for step in body["steps"])
    plan: Plan = TypeAdapter(Plan).validate_python({**body, "steps": steps})
    return plan


def _read_step(body: dict[str, Any]) -> Step:
    subject = dict(body["subject"])
    order = TypeAdapter(_ORDERS[subject.pop("order")]).validate_python(subject)
    step: Step = TypeAdapter(Step).validate_python({**body, "subject": order})
    return step


def _fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
