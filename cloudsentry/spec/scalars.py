"""Scalars that people write in their own way."""

from __future__ import annotations

import datetime as dt
import re

DURATION = r"^([0-9]+(?:\.[0-9]+)?)\s*(s|m|h|d)?$"
_UNIT = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(value: object) -> object:
    """``90``, ``"90s"``, ``"1.5m"`` as seconds. Raises ValueError for other text; leaves other types to the model."""
    if not isinstance(value, str):
        return value
    match = re.match(DURATION, value.strip())
    if match is None:
        raise ValueError("expected a duration such as 30s, 5m or 1h")
    return float(match[1]) * _UNIT[match[2]]


def day(value: object) -> object:
    """``"2010-08-07"`` as a date. Raises ValueError for other text; leaves other types to the model."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("expected a date such as 2010-08-07")
    return dt.date.fromisoformat(value)
