"""What was played already: a trace of a seed is kept, and played again only when the code is another."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FILES = ("baselines", "measures", "run", "traces", "world")
CODE = (
    *(f"benchmarks/elasticity/{name}.py" for name in FILES),
    "cloudsentry/drivers/policy",
    "cloudsentry/scaling/leads.py",
    "cloudsentry/records",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One trace of one seed: rows by scaler, rows by setting of the baselines, courses, CPU seconds."""

    trace: str
    rows: list[dict[str, Any]]
    settings: list[dict[str, Any]]
    courses: dict[str, Any]
    seconds: float


@cache
def digest() -> str:
    """Twelve hex digits over the code that a piece comes from."""
    found = hashlib.sha256()
    for part in CODE:
        path = ROOT / part
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            found.update(file.read_bytes())
    return found.hexdigest()[:12]


def kept(play: Callable[[str, int], Piece], folder: Path, name: str, seed: int) -> Piece:
    """The piece of that name and seed, played where it is not in the folder yet."""
    path = folder / f"{name}-{seed}-{digest()}.pickle"
    if path.exists():
        found: Piece = pickle.loads(path.read_bytes())  # written by this very code
        return found
    piece = play(name, seed)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(pickle.dumps(piece))
    part.rename(path)
    return piece
