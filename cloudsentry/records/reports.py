"""What a run did, as data; `render` makes text of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["done", "failed", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """How one step ended. ``seconds`` is from its first call to its last look."""

    id: str
    unit: str
    cloud: str
    verb: str
    outcome: Literal["done", "failed", "skipped"]
    seconds: float = 0.0
    attempts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Servers: wanted by the event, active now, and active where they should not be."""

    wanted: int
    active: int
    misplaced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The end of a run. ``writes`` and ``reads`` are HTTP calls of this process, retries included."""

    run: int
    event: str
    goal: Literal["apply", "destroy"]
    outcome: Outcome
    seconds: float
    writes: int
    reads: int
    steps: tuple[StepReport, ...]
    servers: Counts
    left: tuple[str, ...] = ()
    """One line per thing that is still to do, or still there after a destroy."""
