"""Scalars that people write in their own way."""

from __future__ import annotations

import re

_DURATION = re.compile(r"^(\d+(?:\.\d+)?)\s*(s|m|h|d)?$")
_UNIT = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(value: object) -> object:
    """``90``, ``"90s"``, ``"1.5m"`` as seconds. Raises ValueError for other text; leaves other types to the model."""
    if not isinstance(value, str):
        return value
    match = _DURATION.match(value.strip())
    if match is None:
        raise ValueError("expected a duration such as 30s, 5m or 1h")
    return float(match[1]) * _UNIT[match[2]]
