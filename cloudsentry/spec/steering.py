"""Steering in an event file: which share of the clients goes where, and by which means."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import Field

from cloudsentry.spec.parts import Name, Part, Seconds

Share = Annotated[float, Field(ge=0, le=100)]
"""Percent of the clients."""

Text = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\S+$")]
File = Annotated[
    str,
    Field(
        pattern=r"^/[A-Za-z0-9._/+@,=-]*[A-Za-z0-9._+@,=-]$",
        max_length=255,
        json_schema_extra={"patternErrorMessage": "the whole path of a file, without white space"},
    ),
]
HostName = Annotated[
    str,
    Field(
        pattern=r"^(local|netns:[\w.-]+|ssh://[\w.@:\[\]-]+)$",
        json_schema_extra={"patternErrorMessage": "local, netns:NAME or ssh://user@host"},
    ),
]
ProxyName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_.:-]+$",
        max_length=128,
        json_schema_extra={"patternErrorMessage": "a name as HAProxy takes it: letters, digits and _.:-"},
    ),
]
OWN = {
    "reference": frozenset({"file", "fronts", "socket", "backend"}),
    "dns": frozenset({"name", "zone", "ttl"}),
    "prefix": frozenset({"map", "socket", "table"}),
}
"""The keys that only some drivers have; a driver that is not named here may have any."""

NEEDED = {"reference": ("fronts",), "dns": ("name", "zone"), "prefix": ("map", "socket", "table")}


class Front(Part):
    """One of the farm's front servers, and the file that it delivers."""

    host: HostName = Field(description="`local`, `netns:NAME` or `ssh://user@host[:port]`.")
    file: File | None = Field(None, description="The file there that names the image server; the steering's `file`.")
    server: ProxyName | None = Field(None, description="What the front balancer's HAProxy calls this server.")


class TargetSpec(Part):
    """Where clients are sent: addresses or a name of the operator's, a balancer of the event, or both."""

    to: Text | Annotated[list[Text], Field(min_length=1, max_length=64)] | None = Field(
        None,
        description="reference: the image server as the file names it; dns: addresses; prefix: HAProxy's backend.",
    )
    balancer: Name | None = Field(
        None, description="One of `balancers`: its VIP; or, beside `to`, who serves there, so that clients wait for it."
    )
    share: Share | None = Field(None, description="Percent of the clients; home gets what the others leave.")
    networks: list[Text] = Field(default_factory=list, description="prefix: client networks that are always its own.")
    asns: list[Annotated[int, Field(ge=0, le=4294967295)]] = Field(
        default_factory=list, description="prefix: origin ASes whose clients are always its own."
    )

    @property
    def addressed(self) -> tuple[str, ...]:
        """`to` as a tuple; empty for a balancer."""
        return () if self.to is None else (self.to,) if isinstance(self.to, str) else tuple(self.to)

    @property
    def rules(self) -> tuple[str, ...]:
        """Networks, and ASes as ``AS64500``."""
        return (*self.networks, *(f"AS{number}" for number in self.asns))


class SteeringSpec(Part):
    """Shares of the clients between the existing farm and the event's balancers."""

    driver: str = Field(description="A driver of the family cloudsentry.steering: reference, dns, prefix.")
    at: Text = Field(
        "local",
        description="Where it is steered: a host (`local`, `netns:NAME`, `ssh://…`), for dns the address of "
        "PowerDNS's API (`http://…`) or a cloud that has Designate.",
    )
    home: Name = Field(description="The target that serves everybody without the event.")
    targets: dict[Name, TargetSpec] = Field(min_length=2, description="Where clients are sent, by names of your own.")
    settle: Seconds = Field(0, description="How long clients may go by what they have read before a change.")
    file: File | None = Field(None, description="reference: the file that names the image server.")
    fronts: list[Front] = Field(default_factory=list, description="reference: the farm's front servers.")
    socket: File | None = Field(None, description="HAProxy's runtime socket on the host of `at`.")
    backend: ProxyName | None = Field(None, description="reference: the front balancer's backend, whose weights tune.")
    name: Text | None = Field(None, description="dns: the name that clients look up.")
    zone: Text | None = Field(None, description="dns: the zone that the name is in.")
    ttl: Seconds = Field(30, description="dns: how long an answer may be remembered.")
    map: File | None = Field(None, description="prefix: HAProxy's map file on the host of `at`.")
    table: Text | None = Field(None, description="prefix: file of prefixes and their origin ASes, on this machine.")

    def share_of(self, name: str) -> float:
        """Percent of the clients of one target."""
        others = {other: spec.share or 0.0 for other, spec in self.targets.items() if other != self.home}
        return others[name] if name in others else max(0.0, round(100.0 - sum(others.values()), 6))

    def options(self) -> tuple[tuple[str, str], ...]:
        """What the driver is told: sorted pairs of text, of its own keys only."""
        found = {
            "file": self.file or "",
            "fronts": json.dumps([self._front(front) for front in self.fronts]) if self.fronts else "",
            "socket": self.socket or "",
            "backend": self.backend or "",
            "name": self.name or "",
            "zone": self.zone or "",
            "ttl": f"{self.ttl:g}",
            "map": self.map or "",
            "table": self.table or "",
        }
        own = OWN.get(self.driver, found.keys())
        return tuple(sorted((key, value) for key, value in found.items() if value and key in own))

    def _front(self, front: Front) -> dict[str, str]:
        return {"host": front.host, "file": front.file or self.file or "", "server": front.server or ""}
