"""What the journal hands back: frozen, times aware and in UTC."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal

from cloudsentry.records.reports import Outcome, Report

Goal = Literal["apply", "destroy"]
EventState = Literal["kept", "gone"]
StepState = Literal["planned", "intent", "done", "failed", "skipped", "spilled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event as the journal knows it. ``gone``: destroyed, kept for its history.

    ``revision`` is the newest one's number; ``outcome`` is the newest run's, empty where none has
    ended; ``updated`` is when the newest revision, the newest run or the event itself was written.
    """

    name: str
    state: EventState
    revision: int
    runs: int
    outcome: str
    created: dt.datetime
    updated: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What an event wanted at one time. Numbers count from 1, without gaps, per event.

    ``body`` is the event file as canonical JSON. It may hold secrets, in ``user_data``: out of ``repr``.
    """

    event: str
    number: int
    digest: str
    body: str = field(repr=False)
    created: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step of a run. ``op`` is the mark of its newest call; ``called`` is when that call was announced."""

    step: str
    unit: str
    cloud: str
    verb: str
    action: str
    op: str
    state: StepState
    attempts: int
    why: str
    error: str
    started: dt.datetime | None
    called: dt.datetime | None
    ended: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run. ``ended`` None: it works still, or its process was killed.

    ``report`` and ``steps`` are filled where one run was asked for.
    """

    id: int
    event: str
    revision: int
    goal: Goal
    outcome: Outcome | None
    started: dt.datetime
    ended: dt.datetime | None
    host: str
    pid: int
    writes: int
    reads: int
    report: Report | None = None
    steps: tuple[StepRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A call that was announced, and of whose end nothing is known: it may have had its effect, or may yet have."""

    run: int
    step: str
    unit: str
    cloud: str
    verb: str
    op: str
    attempt: int
    called: dt.datetime
