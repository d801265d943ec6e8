"""One instance's daemon on its host: its files, its process. Nothing in here knows which daemon it is."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

from cloudsentry.clouds.hosts import Host
from cloudsentry.drivers.balancer.instance import MARK, Instance, identified, instance_at
from cloudsentry.errors import Conflict, NotSupported
from cloudsentry.records.orders import CreateBalancer, DeleteBalancer
from cloudsentry.records.views import Member

COMING = "coming.json"
"""Names of newcomers, and until when they may take to pass their checks (seconds since 1970)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """An instance at its place. ``file`` is the name of its configuration within its folder."""

    host: Host
    base: str
    instance: Instance
    file: str

    @property
    def folder(self) -> str:
        """Where everything of it lies."""
        return f"{self.base}/{self.instance.mark.event}/{self.instance.mark.unit}"

    @property
    def config(self) -> str:
        """Path of its configuration; also the word by which its process is known."""
        return f"{self.folder}/{self.file}"

    @property
    def digest(self) -> str:
        """Twelve hex digits that no other event and unit have."""
        return hashlib.sha256(f"{self.instance.mark.event}/{self.instance.mark.unit}".encode()).hexdigest()[:12]

    def alive(self) -> bool:
        """Whether its process runs."""
        return any(self.host.alive(pid, self.config) for pid in self._pids())

    def remember(self) -> None:
        """Its mark is on the host: from here on it is found, and can be deleted."""
        self.host.write(f"{self.folder}/{MARK}", self.instance.written())

    def configure(self, text: str, check: tuple[str, ...]) -> None:
        """The configuration is ``text``, if ``check`` with its path behind finds it good. Raises `NotSupported`."""
        trial = f"{self.config}.trial"
        self.host.write(trial, text.encode())
        done = self.host.run([*check, trial])
        self.host.remove(trial)
        if done.code:
            raise NotSupported(f"{check[0]} refuses the configuration: {told(done.err)}", cloud=self.host.place)
        self.host.write(self.config, text.encode())

    def start(self, *argv: str) -> None:
        """The daemon runs. Raises `Conflict` with its own words where it does not: an address in use, above all."""
        done = self.host.run([*argv])
        if done.code:
            raise Conflict(f"{argv[0]} did not start: {told(done.err)}", cloud=self.host.place)

    def expect(self, before: Iterable[Member], after: Iterable[Member]) -> None:
        """Note who comes with this write: until they have passed their checks, or had the time to, it is not done."""
        monitor, known = self.instance.monitor, {member.id for member in before}
        if monitor is None:
            return
        until = time.time() + monitor.delay * (monitor.retries + 1) + monitor.timeout
        names = [member.id for member in after if member.weight and member.id not in known]
        if names:
            self.host.write(f"{self.folder}/{COMING}", json.dumps({"until": until, "names": names}).encode())

    def settling(self, members: Iterable[Member]) -> bool:
        """Whether somebody who came with the last write has still to pass the checks, and time to."""
        offline = {member.id for member in members if member.operating == "OFFLINE" and member.weight}
        content = self.host.read(f"{self.folder}/{COMING}") if offline else None
        if content is None:
            return False
        coming = json.loads(content)
        return time.time() < float(coming["until"]) and not offline.isdisjoint(coming["names"])

    def remove(self, *others: str) -> None:
        """Process, ``others`` and folder are gone; the mark goes last, so that what a kill leaves is still listed."""
        for pid in self._pids():
            self.host.stop(pid, self.config)
        if others:
            self.host.remove(*others)
        self.host.remove(self.folder)
        self.host.prune(f"{self.base}/{self.instance.mark.event}")

    def _pids(self) -> tuple[int, ...]:
        text = self.host.read(f"{self.folder}/pid") or b""
        return tuple(int(word) for word in text.split() if word.isdigit())


def known(host: Host, base: str, event: str, unit: str, driver: str) -> Instance:
    """The instance of a unit. Raises `Conflict` where it is not there."""
    found = instance_at(host, base, event, unit, driver)
    if found is None:
        raise Conflict(f"balancer {unit} is not there", cloud=host.place)
    return found


def wanted(host: Host, base: str, order: CreateBalancer, driver: str) -> Instance:
    """The instance that an order makes, or has made before. Raises `Conflict` where another one stands."""
    made = Instance.of(order, driver)
    standing = instance_at(host, base, order.mark.event, order.unit, driver)
    if standing is not None and standing.mark.template != order.mark.template:
        raise Conflict(f"balancer {order.unit} stands already, and is another one", cloud=host.place)
    return standing or made


def exactly(host: Host, base: str, order: DeleteBalancer, driver: str) -> Instance | None:
    """The very instance that an order names; None where it is gone."""
    named = identified(order.id)
    found = instance_at(host, base, *named, driver) if named else None
    return found if found is not None and found.id == order.id else None


def told(text: str) -> str:
    """What matters of a daemon's words when it refuses, in one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join([line for line in lines if "ALERT" in line][:1] or lines[-3:]) or "it said nothing"
