"""From what stands to what is wanted, as commands for HAProxy's socket; pure."""

from __future__ import annotations

from collections.abc import Iterable

from cloudsentry.drivers.balancer.haproxy.render import BACKEND
from cloudsentry.drivers.balancer.haproxy.runtime import Standing, leaving
from cloudsentry.drivers.balancer.instance import joined, serves
from cloudsentry.records.views import Member


def changes(now: Standing, wanted: Iterable[Member], options: str) -> list[str]:
    """Commands after which exactly ``wanted`` of ours serve. What comes or grows is told before what shrinks or goes.

    ``options`` as `render.options` writes them. Servers of somebody else are in no command.
    """
    listed = sorted(wanted, key=lambda member: member.id)
    keep = {member.id for member in listed}
    growing: list[str] = []
    shrinking: list[str] = []
    trusted = not serves(now.within())
    for member in listed:
        old = now.named(member.id)
        if old is None:
            growing += _add(member, options, trusted)
        else:
            commands = _change(old, member, options, trusted)
            (growing if member.weight >= old.weight else shrinking).extend(commands)
    for old in now.members:
        if old.mark is not None and old.id not in keep:
            shrinking += _remove(old)
    return growing + shrinking


def differs(now: Standing, wanted: Iterable[Member]) -> bool:
    """Whether ours are not exactly ``wanted``; who only waits for its last connection does not count."""
    found = {_key(member) for member in now.within() if member.mark is not None}
    return found != {_key(member) for member in wanted}


def _key(member: Member) -> tuple[str, str, int, int]:
    return member.id, member.address, member.port, member.weight


def _server(member: Member) -> str:
    return f"{BACKEND}/{member.id}"


def _add(member: Member, options: str, trusted: bool) -> list[str]:
    server = _server(member)
    where = joined(member.address, member.port)
    backup = " backup" if member.backup else ""
    return [f"add server {server} {where} weight 0{options}{backup}", *_enable(server, member.weight, options, trusted)]


def _enable(server: str, weight: int, options: str, trusted: bool) -> list[str]:
    # With a monitor a newcomer waits for its checks: a cloud's ACTIVE does not mean that anything listens yet.
    # Its weight comes last, so that nothing reaches it between "ready" and "down". Where nobody serves it is trusted.
    down = [f"set server {server} health down"] if options and not trusted else []
    checks = [f"enable health {server}"] if options else []
    return [f"set server {server} state ready", *down, *checks, f"set server {server} weight {weight}"]


def _change(old: Member, new: Member, options: str, trusted: bool) -> list[str]:
    server = _server(new)
    commands: list[str] = []
    if (old.address, old.port) != (new.address, new.port):
        commands.append(f"set server {server} addr {new.address} port {new.port}")
    if leaving(old):
        return [f"set server {server} weight 0", *commands, *_enable(server, new.weight, options, trusted)]
    if old.weight != new.weight:
        commands.append(f"set server {server} weight {new.weight}")
    return commands


def _remove(old: Member) -> list[str]:
    # HAProxy refuses to delete a server that still has a connection: in maintenance it waits for the next write.
    server = _server(old)
    return ([] if leaving(old) else [f"set server {server} state maint"]) + [f"del server {server}"]
