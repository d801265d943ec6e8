"""Servers that wait for a crowd nobody announced: made, and resting."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cloudsentry.spec.parts import Part

Rest = Literal["stopped", "paused", "shelved"]


class Spares(Part):
    """A warm pool at each pin of a pool."""

    count: Annotated[int, Field(ge=1, le=1000)] = Field(
        description="Servers that rest at each pin; fewer where count and spares would pass the pin's `most`."
    )
    rest: Rest = Field(
        "stopped",
        description="`stopped` keeps disk and place, `paused` the memory too and serves at once, `shelved` neither and "
        "takes longest.",
    )
