"""The two methods of the contract, on a name server."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from cloudsentry.drivers.steering.base import SteeringDriver, SteeringScope
from cloudsentry.drivers.steering.dns.answers import STEERED, RRset, dotted, mark_content, mark_name, mark_set, same
from cloudsentry.drivers.steering.dns.designate import Designate
from cloudsentry.drivers.steering.dns.powerdns import PowerDns
from cloudsentry.drivers.steering.record import Record
from cloudsentry.errors import Conflict, DriverError, NotSupported
from cloudsentry.records.steering import Forget, Revert, SetShares, Steer, SteeringOrder, SteeringView, Target

DRIVER = "dns"


class NameServer(Protocol):
    """What both kinds can do. Methods raise the project's errors."""

    place: str

    def marks(self) -> list[tuple[str, str, str]]:
        """(zone, name, content) of every mark."""

    def sets(self, zone: str, name: str) -> tuple[RRset, ...]:
        """What is at a name."""

    def change(self, zone: str, sets: Sequence[RRset]) -> None:
        """Make it so; the mark is among ``sets``."""

    def render(self, name: str, ttl: int, targets: Sequence[Target]) -> tuple[RRset, ...]:
        """What answers by these shares. Raises `NotSupported`."""

    def missing(self, zone: str) -> list[str]:
        """Why the zone could not be steered."""


class DnsSteering(SteeringDriver):
    """Answers by shares. A change is over when the answers of before it have run out in every cache."""

    def __init__(self, place: str, *, connect: Callable[[str], Any]) -> None:
        """``place`` is the address of PowerDNS's API, or the name of a cloud that has Designate."""
        self._server: NameServer = PowerDns(place) if "://" in place else Designate(place, connect)

    def __repr__(self) -> str:
        return f"DnsSteering({self._server.place!r})"

    def observe(self, scope: SteeringScope) -> SteeringView:
        """As promised by the contract: one search, and one read for each name that is steered."""
        found = [one for one in self._records() if one[1].mark.event == scope.event]
        missing: list[str] = []
        for _, options in scope.wanted if scope.full else ():
            missing += self._server.missing(dotted(dict(options).get("zone", "")))
        steers = tuple(sorted((self._steer(*one) for one in found), key=lambda one: one.mark.unit))
        return SteeringView(driver=DRIVER, cloud=self._server.place, steers=steers, missing=tuple(missing))

    def act(self, order: SteeringOrder) -> None:
        """As promised by the contract."""
        if isinstance(order, SetShares):
            order.ready(self._server.place)
            self._set(order)
            return
        if not isinstance(order, Revert | Forget):
            raise NotSupported(f"{type(order).__name__} is no call", cloud=self._server.place)
        for zone, record in self._records():
            if (record.mark.event, record.mark.unit) == (order.event, order.unit):
                self._revert(zone, record) if isinstance(order, Revert) else self._forget(zone, record)

    def _records(self) -> list[tuple[str, Record]]:
        found: list[tuple[str, Record]] = []
        for zone, _, content in self._server.marks():
            record = _read(content)
            if record is not None and record.driver == DRIVER:
                found.append((zone, record))
        return found

    def _at(self, zone: str, name: str) -> tuple[RRset, ...]:
        return tuple(one for one in self._server.sets(zone, name) if one.type in STEERED)

    def _steer(self, zone: str, record: Record) -> Steer:
        name = dotted(record.option("name"))
        now = self._at(zone, name)
        if record.reverted:
            back = same(now, _kept(record))
            return record.steer("REVERTED" if back else "CHANGED", {}, "" if back else f"{name} was changed")
        try:
            written = same(now, self._server.render(name, _ttl(record), record.targets))
        except DriverError:
            written = False
        shares = {one.name: one.share for one in record.targets} if written else {}
        return record.steer("ACTIVE" if written else "CHANGED", shares, "" if written else f"{name} was changed")

    def _set(self, order: SetShares) -> None:
        record = Record.of(order, DRIVER, {})
        zone, name = dotted(record.option("zone")), dotted(record.option("name"))
        wanted = self._server.render(name, _ttl(record), order.targets)
        standing = self._server.sets(zone, mark_name(name))
        old = next((found for one in standing for text in one.records if (found := _read(text))), None)
        if old is not None and (old.mark.event, old.mark.unit) != (order.mark.event, order.unit):
            raise Conflict(f"{name} is steered by event {old.mark.event} already", cloud=self._server.place)
        now = self._at(zone, name)
        kept = (
            old.kept if old is not None and "sets" in old.kept else {"sets": [dataclasses.asdict(one) for one in now]}
        )
        record = replace(record, kept=kept, until=old.until if old else 0.0)
        changes = _changes(now, wanted)
        if changes or old is None:
            record = record.settling(max(order.settle, *(one.ttl for one in now), 0.0))
        if changes or old is None or replace(old, until=0.0) != replace(record, until=0.0):
            self._server.change(zone, [mark_set(name, record.written()), *changes])

    def _revert(self, zone: str, record: Record) -> None:
        name = dotted(record.option("name"))
        now = self._at(zone, name)
        changes = _changes(now, _kept(record))
        if record.reverted and not changes:
            return
        after = replace(record, reverted=True).settling(max([one.ttl for one in now], default=0.0))
        self._server.change(zone, [mark_set(name, after.written()), *changes])

    def _forget(self, zone: str, record: Record) -> None:
        if not record.reverted:
            raise Conflict(f"steering {record.mark.unit} was not reverted", cloud=self._server.place)
        self._server.change(zone, [RRset(name=mark_name(dotted(record.option("name"))), type="TXT")])


def _changes(now: Sequence[RRset], wanted: Sequence[RRset]) -> list[RRset]:
    """What goes comes first: a name cannot be an alias and have addresses at once."""
    if same(now, wanted):
        return []
    kinds = {one.type for one in wanted}
    return [RRset(name=one.name, type=one.type) for one in now if one.type not in kinds] + list(wanted)


def _read(content: str) -> Record | None:
    try:
        return Record.read(mark_content(content))
    except ValueError:
        return None


def _kept(record: Record) -> tuple[RRset, ...]:
    return tuple(RRset(**{**one, "records": tuple(one["records"])}) for one in record.kept.get("sets", ()))


def _ttl(record: Record) -> int:
    return round(float(record.option("ttl") or 30))
