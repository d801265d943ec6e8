"""A history as JSON: its own fields, times in RFC 3339."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict

from cloudsentry.records.history import History


def report(history: History) -> str:
    """The whole history; ``hours`` is the sum over the clouds."""
    return json.dumps({**asdict(history), "hours": round(history.hours, 3)}, default=_plain, indent=2) + "\n"


def _plain(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
