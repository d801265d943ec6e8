"""How far an order has come, read off a view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """``done`` of ``wanted``; ``detail`` is one line for people.

    ``left``: seconds that the place itself says it still takes. They are waited for, whatever patience there is else.
    """

    state: State
    done: int = 0
    wanted: int = 0
    detail: str = ""
    left: float = 0.0
