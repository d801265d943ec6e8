"""The two methods of the contract, on front servers and the balancer before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cloudsentry.clouds.hosts import Host, host_of
from cloudsentry.drivers.steering import haproxy
from cloudsentry.drivers.steering.base import CLOSE, SteeringDriver, SteeringScope
from cloudsentry.drivers.steering.record import Record, forget, record_at, records, remember
from cloudsentry.drivers.steering.reference.fronts import Front, fronts_of, places_of, told
from cloudsentry.drivers.steering.reference.proportions import Spread, spread
from cloudsentry.drivers.steering.reference.wording import authority, names, plain, rewritten
from cloudsentry.errors import Conflict, DriverError, NotSupported, Unreachable
from cloudsentry.records.steering import Forget, Options, Revert, SetShares, Steer, SteeringOrder, SteeringView, Target

DRIVER = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Now:
    """One front as it is: its text, the text without the event, its weight."""

    front: Front
    text: bytes
    plain: bytes
    weight: int


class ReferenceSteering(SteeringDriver):
    """Rewrites the reference on k of n fronts; weights of the front balancer do what is finer."""

    def __init__(self, place: str, *, connect: Callable[[str], Any]) -> None:
        """``place`` is the host of the front balancer, where the record lies; ``connect`` is for clouds, not used."""
        self._host = host_of(place)
        self._hosts: dict[str, Host] = {place: self._host}

    def observe(self, scope: SteeringScope) -> SteeringView:
        """As promised by the contract; a front that does not answer is told of as changed."""
        steers = tuple(self._steer(record) for record in records(self._host, scope.event, DRIVER))
        missing = tuple(line for _, options in scope.wanted for line in self._missing(options)) if scope.full else ()
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
        if record is not None and record.driver == DRIVER:
            self._revert(record, order.forsaken) if isinstance(order, Revert) else self._forget(record)

    # Looking

    def _fronts(self, options: Options) -> tuple[Front, ...]:
        known = dict(options)
        for place in places_of(known):
            if place not in self._hosts:
                self._hosts[place] = host_of(place)
        return fronts_of(known, self._hosts)

    def _weights(self, options: Options) -> dict[str, int]:
        known = dict(options)
        if not known.get("socket"):
            return {}
        return haproxy.weights(self._host, known["socket"], known["backend"])

    def _missing(self, options: Options) -> list[str]:
        lines: list[str] = []
        try:
            weights, weighed = self._weights(options), bool(dict(options).get("socket"))
        except DriverError as error:
            return [f"front balancer ({error})"]
        for front in self._fronts(options):
            if front.host.read(front.file) is None:
                lines.append(f"file '{front.file}' on {front.host.place}")
            if weighed and front.server not in weights:
                lines.append(f"server '{front.server}' in the front balancer's backend {dict(options)['backend']}")
        return lines

    def _steer(self, record: Record) -> Steer:
        try:
            now = self._look(record, record.targets)
        except DriverError as error:
            return record.steer("CHANGED", {}, str(error))
        hosts = {one.name: authority(one) for one in record.targets if one.to}
        whole = sum(one.weight for one in now) or 1
        shares = {
            name: 100 * sum(one.weight for one in now if names(one.text, host)) / whole for name, host in hosts.items()
        }
        before = record.kept.get("weights", {})
        if record.reverted:
            back = [one for one in now if one.text != one.plain or before.get(one.front.server, 1) != one.weight]
            return record.steer("CHANGED" if back else "REVERTED", shares, _of(back))
        made = _made(record.targets, record.kept, now)
        wrong = [
            one
            for one, index, weight in zip(now, made.targets, made.weights, strict=True)
            if one.text != _text(one, record.home, _sorted(record.targets)[index]) or one.weight != weight
        ]
        return record.steer("CHANGED" if wrong else "ACTIVE", shares, _of(wrong))

    def _look(self, record: Record, targets: Sequence[Target]) -> tuple[_Now, ...]:
        weights = self._weights_for(record)
        return tuple(self._at(front, record, targets, weights) for front in self._standing(record))

    def _at(self, front: Front, record: Record, targets: Sequence[Target], weights: dict[str, int]) -> _Now:
        home, others = authority(record.home), [authority(one) for one in targets if one.to]
        if weights and front.server not in weights:
            raise Conflict(f"the front balancer has no server {front.server!r}", cloud=self._host.place)
        try:
            text, kept = front.text(), front.kept(record)
        except DriverError as error:
            raise type(error)(told(front, error)) from error
        # As it was kept, to the byte, unless somebody has delivered another file since.
        ours = kept is not None and text in (kept, *(rewritten(kept, home, other) for other in others))
        without = kept if kept is not None and ours else plain(text, home, others)
        return _Now(front=front, text=text, plain=without, weight=weights.get(front.server, 1))

    def _standing(self, record: Record) -> tuple[Front, ...]:
        """The fronts, without those on hosts that were forsaken."""
        gone = record.kept.get("forsaken", ())
        return tuple(front for front in self._fronts(record.options) if front.host.place not in gone)

    def _weights_for(self, record: Record) -> dict[str, int]:
        """As the front balancer has them. Weights that are to be put back end with their daemon: the next one has its
        own configuration's.
        """
        try:
            return self._weights(record.options)
        except Unreachable:
            if not record.reverted or self._host.listened(record.option("socket")):
                raise
            return dict(record.kept.get("weights", {}))

    # Doing

    def _set(self, order: SetShares) -> None:
        old = record_at(self._host, order.mark.event, order.unit)
        if old is not None and (old.driver != DRIVER or old.mark.template != order.mark.template):
            raise Conflict(f"steering {order.unit} stands already, and is another one", cloud=self._host.place)
        record = Record.of(order, DRIVER, {**(old.kept if old else {}), "settle": order.settle})
        now = self._look(record, (*order.targets, *(old.targets if old else ())))
        for one in now:
            self._able(one, record.home, fresh=old is None)
        if record.option("socket") and old is None:
            record.kept["weights"] = {one.front.server: one.weight for one in now}
        made = _made(order.targets, record.kept, now)
        record = replace(record, until=old.until if old else 0.0)
        changed = self._changed(record, now, made)
        if changed or old is None or old.reverted or old.targets != record.targets:
            # What is kept first, then the record by which it is found: a kill leaves what can be undone.
            for one in now:
                if one.front.kept(record) != one.plain:
                    one.front.keep(record, one.plain)
            remember(self._host, record.settling(order.settle))
        self._write(record, now, made, order.settle if changed else 0.0)

    def _able(self, now: _Now, home: Target, *, fresh: bool) -> None:
        if not names(now.plain, authority(home)):
            raise NotSupported(f"{now.front.file} does not name {authority(home)}", cloud=now.front.host.place)
        if fresh and now.plain != now.text:
            raise Conflict(f"{now.front.file} names a target already, before the event", cloud=now.front.host.place)

    def _changed(self, record: Record, now: tuple[_Now, ...], made: Spread) -> bool:
        targets = _sorted(record.targets)
        return any(
            one.text != _text(one, record.home, targets[index]) or one.weight != weight
            for one, index, weight in zip(now, made.targets, made.weights, strict=True)
        )

    def _write(self, record: Record, now: tuple[_Now, ...], made: Spread, settle: float) -> None:
        targets = _sorted(record.targets)
        for one, index in zip(now, made.targets, strict=True):
            text = _text(one, record.home, targets[index])
            if text != one.text:
                one.front.replace(text)
        self._weigh(record, {one.front.server: weight for one, weight in zip(now, made.weights, strict=True)}, now)
        if settle:
            remember(self._host, record.settling(settle))

    def _weigh(self, record: Record, wanted: dict[str, int], now: tuple[_Now, ...]) -> None:
        moved = {one.front.server: wanted[one.front.server] for one in now if wanted[one.front.server] != one.weight}
        if moved and record.option("socket"):
            haproxy.set_weights(self._host, record.option("socket"), record.option("backend"), moved)

    def _revert(self, record: Record, forsaken: tuple[str, ...]) -> None:
        left = sorted({*record.kept.get("forsaken", ()), *forsaken})
        if not record.reverted or left != record.kept.get("forsaken", []):
            record = replace(record, reverted=True, kept={**record.kept, "forsaken": left})
            remember(self._host, record.settling(float(record.kept.get("settle", 0.0))))
        weights, now, failed = self._weights_for(record), list[_Now](), list[DriverError]()
        for front in self._standing(record):
            # One that does not answer keeps nobody else from what was theirs.
            try:
                one = self._at(front, record, record.targets, weights)
                if one.text != one.plain:
                    front.replace(one.plain)
                now.append(one)
            except DriverError as error:
                failed.append(error)
        self._put_back_weights(record, tuple(now))
        if failed:
            raise type(failed[0])("; ".join(map(str, failed)))

    def _put_back_weights(self, record: Record, now: tuple[_Now, ...]) -> None:
        before = {one.front.server: record.kept.get("weights", {}).get(one.front.server, one.weight) for one in now}
        self._weigh(record, before, now)

    def _forget(self, record: Record) -> None:
        if not record.reverted:
            raise Conflict(f"steering {record.mark.unit} was not reverted", cloud=self._host.place)
        for front in self._standing(record):
            front.drop(record)
        forget(self._host, record.mark.event, record.mark.unit)


def _sorted(targets: Sequence[Target]) -> list[Target]:
    """Home last: it keeps the first fronts."""
    return sorted(targets, key=lambda one: (one.home, one.name))


def _made(targets: Sequence[Target], kept: dict[str, Any], now: tuple[_Now, ...]) -> Spread:
    """Who names whom, weighed how. Raises `NotSupported` where the shares cannot be given closely enough."""
    listed, before = _sorted(targets), kept.get("weights", {})
    shares = [one.share for one in listed]
    sizes = [int(before.get(one.front.server, one.weight)) for one in now]
    made = spread(shares, sizes, weighed=bool(before))
    if made is None:
        raise NotSupported(f"{len(now)} fronts cannot name {sum(share > 0 for share in shares)} targets")
    far = [one for one, share, given in zip(listed, shares, made.given, strict=True) if abs(given - share) > CLOSE]
    if far:
        given = ", ".join(f"{one.name} {got:.4g} %" for one, got in zip(listed, made.given, strict=True))
        finer = "" if before else "; name the front balancer's socket and backend, whose weights tune finer"
        raise NotSupported(f"{len(now)} fronts come no nearer to these shares than {given}{finer}")
    return made


def _text(now: _Now, home: Target, target: Target) -> bytes:
    return now.plain if target.home else rewritten(now.plain, authority(home), authority(target))


def _of(wrong: Sequence[_Now]) -> str:
    return f"not as written: {', '.join(one.front.place for one in wrong)}" if wrong else ""
