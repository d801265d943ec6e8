"""A pool and a server on two fake clouds, moved with one thing going wrong; worlds and journal are files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cloudsentry import conf
from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.balancer.fake.cloud import FakeBalancers
from cloudsentry.drivers.mover.fake.ends import FakeImages
from cloudsentry.drivers.pool.fake.cloud import FakeCloud
from cloudsentry.errors import SentryError
from cloudsentry.journal.moves import Moves
from cloudsentry.loading import Loader
from cloudsentry.migrate import Asked, Migration
from cloudsentry.records.moving import Move
from cloudsentry.sentry import Sentry
from cloudsentry.spec.event import Event
from cloudsentry.testing import JumpClock

CLOUDS = ("private", "public")
PLACES: dict[str, Any] = {"pool": FakeCloud, "balancer": FakeBalancers, "mover": FakeImages}


def event(count: int = 2) -> Event:
    """One pool behind one balancer, at one of two sites."""
    return Event.model_validate(
        {
            "event": "cup",
            "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
            "pools": {
                "front": {
                    "site": "nara",
                    "driver": "fake",
                    "image": "tiny",
                    "flavor": "nano",
                    "networks": ["wide"],
                    "pins": [{"hypervisor": "xeon1", "count": count, "weight": 10}],
                }
            },
            "balancers": {
                "web": {"site": "nara", "driver": "fake", "network": "wide", "members": [{"pool": "front"}], "drain": 3}
            },
        }
    )


class Joined:
    """A cloud whose every network is one layer 2 with the other's."""

    def __init__(self, name: str) -> None:
        self.name = name

    def listed(self, service: str, path: str, key: str, **_: Any) -> list[dict[str, Any]]:
        return [{"id": f"{key}-1", "cidr": "10.9.0.0/24", "name": "wide"}]

    def calls(self) -> Any:
        from cloudsentry.clouds.calls import Calls

        return Calls()


def hall(connect: Callable[[str], Any] = Joined) -> Migration:
    """As a new process would have it."""
    clock, loader = JumpClock(), Loader(connect)
    return Migration(Sentry(conf.settings([], config_files=[]), clock=clock, loader=loader), loader=loader, clock=clock)


def applied(wanted: Event) -> Any:
    sentry = Sentry(conf.settings([], config_files=[]), clock=JumpClock())
    try:
        return sentry.apply(wanted)
    finally:
        sentry.close()


def newest() -> tuple[Event, Any]:
    """The event as the journal has it, and what applying it now would do."""
    sentry = Sentry(conf.settings([], config_files=[]), clock=JumpClock())
    try:
        found, _ = sentry.event("cup")
        return found, sentry.plan(found)
    finally:
        sentry.close()


def servers() -> dict[str, list[Any]]:
    """What there is at each cloud, behind everybody's back."""
    return {
        cloud: [one.server for mine in FakeCloud.named(cloud).state.servers.values() for one in mine.values()]
        for cloud in CLOUDS
    }


def members() -> dict[str, int]:
    """Weight by server id, behind the one balancer."""
    (one,) = FakeBalancers.named("private").state.balancers.values()
    return {member.name: member.weight for member in one.balancer.members}


def images() -> list[str]:
    """At both Glances, and disks that a conversion host keeps."""
    states = [FakeImages.named(cloud).state for cloud in CLOUDS]
    return [one for state in states for one in (*state.images, *state.staged)]


def twice_alive() -> list[str]:
    return FakeImages.named("public").state.twice_alive


def asked(mover: str) -> Asked:
    """The pool by `replace`, or its one server by `fake`, which is `image` on fake ends."""
    return Asked(event="cup", what="front", to="osaka", mover=mover, wave=1)


def move(mover: str) -> tuple[Move, ...]:
    migration = hall()
    try:
        return migration.run(asked(mover))
    finally:
        migration.close()


def resumed(mover: str) -> Move:
    """What an operator does after a crash: retry what is listed as open, or run it anew where nothing is."""
    migration = hall()
    try:
        listed = [one for one in migration.moves() if one.state != "done"]
        done = [one for one in migration.moves() if one.state == "done"]
        if listed:
            return migration.retry(listed[0].id)
        return done[0] if done else migration.run(asked(mover))[-1]
    finally:
        migration.close()


def turned_back() -> Move | None:
    """The other thing that an operator may do; None where there is nothing to roll back."""
    migration = hall()
    try:
        listed = [one for one in migration.moves() if one.state not in ("done", "undone")]
        return migration.rollback(listed[0].id) if listed else None
    finally:
        migration.close()


def arm(family: str, cloud: str, kind: str, nth: int) -> None:
    """The ``nth`` call at one place goes wrong."""
    with PLACES[family].named(cloud).work() as state:
        state.faults.append(FaultRule("*", nth, kind))  # type: ignore[arg-type]


def arm_journal(method: str, nth: int, *, after: bool) -> None:
    """The process is killed before or after the ``nth`` call of one of the journal's methods."""
    count, plain = Counter[str](), getattr(Moves, method)

    def trap(self: Moves, *args: Any, **named: Any) -> Any:
        count[method] += 1
        if count[method] == nth and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = plain(self, *args, **named)
        if count[method] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(Moves, method, trap)


@contextlib.contextmanager
def standing(folder: Path, count: int) -> Iterator[None]:
    """The event stands as long as the block, in this process."""
    with _in(folder):
        assert applied(event(count)).outcome == "done"
        yield


@dataclasses.dataclass(frozen=True)
class Struck:
    """Whether the fault was met at all."""

    met: bool


class Bench:
    """A folder in which the event stands, copied for each case."""

    def __init__(self, folder: Path, mover: str, count: int) -> None:
        self._folder, self._mover = folder, mover
        self._golden = folder / "golden"
        self._golden.mkdir(parents=True)
        with _in(self._golden):
            assert applied(event(count)).outcome == "done"

    @contextlib.contextmanager
    def case(self, prepare: Callable[[], None]) -> Iterator[Struck]:
        """A move with the trap set, in a process of its own; inside the block nobody is disturbed any more."""
        folder = self._folder / "case"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._golden, folder)
        with _in(folder):
            ended = _child(lambda: self._trapped(prepare))
            yield Struck(met=_disarmed() or ended != 0)

    def _trapped(self, prepare: Callable[[], None]) -> None:
        prepare()
        with contextlib.suppress(SentryError):
            move(self._mover)


def _child(work: Callable[[], None]) -> int:
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


def _disarmed() -> bool:
    met = False
    for kind in PLACES.values():
        for cloud in CLOUDS:
            with kind.named(cloud).work() as state:
                met = met or any(rule.seen >= rule.nth for rule in state.faults)
                state.faults.clear()
    return met


@contextlib.contextmanager
def _in(folder: Path) -> Iterator[None]:
    """Worlds and journal of this process live in ``folder``."""
    before = {name: os.environ.get(name) for name in ("CLOUDSENTRY_FAKE_DIR", "CLOUDSENTRY_STATE_DIR")}
    os.environ.update(CLOUDSENTRY_FAKE_DIR=str(folder / "worlds"), CLOUDSENTRY_STATE_DIR=str(folder / "state"))
    _forget()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        _forget()


def _forget() -> None:
    for kind in PLACES.values():
        kind.forget()
