"""What the fakes of all families share: a world that several drivers see, and faults on order.

A world lives in memory, or in a JSON file of the folder that the environment's
``CLOUDSENTRY_FAKE_DIR`` names: then other processes see it too, and it outlives a killed one.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import pydantic

from cloudsentry.clouds.accidents import ACCIDENTS, Effect
from cloudsentry.errors import Ambiguous, Busy, Denied, DriverError, NoCapacity, Unreachable

FOLDER = "CLOUDSENTRY_FAKE_DIR"

Kind = Literal[
    "busy",
    "unreachable",
    "ambiguous_before",
    "ambiguous_after",
    "denied",
    "nocapacity",
    "error_server",
    "kill_before",
    "kill_after",
    "slow",
]
"""``before`` and ``after``: whether the lost call, or the killed process's, had its effect. ``slow`` does
nothing: who brings the clock lets the time pass. Beside these a rule's kind may be a name of `ACCIDENTS`."""

LATE_LOOKS = 3
"""Looks until an effect shows that comes later."""


@dataclass(slots=True)
class FaultRule:
    """Something that goes wrong with the ``nth`` call of a verb, and with ``times`` calls from there on.

    ``verb`` is ``observe``, the name of an order's class or ``*``; the rule counts its own calls in
    ``seen``. ``after`` is Busy's. ``error_server`` leaves ``count`` of a create's servers in ERROR.
    """

    verb: str
    nth: int = 1
    kind: Kind | str = "busy"
    times: int = 1
    after: float = 0.0
    count: int = 1
    seen: int = 0

    def meets(self, verb: str) -> bool:
        """Count a call; whether the fault is due."""
        if self.verb not in ("*", verb):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times

    @property
    def effect(self) -> Effect:
        """Whether a write that meets it is carried out."""
        return ACCIDENTS[self.kind].effect if self.kind in ACCIDENTS else "now"


@dataclass(slots=True)
class Late:
    """An order whose effect comes after some more looks: its class's name, and itself as JSON."""

    verb: str
    order: str
    looks: int = LATE_LOOKS


def before(rules: list[FaultRule], family: str, cloud: str, *, reads: bool) -> None:
    """Raise what goes wrong before a call has its effect. ``rules`` are those that are due."""
    for rule in rules:
        text = f"fake fault {rule.kind} at {rule.verb} {rule.nth}"
        match rule.kind:
            case "busy":
                raise Busy(text, cloud=cloud, status=503, after=rule.after)
            case "unreachable":
                raise Unreachable(text, cloud=cloud)
            case "ambiguous_before":
                raise Ambiguous(text, cloud=cloud)
            case "denied":
                raise Denied(text, cloud=cloud, status=403)
            case "nocapacity":
                raise NoCapacity(text, cloud=cloud, status=403)
            case _ if rule.kind in ACCIDENTS and (reads or rule.effect == "none"):
                raise ACCIDENTS[rule.kind].error(family, cloud, reads=reads)
            case _:
                pass


def after(rules: list[FaultRule], family: str, cloud: str, *, reads: bool) -> None:
    """Raise what goes wrong once a call has had its effect."""
    for rule in rules:
        if rule.kind == "ambiguous_after":
            raise Ambiguous("fake fault ambiguous_after: the answer was lost", cloud=cloud)
        if rule.kind in ACCIDENTS and not reads:
            raise ACCIDENTS[rule.kind].error(family, cloud, reads=False)


def kill(rules: list[FaultRule], kind: Literal["kill_before", "kill_after"]) -> None:
    """End this process as nothing else ends one, if a rule says so."""
    if any(rule.kind == kind for rule in rules):
        os.kill(os.getpid(), signal.SIGKILL)


S = TypeVar("S")


@functools.cache
def _adapter(state: type[Any]) -> pydantic.TypeAdapter[Any]:
    """Once per type: building one costs more than a hundred calls of it."""
    return pydantic.TypeAdapter(state)


