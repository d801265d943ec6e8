"""A balancer that is a daemon of its own on a host: what is remembered of it there, and what may reach its files.

Everything of one instance lies in one folder, ``<state folder>/<event>/<unit>``: ``mark.json`` (this
record), the daemon's configuration, its pid. The folder is the account's alone.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
import secrets
from collections.abc import Iterable
from typing import Any

from cloudsentry.clouds.hosts import Host
from cloudsentry.errors import Conflict, NotSupported
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateBalancer, Monitor
from cloudsentry.records.views import Member

MARK = "mark.json"
PREFIX = "cs-"
"""Begins the name of every member that cloudsentry made; what does not is somebody else's."""

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
MEMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,55}")
PATH = re.compile(r"/[A-Za-z0-9._~!*:@&=+,/?-]*")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance, as its mark file tells. ``token`` guards what of the daemon listens on an address."""

    id: str
    driver: str
    name: str
    mark: Mark
    address: str
    port: int
    protocol: str
    algorithm: str
    monitor: Monitor | None
    token: str = dataclasses.field(repr=False)

    @classmethod
    def of(cls, order: CreateBalancer, driver: str) -> Instance:
        """A new one. Raises `NotSupported` for what must not reach a configuration."""
        for name in (order.mark.event, order.unit):
            _fits(NAME, name, "name")
        _fits(re.compile(r"[A-Za-z0-9._-]{1,128}"), order.name, "name")
        if order.monitor is not None and order.monitor.type == "HTTP":
            _fits(PATH, order.monitor.path, "monitor path")
        if order.monitor is not None and order.monitor.type == "PING":
            raise NotSupported(f"{driver} cannot ping its members: use a monitor of type HTTP or TCP")
        return cls(
            id=f"{secrets.token_hex(4)}.{order.mark.event}.{order.unit}",
            driver=driver,
            name=order.name,
            mark=order.mark,
            address=address_of(order.address) if order.address else "",
            port=port_of(order.port),
            protocol=order.protocol,
            algorithm=order.algorithm,
            monitor=order.monitor,
            token=secrets.token_hex(16),
        )

    @classmethod
    def read(cls, content: bytes) -> Instance | None:
        """From a mark file; None where it is none."""
        try:
            data: dict[str, Any] = json.loads(content)
            monitor = Monitor(**data.pop("monitor")) if data.get("monitor") else data.pop("monitor")
            return cls(mark=Mark(**data.pop("mark")), monitor=monitor, **data)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def written(self) -> bytes:
        """For the mark file; `read` reads it back."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, indent=1).encode()


def instances(host: Host, base: str, event: str, driver: str) -> tuple[Instance, ...]:
    """A driver's instances of an event on a host, by one read."""
    _fits(NAME, event, "name")
    found = (Instance.read(content) for content in host.each(f"{base}/{event}", MARK).values())
    return tuple(one for one in found if one is not None and one.driver == driver and one.mark.event == event)


def instance_at(host: Host, base: str, event: str, unit: str, driver: str) -> Instance | None:
    """The instance of a unit. Raises `Conflict` where another driver's stands in its place."""
    for name in (event, unit):
        _fits(NAME, name, "name")
    content = host.read(f"{base}/{event}/{unit}/{MARK}")
    found = Instance.read(content) if content is not None else None
    if found is not None and found.driver != driver:
        raise Conflict(f"balancer {unit} of {event} is one of driver {found.driver}", cloud=host.place)
    return found


def identified(id: str) -> tuple[str, str] | None:
    """(event, unit) of an instance's id; None where no instance can have such an id."""
    parts = id.split(".")
    if len(parts) != 3 or not all(NAME.fullmatch(name) for name in parts[1:]):
        return None
    return parts[1], parts[2]


def address_of(text: str) -> str:
    """An IP address in its shortest form. Raises `NotSupported` for anything else."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise NotSupported(f"{text!r} is no IP address") from error
    if "%" in text:
        raise NotSupported(f"{text!r} holds for one link only")
    return str(address)


def port_of(port: int) -> int:
    """A TCP port. Raises `NotSupported`."""
    if not 1 <= port <= 65535:
        raise NotSupported(f"{port} is no TCP port")
    return port


def checked(member: Member, mark: Mark, most: int) -> Member:
    """A member of ours with its name in the daemon; nothing in it can break out of a configuration or a command."""
    _fits(MEMBER, member.name, "member name")
    if not 0 <= member.weight <= most:
        raise NotSupported(f"{member.address} has weight {member.weight}: it must be within 0 and {most}")
    address, port = address_of(member.address), port_of(member.port)
    return dataclasses.replace(member, id=f"{PREFIX}{member.name}", address=address, port=port, mark=mark)


def serves(members: Iterable[Member]) -> bool:
    """Whether any of them is asked for new requests."""
    return any(member.weight and member.operating not in ("OFFLINE", "DISABLED") for member in members)


def joined(address: str, port: int) -> str:
    """``address:port``, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def parted(text: str) -> tuple[str, int] | None:
    """(address, port) of ``address:port``; None where it is no IP address with a port."""
    address, _, port = text.rpartition(":")
    try:
        return str(ipaddress.ip_address(address.strip("[]"))), int(port)
    except ValueError:
        return None


def _fits(pattern: re.Pattern[str], text: str, what: str) -> None:
    if not pattern.fullmatch(text):
        raise NotSupported(f"{text!r} is not fit for a {what}")
