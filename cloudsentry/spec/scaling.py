"""How a pool grows and shrinks: the bounds, the policy, the signal; and which pins the servers go to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from cloudsentry.spec.parts import CloudName, Count, Name, Part, Seconds

if TYPE_CHECKING:
    from cloudsentry.spec.event import Event, Pin

Positive = Annotated[float, Field(gt=0, le=1e9)]


class SignalSpec(Part):
    """Where the load of now is read."""

    driver: str = Field("prometheus", description="A driver of the family cloudsentry.signal.")
    url: str | None = Field(
        None,
        pattern=r"^(https?|snmp)://[^\s@]+$",
        description="Where the signal is asked for: http://prometheus:9090, snmp://switch; no password in it.",
        json_schema_extra={"patternErrorMessage": "an http, https or snmp address without a password"},
    )
    query: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="What is asked: PromQL of one series; `sessions`, `requests` or `bytes` of a balancer; `bytes` or "
        "`packets` of nova; OIDs of counters, separated by commas, of snmp; a metric's id of gnocchi.",
    )
    unit: Literal["requests/s", "requests/min", "sessions", "Mbit/s", "bit/s", "bytes/s", "packets/s"] = Field(
        "requests/s", description="What the answer counts."
    )
    balancer: Name | None = Field(None, description="One of `balancers`, for a balancer signal.")
    cloud: CloudName | None = Field(
        None, description="A cloud of clouds.yaml, for gnocchi; nova asks the cloud of its pool."
    )
    timeout: Annotated[float, Field(gt=0, le=60)] = Field(5, description="Seconds; later is no answer.")


class Scaling(Part):
    """How many servers of a pool there are, and who decides."""

    unit: Literal["requests/s", "sessions", "Mbit/s", "packets/s"] = Field(
        "requests/s",
        description="What load is counted in: that of `per_server`, of the matches' crowds, of the signal.",
    )
    policy: str = Field("calendar", description="A driver of the family cloudsentry.policy.")
    least: Count = Field(1, description="Never fewer servers.")
    most: Count = Field(description="Never more servers.")
    per_server: Positive = Field(
        description="Requests per second that a server of the pool's highest weight answers, its host being as full as "
        "it will be; servers of lower weight count in proportion."
    )
    step: Annotated[int, Field(ge=1, le=1000)] = Field(
        4, description="Servers that go in one decision, or come in one outside the matches' windows, at most."
    )
    cooldown: Seconds = Field(300, description="Time between a change and the next one, outside the matches' windows.")
    hold: Seconds = Field(3600, description="How long servers that a call brought are kept, whatever the policy says.")
    lead: Seconds = Field(900, description="How long before a match's start its servers must serve; boots come on top.")
    utilisation: Annotated[float, Field(gt=0, le=1)] = Field(
        0.7, description="Share of the capacity that measured load may fill (policy target)."
    )
    signal: SignalSpec | None = Field(None, description="The load of now; the policy target needs it.")
    witness: SignalSpec | None = Field(
        None,
        description="The part of the load that comes from clients who behave as people do (logged in, scripts run); "
        "load of more than twice that is a flood, and brings no servers.",
    )


def count_of(pins: Sequence[Pin]) -> int:
    """Servers over all pins."""
    return sum(pin.count for pin in pins)


def spread(pins: Sequence[Pin], servers: int) -> tuple[int, ...]:
    """Servers per pin, in the pins' order: in proportion to their shares, none above its own ``most``.

    One more server never takes one from another pin (largest remainders would, now and then), so each server goes
    to the pin that is most behind its share: Webster's method, exact where the proportion is. Equal claims go to
    the higher weight, then to the earlier pin. Fewer than ``servers`` where all pins are full.
    """
    shares = [pin.count if pin.share is None else pin.share for pin in pins]
    if not any(shares):
        shares = [1] * len(pins)
    counts = [0] * len(pins)
    for _ in range(servers):
        open_pins = [i for i, pin in enumerate(pins) if shares[i] and (pin.most is None or counts[i] < pin.most)]
        if not open_pins:
            break
        counts[max(open_pins, key=lambda i: (shares[i] / (2 * counts[i] + 1), pins[i].weight, -i))] += 1
    return tuple(counts)


def capacities(pins: Sequence[Pin], scaling: Scaling) -> tuple[float, ...]:
    """Requests per second that the pool answers with 0, 1, 2 … servers, up to what bounds and pins allow."""
    top = max((pin.weight for pin in pins), default=0)
    each = [scaling.per_server * (pin.weight / top if top else 1) for pin in pins]
    ladder: list[float] = []
    for servers in range(scaling.most + 1):
        counts = spread(pins, servers)
        if sum(counts) < servers:
            break
        ladder.append(sum(number * answers for number, answers in zip(counts, each, strict=True)))
    return tuple(ladder)


def scaled(event: Event, wanted: dict[str, int]) -> Event:
    """The event with these numbers of servers in these pools, over their pins as `spread` has them.

    A pin keeps in ``share`` what its file's count was, so that scaling again starts from the same proportion.
    """
    pools = dict(event.pools)
    for name, servers in wanted.items():
        pins = pools[name].pins
        if count_of(pins) != servers:
            new = [
                pin.model_copy(update={"count": count, "share": pin.count if pin.share is None else pin.share})
                for pin, count in zip(pins, spread(pins, servers), strict=True)
            ]
            pools[name] = pools[name].model_copy(update={"pins": new})
    return event.model_copy(update={"pools": pools})
