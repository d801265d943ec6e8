"""What an event asks of calibrations, and how much its measured pools are to carry together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cloudsentry.spec.parts import Part

Survive = Literal["nothing", "hypervisor", "site"]


class CalibrationSpec(Part):
    """Which calibrations hold for this event, and the load that its measured pools are sized for."""

    size: Annotated[int, Field(ge=1, le=2**31 - 1)] = Field(
        25 * 1024,
        description="Bytes of a usual answer: a calibration with others by over a fifth does not hold.",
    )
    days: Annotated[int, Field(ge=1, le=3650)] = Field(30, description="An older calibration does not hold.")
    responses: Annotated[float, Field(gt=0, le=1e9)] | None = Field(
        None,
        description="Responses per second that all measured pools carry together. Their pins' counts then come from "
        "the calibration, between each pin's `count` and `most`; without it the counts are the file's.",
    )
    headroom: Annotated[float, Field(ge=0, le=0.9)] = Field(
        0.15, description="Part of the capacity that stays free while they carry that."
    )
    survive: Survive = Field(
        "hypervisor", description="They carry it also after the loss of any one hypervisor, or of any one site."
    )
