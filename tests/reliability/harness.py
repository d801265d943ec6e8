"""Kills and faults at every point of an operation, then the same command again.

A *scenario* is an event that stands and an operation on it. A *case* is a scenario with one thing going
wrong: the process ends by SIGKILL before or after one call or one line of the journal, or one call
fails in one way. After it the operation is run again, in another process, by nobody who remembers
anything; the world must then be as wanted, with nothing doubled and nothing left.

Worlds and journal are files, so they outlive the process that is killed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from scenarios import CLOUDS, DNS, Scenario

from cloudsentry import conf
from cloudsentry.clouds.fake import FakePlace, FaultRule
from cloudsentry.drivers.balancer.fake.cloud import FakeBalancers
from cloudsentry.drivers.pool.fake.cloud import FakeCloud
from cloudsentry.drivers.steering.fake.means import FakeSteers
from cloudsentry.errors import SentryError
from cloudsentry.journal import Journal, store
from cloudsentry.planner import origin_of
from cloudsentry.records.reports import Report
from cloudsentry.sentry import Sentry
from cloudsentry.spec.event import Event
from cloudsentry.testing import JumpClock


@functools.cache
def _one_engine(url: str) -> Any:
    """What SQLAlchemy has compiled it keeps by engine: one for all cases, whose connections close with each journal.

    A process that is killed loses nothing that it has written; only a loss of power would need the disk."""
    return _plain_engine(f"{url}?{store.LOST_WITH_POWER}=off")


_plain_engine = store._engine


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """How a case ended. ``struck`` is False when the fault lay behind the operation's last call.

    ``alone``: the run that was struck came to its own good end."""

    struck: bool
    converged: bool
    alone: bool = False
    orphans: int = 0
    duplicates: int = 0
    lost: int = 0
    second_writes: int = 0
    detail: str = ""

    @property
    def good(self) -> bool:
        """Converged, with nothing left, doubled or lost, and nothing to write afterwards."""
        return self.converged and not (self.orphans or self.duplicates or self.lost or self.second_writes)


class Bench:
    """A folder with the worlds and the journal of one scenario, copied for each case."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario, self._folder = scenario, folder
        self._golden = folder / "golden"
        self._golden.mkdir(parents=True)
        with _in(self._golden):
            Journal(_settings().journal.connection).close()  # its schema is made once
            stands = scenario.stands
            if stands is not None:
                assert operate(stands, stands).outcome == "done"

    def case(self, prepare: Callable[[], None], *, kills: bool = True, clock: JumpClock | None = None) -> Verdict:
        """One case: ``prepare`` sets the trap in the process that is to fall into it, one of its own where it kills.

        ``clock`` is that of the run that is struck."""
        folder = self._folder / "case"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._golden, folder)
        scenario = self.scenario
        with _in(folder):
            first = None if kills else _trapped(scenario, prepare, clock)
            ended = _child(lambda: _trapped(scenario, prepare, clock)) if kills else 0
            with _disarmed() as struck:
                struck = ended != 0 if kills else struck
                try:
                    again = first or operate(scenario.wanted, scenario.stands)
                except SentryError as error:
                    return Verdict(struck=struck, converged=False, detail=str(error))
                second = operate(scenario.wanted, scenario.stands)
            return dataclasses.replace(_judge(scenario, again, second, struck), alone=first is not None)

    def undone(self, prepare: Callable[[], None]) -> Verdict:
        """One case of the other kind: the operation fails for good somewhere, and is rolled back."""
        folder = self._folder / "case"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._golden, folder)
        scenario = self.scenario
        with _in(folder):
            before = _listing()
            prepare()
            with contextlib.suppress(SentryError):
                operate(scenario.wanted, scenario.stands)
            with _disarmed() as struck:
                pass
            touched = _listing()
            try:
                again = rolled_back(scenario)
                second = operate(scenario.stands, scenario.wanted)
            except SentryError as error:
                return Verdict(struck=struck, converged=False, detail=str(error))
            return _judge_undone(before, touched, _listing(), (again, second), struck)


