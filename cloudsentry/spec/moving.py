"""What of an event moves where: pools and servers, in order, as a group or one by one, in which hours."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cloudsentry.records.moving import Budget
from cloudsentry.spec.parts import CloudName, Part


class MoveSpec(Part):
    """One move that `migrate run EVENT NAME` makes."""

    what: list[Annotated[str, Field(min_length=1)]] = Field(
        min_length=1, description="Pools and servers, by name or id, in this order; or a router's stretch."
    )
    to: CloudName = Field(description="A site of the event, or a cloud of clouds.yaml.")
    mover: str | None = Field(None, description="A driver of the family cloudsentry.mover; chosen where absent.")
    hypervisors: list[CloudName] = Field(default_factory=list, description="Of the target, to be spread over.")
    wave: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0, description="Servers that `replace` makes, and later drains, at once; 0 is all of them."
    )
    at_once: Annotated[int, Field(ge=1, le=100)] = Field(1, description="Servers under way at once.")
    per_hypervisor: Annotated[int, Field(ge=0, le=100)] = Field(
        0, description="Moves from and to one hypervisor at once; 0 sets no bound."
    )
    mbit: Annotated[float, Field(ge=0, le=1e6)] = Field(
        0, description="Mbit/s for all moves under way together; 0 sets no bound."
    )
    each_mbit: Annotated[float, Field(gt=0, le=1e6)] = Field(500, description="Mbit/s that one move is taken to need.")
    together: bool = Field(False, description="As one unit: all of them, or none.")
    window: Literal["any", "quiet"] = Field(
        "any", description="`quiet`: nothing begins that would not be over before a match's crowd gathers."
    )

    @property
    def budget(self) -> Budget:
        """What may be under way at once. A group that moves together is under way as a whole."""
        return Budget(
            at_once=self.at_once, per_hypervisor=self.per_hypervisor, mbit=self.mbit, each_mbit=self.each_mbit
        )
