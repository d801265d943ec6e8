"""How far an order has come, read off a view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """``done`` of ``wanted``; ``detail`` is one line for people."""

    state: State
    done: int = 0
    wanted: int = 0
    detail: str = ""