def rolled_back(scenario: Scenario) -> Report:
    """`event rollback`, as a new process would do it: to what stood before the operation."""
    sentry = Sentry(_settings(), clock=JumpClock())
    try:
        known = sentry.events()
        stands = 0 if scenario.stands is None else 1
        newest = known[0].revision if known else 0
        if not newest or (newest == stands and scenario.wanted is not None):
            return operate(scenario.stands, scenario.wanted)  # the operation was refused before it was noted
        return sentry.rollback("cup", stands)
    finally:
        sentry.close()


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """What there is: servers as (id, unit, status), members as (server, weight), balancers and groups by name,
    clients as percent by target (none: nobody steers them)."""

    servers: frozenset[tuple[str, str, str]]
    members: frozenset[tuple[str, int]]
    names: tuple[str, ...]
    clients: dict[str, float]

    @property
    def ids(self) -> set[str]:
        """The servers' ids."""
        return {id for id, _, _ in self.servers}

    @property
    def units(self) -> Counter[tuple[str, str]]:
        """How many servers each unit has, by status."""
        return Counter((unit, status) for _, unit, status in self.servers)


def _listing() -> Listing:
    clouds = [FakeCloud.named(cloud).state for cloud in CLOUDS]
    balancers = [one.balancer for cloud in CLOUDS for one in FakeBalancers.named(cloud).state.balancers.values()]
    listed = [one.server for state in clouds for mine in state.servers.values() for one in mine.values()]
    servers = [server for server in listed if not server.gone]
    return Listing(
        servers=frozenset((server.id, server.mark.unit, server.status) for server in servers),
        members=frozenset((member.name, member.weight) for one in balancers for member in one.members),
        names=tuple(sorted([one.name for one in balancers] + [g.name for s in clouds for g in s.groups.values()])),
        clients=_clients(),
    )


def _judge_undone(
    before: Listing, touched: Listing, after: Listing, reports: tuple[Report, Report], struck: bool
) -> Verdict:
    """Everything is as it was; what the operation had not removed is the very same."""
    kept = before.ids & touched.ids
    same = (before.names, before.clients) == (after.names, after.clients)
    weights = Counter(weight for _, weight in before.members) == Counter(weight for _, weight in after.members)
    return Verdict(
        struck=struck,
        converged=all(report.outcome == "done" for report in reports) and weights and same,
        orphans=(after.units - before.units).total(),
        lost=(before.units - after.units).total() + len(kept - after.ids),
        second_writes=len(reports[1].steps),
        detail=json.dumps([reports[0].left, reports[1].left, sorted(kept - after.ids), before.names, after.names]),
    )


def operate(wanted: Event | None, stands: Event | None, clock: JumpClock | None = None) -> Report:
    """The operation, as a new process would do it."""
    sentry = Sentry(_settings(), clock=clock or JumpClock())
    try:
        if wanted is not None:
            return sentry.apply(wanted)
        assert stands is not None
        return sentry.destroy(stands)
    finally:
        sentry.close()


def arm_call(family: str, cloud: str, kind: str, nth: int, *, verb: str = "*", **more: Any) -> None:
    """The ``nth`` call of a kind at one place goes wrong."""
    with _place(family, cloud).work() as state:
        state.faults.append(FaultRule(verb, nth, kind, **more))


def arm_boots(cloud: str, *, looks: int) -> None:
    """The first create of a cloud leaves a server in ERROR; the boots of the other ones take so many looks."""
    arm_call("pool", cloud, "error_server", 1, verb="CreateServers")
    for other in set(CLOUDS) - {cloud}:
        with FakeCloud.named(other).work() as state:
            state.boot_looks = looks


def arm_slow(family: str, cloud: str, nth: int, clock: JumpClock, seconds: float) -> None:
    """The ``nth`` call at one place takes so long; in this process, until its worlds are forgotten."""
    arm_call(family, cloud, "slow", nth)
    place = _place(family, cloud)
    plain = place.struck

    @contextlib.contextmanager
    def slow(verb: str) -> Iterator[Any]:
        with plain(verb) as (state, due):
            if any(rule.kind == "slow" for rule in due):
                clock.sleep(seconds)
            yield state, due

    place.struck = slow  # type: ignore[method-assign]


FAMILIES: dict[str, type[FakePlace[Any]]] = {"pool": FakeCloud, "balancer": FakeBalancers, "steering": FakeSteers}
PLACES = [*((family, cloud) for family in ("pool", "balancer") for cloud in CLOUDS), ("steering", DNS)]


