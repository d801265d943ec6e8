"""The two methods of the contract, on a map of the operator's HAProxy.

Its configuration names the map once, for good: ``use_backend %[src,map_ip(FILE,HOME)]``. The file is replaced first, so
that an HAProxy that starts later reads the same; then the running one gets the new map by its socket, a few entries one
by one, many as a new version that is put in place in one moment. It is never reloaded: that would cut connections.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cloudsentry.clouds.hosts import host_of
from cloudsentry.drivers.steering import haproxy
from cloudsentry.drivers.steering.base import CLOSE, SteeringDriver, SteeringScope
from cloudsentry.drivers.steering.files import replace_file
from cloudsentry.drivers.steering.prefix import table
from cloudsentry.drivers.steering.prefix.maps import Chosen, chosen
from cloudsentry.drivers.steering.record import Record, folder_of, forget, record_at, records, remember
from cloudsentry.errors import Conflict, DriverError, NotSupported
from cloudsentry.records.steering import Forget, Options, Revert, SetShares, Steer, SteeringOrder, SteeringView

DRIVER = "prefix"
FEW = 2000
"""Changed entries that go to the running HAProxy one by one; more come as a whole new map, which costs per entry."""


class PrefixSteering(SteeringDriver):
    """Keeps one map by the shares."""

    def __init__(self, place: str, *, connect: Callable[[str], Any]) -> None:
        """``place`` is HAProxy's host; ``connect`` is for clouds, and not used."""
        self._host = host_of(place)

    def observe(self, scope: SteeringScope) -> SteeringView:
        """As promised by the contract; the file by its digest, the running map by its number of entries."""
        options = dict(scope.wanted)
        found = records(self._host, scope.event, DRIVER)
        steers = tuple(self._steer(record, options.get(record.mark.unit)) for record in found)
        missing = tuple(line for _, known in scope.wanted for line in self._missing(known)) if scope.full else ()
        return SteeringView(driver=DRIVER, cloud=self._host.place, steers=steers, missing=missing)

    def act(self, order: SteeringOrder) -> None:
        """As promised by the contract."""
        if isinstance(order, SetShares):
            order.ready(self._host.place)
            self._set(order)
            return
        if not isinstance(order, Revert | Forget):
            raise NotSupported(f"{type(order).__name__} is no call", cloud=self._host.place)
        record = record_at(self._host, order.event, order.unit)
        if record is None or record.driver != DRIVER:
            return
        if isinstance(order, Revert):
            self._revert(record)
        elif not record.reverted:
            raise Conflict(f"steering {order.unit} was not reverted", cloud=self._host.place)
        else:
            forget(self._host, order.event, order.unit)

    # Looking

    def _missing(self, options: Options) -> list[str]:
        known = dict(options)
        lines: list[str] = []
        try:
            table.digest_of(known["table"])
        except NotSupported as error:
            lines.append(f"table ({error})")
        if self._host.read(known["map"]) is None:
            lines.append(f"file '{known['map']}': make it, empty, and name it in HAProxy's configuration")
        elif haproxy.entries(self._host, known["socket"], known["map"]) is None:
            lines.append(
                f"map '{known['map']}' in HAProxy: name it there in `use_backend %[src,map_ip({known['map']},…)]`"
            )
        return lines

    def _steer(self, record: Record, options: Options | None) -> Steer:
        try:
            now = self._host.read(record.option("map")) or b""
            if record.reverted and not self._listened(record):
                return self._put_back(record, now)
            running = haproxy.entries(self._host, record.option("socket"), record.option("map"))
            half = self._host.read(_pending(record)) is not None
            fresh = not options or dict(options).get("table") is None or self._fresh(record, dict(options)["table"])
        except DriverError as error:
            return record.steer("CHANGED", {}, str(error))
        key = "before" if record.reverted else "map"
        if _digest(now) != record.kept.get(key) or running != len(_entries(now)) or half:
            what = "the map file was changed" if _digest(now) != record.kept.get(key) else "HAProxy has another map"
            return record.steer("CHANGED", {}, what)
        if record.reverted:
            return record.steer("REVERTED", {record.home.name: 100.0})
        return record.steer("ACTIVE" if fresh else "CHANGED", record.kept["given"], "" if fresh else "a newer table")

    def _listened(self, record: Record) -> bool:
        return self._host.listened(record.option("socket"))

    def _put_back(self, record: Record, now: bytes) -> Steer:
        """As it is where no HAProxy runs: one that starts reads the file, and without a file it names no map."""
        back = not now or _digest(now) == record.kept.get("before")
        shares = {record.home.name: 100.0} if back else {}
        return record.steer("REVERTED" if back else "CHANGED", shares, "" if back else "the map file was changed")

    def _fresh(self, record: Record, path: str) -> bool:
        """Whether the table is still the one that was written; one that is gone changes nothing."""
        try:
            return table.digest_of(path) == record.kept.get("table")
        except NotSupported:
            return True

    # Doing

    def _set(self, order: SetShares) -> None:
        old = record_at(self._host, order.mark.event, order.unit)
        if old is not None and (old.driver != DRIVER or old.mark.template != order.mark.template):
            raise Conflict(f"steering {order.unit} stands already, and is another one", cloud=self._host.place)
        record = Record.of(order, DRIVER, dict(old.kept) if old else {})
        path = record.option("table")
        made = chosen(table.read(path), order.targets)
        _able(made, order)
        now = self._now(record)
        if old is None:
            self._host.write(self._before(record), now)
            record.kept["before"] = _digest(now)
        text = "".join(f"{line}\n" for line in made.lines()).encode()
        record.kept.update(
            {"map": _digest(text), "table": table.digest_of(path), "given": made.given, "settle": order.settle}
        )
        record = replace(record, until=old.until if old else 0.0)
        remember(self._host, record.settling(order.settle if text != now else 0.0))
        self._write(record, now, text)

    def _now(self, record: Record) -> bytes:
        now = self._host.read(record.option("map"))
        if now is None:
            raise Conflict(f"there is no map file {record.option('map')}", cloud=self._host.place)
        return now

    def _write(self, record: Record, now: bytes, text: bytes) -> None:
        """The file, then the running map: killed between the two, the number of entries or the next look tells."""
        path, socket = record.option("map"), record.option("socket")
        running = haproxy.entries(self._host, socket, path)
        if running is None:
            raise NotSupported(f"HAProxy's configuration does not name the map {path}", cloud=self._host.place)
        old, new = _entries(now), _entries(text)
        gone = [key for key, value in old.items() if new.get(key) != value]
        come = [(key, value) for key, value in new.items() if old.get(key) != value]
        pending = _pending(record)
        interrupted = self._host.read(pending) is not None
        if now == text and running == len(new) and not interrupted:
            return
        self._host.write(pending, b"")
        if now != text:
            replace_file(self._host, path, text)
        if running == len(old) and not interrupted and len(gone) + len(come) <= FEW:
            haproxy.change_map(self._host, socket, path, gone, come)
        else:
            haproxy.replace_map(self._host, socket, path, (f"{key} {value}" for key, value in new.items()))
        if haproxy.entries(self._host, socket, path) != len(new):
            raise DriverError(f"HAProxy did not take the map {path}", cloud=self._host.place)
        self._host.remove(pending)

    def _before(self, record: Record) -> str:
        return f"{folder_of(record.mark.event, record.mark.unit)}/map.before"

    def _revert(self, record: Record) -> None:
        before = self._host.read(self._before(record))
        if before is None:
            raise Conflict("the map of before the event is gone", cloud=self._host.place)
        if not record.reverted:
            record = replace(record, reverted=True)
            remember(self._host, record.settling(float(record.kept.get("settle", 0.0))))
        if self._listened(record):
            self._write(record, self._now(record), before)
            return
        # It is gone, and its map with it: what is left of the steering is the file that the next one would read.
        if self._host.read(record.option("map")) not in (None, before):
            replace_file(self._host, record.option("map"), before)
        self._host.remove(_pending(record))


def _pending(record: Record) -> str:
    """There while the file and the running map may differ."""
    return f"{folder_of(record.mark.event, record.mark.unit)}/pending"


def _able(made: Chosen, order: SetShares) -> None:
    far = [one for one in order.targets if not one.home and abs(made.given[one.name] - one.share) > CLOSE and one.share]
    if far:
        told = ", ".join(f"{name} {share:.4g} %" for name, share in sorted(made.given.items()))
        raise NotSupported(f"this table's ASes come no nearer to the shares than {told}")


def _entries(text: bytes) -> dict[str, str]:
    """Network → backend, as HAProxy reads a map file."""
    entries: dict[str, str] = {}
    for line in text.decode(errors="replace").splitlines():
        key, _, value = line.strip().partition(" ")
        if key and not key.startswith("#"):
            entries[key] = value.strip()
    return entries


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
