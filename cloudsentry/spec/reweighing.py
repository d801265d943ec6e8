"""Weights that change while an event runs: members that slow down, pools that come, members behind a long path."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cloudsentry.spec.parts import Part, Seconds, Weight

if TYPE_CHECKING:
    from cloudsentry.spec.event import Event

FIRST = 0.1
"""The part of its weight with which a pool begins that comes by and by."""


class Reweigh(Part):
    """How the weights of members follow how fast they answer."""

    slower: Annotated[float, Field(ge=1.2, le=10)] = Field(
        1.5, description="A unit that takes so many times as long as it usually does, next to the others, loses weight."
    )
    step: Annotated[float, Field(gt=0, le=0.9)] = Field(0.5, description="It loses at most this part in one step.")
    floor: Annotated[float, Field(ge=0.01, le=1)] = Field(0.1, description="It keeps at least this part of its weight.")
    back: Seconds = Field(
        60, description="How long it answers well before it gets more again; twice as long after each relapse."
    )
    place: str | None = Field(
        None,
        pattern=r"^(local|netns:[\w.-]+|ssh://[\w.@:\[\]-]+)$",
        description="Where the members are timed from by transfers of cloudsentry's own; octavia's balancers need it, "
        "the others tell times themselves.",
        json_schema_extra={"patternErrorMessage": "local, netns:NAME or ssh://user@host"},
    )
    path: str = Field(
        "/image",
        pattern=r"^/\S*$",
        description="What is fetched from them there.",
        json_schema_extra={"patternErrorMessage": "a path that begins with a slash"},
    )


class Fallback(Part):
    """What the path to another site's pool must carry before its servers get weight, and how that is tried."""

    path: str = Field(
        "/image",
        pattern=r"^/\S*$",
        description="What is fetched from its servers, whole.",
        json_schema_extra={"patternErrorMessage": "a path that begins with a slash"},
    )
    size: Annotated[int, Field(ge=1, le=2**31 - 1)] = Field(25 * 1024, description="Bytes that must arrive, at least.")
    tries: Annotated[int, Field(ge=1, le=100)] = Field(5, description="Transfers in a row that must all be whole.")
    within: Seconds = Field(2, description="How long the slowest of them may take.")
    place: str | None = Field(
        None,
        pattern=r"^(local|netns:[\w.-]+|ssh://[\w.@:\[\]-]+)$",
        description="Where they are fetched from: the balancer's host where absent; octavia's balancers need it.",
        json_schema_extra={"patternErrorMessage": "local, netns:NAME or ssh://user@host"},
    )


class Tuned(Part):
    """The weight that a unit has now behind a balancer, as cloudsentry has found it; not for people to write."""

    weight: Weight = Field(description="Of each of its servers.")
    why: str = Field("", max_length=500, description="One line for people.")
    at: dt.datetime = Field(description="Since when.")
    normal: float | None = Field(None, description="How long its answers usually take, in ms.")
    relapses: Annotated[int, Field(ge=0)] = Field(0, description="How often it slowed down again after it got more.")
    trial: bool = Field(False, description="Whether it got more last.")


def may_be_tuned(event: Event) -> bool:
    """Whether weights of the event change while it runs."""
    return any(
        spec.reweigh is not None or any(part.fallback or part.ramp is not None for part in spec.members)
        for spec in event.balancers.values()
    )


def tuned_as(event: Event, before: Event) -> Event:
    """The event with what an earlier revision had found, where its balancers still follow anything."""
    made = {}
    for name, spec in event.balancers.items():
        old = before.balancers.get(name)
        found = old.tuned if old is not None and old.tuned and spec.tuned is None else None
        made[name] = spec.model_copy(update={"tuned": found}) if found else spec
    return event.model_copy(update={"balancers": made})