class World(Generic[S]):
    """A state that one at a time works on. With a path every piece of work is read from and written to the file."""

    def __init__(self, blank: Callable[[], S], state: type[S], path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._blank = blank
        self._path = path
        self._json: pydantic.TypeAdapter[S] = _adapter(state)  # type: ignore[arg-type]  # a class is hashable
        self._state = blank()

    @property
    def state(self) -> S:
        """The state as it is now; in a file, a copy of it."""
        with self._lock:
            return self._read()

    @contextlib.contextmanager
    def work(self) -> Iterator[S]:
        """The state, to be changed; what was changed stays changed whatever is raised."""
        with self._lock, self._alone():
            self._state = self._read()
            try:
                yield self._state
            finally:
                self._write()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes out."""
        if self._path is None:
            yield
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> S:
        if self._path is None:
            return self._state
        return self._json.validate_json(self._path.read_bytes()) if self._path.exists() else self._blank()

    def _write(self) -> None:
        if self._path is not None:
            part = self._path.with_suffix(f".{os.getpid()}.part")
            part.write_bytes(self._json.dump_json(self._state))
            part.replace(self._path)


def path_of(family: str, cloud: str) -> Path | None:
    """The file of a fake cloud's world, or None where worlds live in memory."""
    folder = os.environ.get(FOLDER)
    return Path(folder) / f"{family}-{cloud}.json" if folder else None


@dataclass(slots=True, kw_only=True)
class FakeState:
    """What every fake place knows beside its own: what is to go wrong, and how often it was called."""

    faults: list[FaultRule] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    serial: int = 0
    reads: int = 0
    writes: int = 0


P = TypeVar("P", bound=FakeState)


class FakePlace(Generic[P]):
    """What one family of drivers finds at one place; all of a name in a process are the same one (`named`).

    A family's own place says which FAMILY it is, what STATE it has, which calls are READS and which ORDERS it plays.
    `work` is the way to change its settings: ``with FakeCloud.named("a").work() as state: state.quota = 2``.
    """

    FAMILY: ClassVar[str]
    STATE: ClassVar[type[FakeState]]
    READS: ClassVar[frozenset[str]] = frozenset({"observe"})
    ORDERS: ClassVar[tuple[type[Any], ...]] = ()
    _lock: ClassVar[threading.Lock] = threading.Lock()
    _known: ClassVar[dict[str, Any]]

    def __init_subclass__(cls) -> None:
        cls._known = {}

    def __init__(self, name: str) -> None:
        self.name = name
        self._world: World[P] = World(self.blank, self.STATE, path_of(self.FAMILY, name))  # type: ignore[arg-type]
        self.work = self._world.work

    @classmethod
    def blank(cls) -> P:
        """The state that a place has when it is first named."""
        return cls.STATE()  # type: ignore[return-value]

    @classmethod
    def named(cls, name: str) -> Self:
        """The place of that name, blank when it is first named."""
        with cls._lock:
            if name not in cls._known:
                cls._known[name] = cls(name)
            place: Self = cls._known[name]
            return place

    @classmethod
    def forget(cls) -> None:
        """Forget all the family's places in memory; files stay."""
        with cls._lock:
            cls._known.clear()

    @property
    def state(self) -> P:
        """The state as it is, for looking at."""
        return self._world.state

    @property
    def faults(self) -> list[FaultRule]:
        """The rules of a place in memory, to be appended to (in a file: through `work`)."""
        return self._world.state.faults

    @contextlib.contextmanager
    def call(self, verb: str) -> Iterator[P]:
        """One call: counted, and failing as ordered before or after what the caller does to the state."""
        with self.struck(verb) as (state, _):
            yield state

    @contextlib.contextmanager
    def struck(self, verb: str) -> Iterator[tuple[P, list[FaultRule]]]:
        """`call`, with the rules that are due, for faults that are the caller's to play."""
        with self._world.work() as state:
            due = [rule for rule in state.faults if rule.meets(verb)]
            state.reads += verb in self.READS
            state.writes += verb not in self.READS
        reads = verb in self.READS
        kill(due, "kill_before")
        before(due, self.FAMILY, self.name, reads=reads)
        with self._world.work() as state:
            if verb == "observe":
                self._catch_up(state)
            yield state, due
        kill(due, "kill_after")
        after(due, self.FAMILY, self.name, reads=reads)

    def act(self, order: Any) -> None:
        """One write, which `play` does to the state: at once, or where that is what goes wrong some looks later."""
        verb = type(order).__name__
        with self.struck(verb) as (state, due):
            if any(rule.effect == "later" for rule in due):
                state.late.append(Late(verb, pydantic.TypeAdapter(type(order)).dump_json(order).decode()))
            else:
                self.play(state, order, due)

    def play(self, state: P, order: Any, due: list[FaultRule]) -> None:
        """What an order does; ``due`` are the rules that its call has met."""
        raise NotImplementedError

    def _catch_up(self, state: P) -> None:
        """Effects that come late come now; what is refused then nobody hears."""
        kinds = {kind.__name__: kind for kind in self.ORDERS}
        for late in state.late:
            late.looks -= 1
        for late in [late for late in state.late if late.looks < 0]:
            with contextlib.suppress(DriverError):
                self.play(state, pydantic.TypeAdapter(kinds[late.verb]).validate_json(late.order), [])
        state.late = [late for late in state.late if late.looks >= 0]
