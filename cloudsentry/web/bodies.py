"""What callers send, and what they get. Unknown keys of a caller are passed over: their formats grow."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, Field

Labels = dict[str, str]
Word = Annotated[str, Field(max_length=4096)]
Instant = Annotated[dt.datetime, Field(description="RFC 3339.")]


class Alert(BaseModel):
    """One alert of Alertmanager."""

    status: Literal["firing", "resolved"]
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)
    startsAt: Word
    fingerprint: Word


class Alertmanager(BaseModel):
    """Alertmanager's webhook, version 4. The labels (or annotations) of its alerts say what is asked for."""

    version: Literal["4"]
    status: Literal["firing", "resolved"]
    receiver: Word = ""
    alerts: list[Alert] = Field(max_length=1000)
    groupKey: Word = ""
    truncatedAlerts: int = 0


class Aodh(BaseModel):
    """Aodh's notification of an alarm; event, pool and scale stand in the address of the alarm's action."""

    alarm_id: Word
    alarm_name: Word = ""
    severity: Word = ""
    current: Literal["ok", "alarm", "insufficient data"]
    previous: Word = ""
    reason: Word = ""


class Generic(BaseModel):
    """A signed call. With an ``id`` it is one call however often it comes."""

    event: Annotated[str, Field(min_length=1, max_length=64)]
    pool: Annotated[str, Field(min_length=1, max_length=64)]
    scale: str | int = Field(description="+N more, -N fewer, or N servers in all.", examples=["+1", "-2", 8])
    reason: Word = ""
    id: Word | None = None


class Said(BaseModel):
    """What was decided on one call, and why."""

    decision: int | None = Field(description="Its number; null where nothing was decided.")
    state: Literal["held", "queued", "running", "done", "failed", "ignored", "refused"]
    repeated: bool = Field(default=False, description="Whether the same call came before; it is acted on once.")
    event: str = ""
    pool: str = ""
    current: int | None = None
    wanted: int | None = None
    rule: str = ""
    why: list[str]
    run: int | None = Field(default=None, description="The run that carries it out, once it has one.")
    href: str = Field(default="", description="Where the decision's state can be asked for.")


class Answer(BaseModel):
    """One entry per call of a delivery."""

    decisions: list[Said]


class Refusal(BaseModel):
    """Why a request was not taken."""

    detail: str


class BodyFault(BaseModel):
    """One place of a body, or of an address, that is not as described."""

    loc: list[str | int]
    msg: str
    type: str


class Misunderstood(BaseModel):
    """A body, or an address, that is not as described."""

    detail: list[BodyFault]


class Health(BaseModel):
    """That the process answers."""

    status: Literal["ok"] = "ok"
