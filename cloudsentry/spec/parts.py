"""What every model of an event file is made of: names, counts, durations, days, and the frozen base."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from cloudsentry.records.marks import NAME_MAX
from cloudsentry.spec.scalars import DURATION, day, seconds

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
NAME_WORDS = f"a name of lower case letters, digits and inner hyphens, at most {NAME_MAX} of them"

Name = Annotated[
    str, Field(pattern=NAME_PATTERN, max_length=NAME_MAX, json_schema_extra={"patternErrorMessage": NAME_WORDS})
]
"""Names of the event's own parts: lower case letters, digits and hyphens."""

CloudName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=r"^[^\s/,]+$",
        json_schema_extra={"patternErrorMessage": "a name without white space, slash or comma"},
    ),
]
"""What a cloud calls something: no white space, no slash, no comma."""

_MOST = 86400
Seconds = Annotated[
    float,
    BeforeValidator(seconds),
    Field(ge=0, le=_MOST),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": DURATION, "patternErrorMessage": "a duration such as 30s, 5m or 1h"},
                {"type": "number", "minimum": 0, "maximum": _MOST},
            ]
        }
    ),
]
"""A duration of at most a day, written ``30s``, ``5m``, ``1h`` or as a number of seconds."""

Day = Annotated[dt.date, BeforeValidator(day)]
"""A day, written 2010-08-07; a bare number is not taken for seconds since 1970."""

Count = Annotated[int, Field(ge=0, le=1000)]
Weight = Annotated[int, Field(ge=0, le=256)]
"""Octavia's and HAProxy's range."""


class Part(BaseModel):
    """Frozen, and a key that nobody knows is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