def _place(family: str, cloud: str) -> FakePlace[Any]:
    return FAMILIES[family].named(cloud)


def arm_journal(method: str, nth: int, *, after: bool) -> None:
    """The process is killed before or after the ``nth`` call of one of the journal's methods."""
    count, plain = Counter[str](), getattr(Journal, method)

    def trap(self: Journal, *args: Any, **named: Any) -> Any:
        count[method] += 1
        if count[method] == nth and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = plain(self, *args, **named)
        if count[method] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(Journal, method, trap)


def _settings() -> conf.Settings:
    return conf.settings([], config_files=[])


def _trapped(scenario: Scenario, prepare: Callable[[], None], clock: JumpClock | None = None) -> Report | None:
    """The report of a run that came to its good end all the same, else None."""
    prepare()
    with contextlib.suppress(SentryError):
        report = operate(scenario.wanted, scenario.stands, clock)
        return report if report.outcome == "done" else None
    return None


def _child(work: Callable[[], object]) -> int:
    """Run in a process of its own; returns its wait status."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the child must never return into the test runner
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


@contextlib.contextmanager
def _in(folder: Path) -> Iterator[None]:
    """Worlds and journal of this process live in ``folder``."""
    before = {name: os.environ.get(name) for name in ("CLOUDSENTRY_FAKE_DIR", "CLOUDSENTRY_STATE_DIR")}
    os.environ.update(CLOUDSENTRY_FAKE_DIR=str(folder / "worlds"), CLOUDSENTRY_STATE_DIR=str(folder / "state"))
    _forget()
    try:
        with mock.patch.object(store, "_engine", _one_engine):
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        _forget()


def _forget() -> None:
    for family in FAMILIES.values():
        family.forget()


@contextlib.contextmanager
def _disarmed() -> Iterator[bool]:
    """Take all faults away; tells whether any of them had struck."""
    struck = False
    for family, cloud in PLACES:
        with _place(family, cloud).work() as state:
            struck = struck or any(rule.seen >= rule.nth for rule in state.faults)
            state.faults.clear()
    yield struck


def _clients() -> dict[str, float]:
    """Where clients are sent, in percent."""
    return {name: share for one in FakeSteers.named(DNS).state.steers.values() for name, share in one.shares}


def _judge(scenario: Scenario, again: Report, second: Report, struck: bool) -> Verdict:
    servers = [
        one.server
        for cloud in CLOUDS
        for mine in FakeCloud.named(cloud).state.servers.values()
        for one in mine.values()
    ]
    wanted = Counter[str]()
    if scenario.wanted is not None:
        for name, pool in scenario.wanted.pools.items():
            for pin in pool.pins:
                kind, value = pin.place
                wanted[f"{name}@{value if kind == 'hypervisor' else f'{kind}:{value}'}"] += pin.count
    found = Counter(origin_of(server.mark.unit) for server in servers)
    broken = [server.name for server in servers if server.status != "ACTIVE"]
    surplus = found - wanted
    return Verdict(
        struck=struck,
        converged=again.outcome == second.outcome == "done" and not broken and _clients() == _sent(scenario.wanted),
        orphans=sum(count for unit, count in surplus.items() if unit not in wanted) + _orphans(scenario),
        duplicates=sum(count for unit, count in surplus.items() if unit in wanted),
        lost=sum((wanted - found).values()),
        second_writes=len(second.steps),
        detail=json.dumps({"again": again.left, "second": second.left, "broken": broken}),
    )


def _sent(wanted: Event | None) -> dict[str, float]:
    """Where clients are to be sent."""
    shares = [one.targets["nara"].share for one in wanted.steering.values()] if wanted else []
    return {name: value for share in shares for name, value in (("farm", 100 - (share or 0)), ("nara", share or 0))}


def _orphans(scenario: Scenario) -> int:
    """Groups and balancers that nobody wants any more, and balancers that are doubled."""
    balancers = [one for cloud in CLOUDS for one in FakeBalancers.named(cloud).state.balancers.values()]
    if scenario.wanted is None:
        groups = sum(len(FakeCloud.named(cloud).state.groups) for cloud in CLOUDS)
        return len(balancers) + groups
    return max(0, len(balancers) - len(scenario.wanted.balancers))
