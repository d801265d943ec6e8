"""Pictures to whoever watches: taken once for all viewers, sent as what has changed, by server-sent events.

The wire knows one shape, `Rows`: (event, kind, id) → a row of plain values. A viewer that comes, or was too slow,
gets all rows (``event: all``); from then on only those that are new, changed or gone (``event: some``).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from cloudsentry.errors import SentryError
from cloudsentry.executor.clock import Clock
from cloudsentry.picture import Heard, Painter, Sample, Seen, told
from cloudsentry.picture.rows import PoolWish
from cloudsentry.records.reports import StretchLine

Key = tuple[str, str, str]
Rows = dict[Key, Any]

HEAR, LOOK = 1.0, 5.0
"""Seconds between two readings of the journal, and between the end of a look at an event's clouds and the next."""
IDLE = 600.0
"""Seconds without a viewer or a scrape after which nothing is looked at any more."""
SAMPLES = 2880
"""Samples kept of each event: four hours of a look every five seconds."""
BEHIND = 100
"""Changes that a viewer may be behind before it gets all rows instead."""
VIEWERS = 16
"""Viewers at once: a quarter of the connections that the hook takes, the rest is for alarms."""
ALIVE = 15.0
"""Seconds without news after which a line is sent that says so; proxies close silent connections."""
THREADS = 4
"""Events that are looked at side by side."""


@dataclass(slots=True)
class _Event:
    """What is known of one event."""

    heard: Heard
    seen: Seen | None = None
    trouble: str = ""
    asked: float = float("-inf")
    look: Future[None] | None = None
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=SAMPLES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """One event as it was last heard and seen. ``trouble`` is why the last look failed, empty where it did not."""

    heard: Heard
    seen: Seen | None
    trouble: str


class Viewer:
    """One open page: what it has still to be sent."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def send(self, kind: str, data: str, everything: Callable[[], str]) -> None:
        """From any thread; ``everything`` is asked for where this viewer is too far behind."""
        with contextlib.suppress(RuntimeError):  # its loop has ended, and so has the viewer
            self._loop.call_soon_threadsafe(self._put, kind, data, everything)

    def _put(self, kind: str, data: str, everything: Callable[[], str]) -> None:
        if self._queue.qsize() >= BEHIND:
            while not self._queue.empty():
                self._queue.get_nowait()
            kind, data = "all", everything()
        self._queue.put_nowait((kind, data))

    async def next(self, seconds: float) -> tuple[str, str] | None:
        """The next message, or None after so long without one."""
        try:
            return await asyncio.wait_for(self._queue.get(), seconds)
        except TimeoutError:
            return None


class Watch:
    """Looks while somebody watches, and tells what changed. Nobody watching costs nothing."""

    def __init__(self, painter: Painter, *, clock: Clock | None = None, look: float = LOOK) -> None:
        self._painter, self._every = painter, look
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._events: dict[str, _Event] = {}
        self._rows: Rows = {}
        self._viewers: set[Viewer] = set()
        self._interest = float("-inf")
        self._thread: threading.Thread | None = None
        self._looks = ThreadPoolExecutor(THREADS, thread_name_prefix="watch-look")
        self._journal = ""

    # For whoever watches

    def wake(self) -> None:
        """Somebody wants pictures: take them for a while. Returns at once."""
        with self._lock:
            self._interest = time.monotonic()
            if self._thread is None and not self._clock.stopped:
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()

    def now(self) -> tuple[Now, ...]:
        """Every event as it was last heard and seen; nothing until the first picture is taken."""
        with self._lock:
            return tuple(
                Now(heard=one.heard, seen=one.seen, trouble=one.trouble) for _, one in sorted(self._events.items())
            )

    def join(self, loop: asyncio.AbstractEventLoop) -> Viewer | None:
        """A new viewer, which gets all rows first; None where there are too many."""
        viewer = Viewer(loop)
        with self._lock:
            if len(self._viewers) >= VIEWERS:
                return None
            self._viewers.add(viewer)
            viewer.send("all", _wire(self._rows), self._everything)
        self.wake()
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """The viewer has gone."""
        with self._lock:
            self._viewers.discard(viewer)

    def close(self) -> None:
        """Stop looking; every stream ends."""
        self._clock.stop()
        self._looks.shutdown(wait=False, cancel_futures=True)

    @property
    def closed(self) -> bool:
        """Whether streams are to end."""
        return self._clock.stopped

    # Taking pictures

    def refresh(self) -> None:
        """Read the journal, see to the looks, and tell the viewers what changed."""
        self._hear()
        for name, one in list(self._events.items()):
            due = time.monotonic() - one.asked >= self._every
            if due and (one.look is None or one.look.done()):
                try:
                    one.look = self._looks.submit(self.look, name)
                except RuntimeError:  # closed meanwhile: nobody is told anything any more
                    return
        self.publish()

    def look(self, name: str) -> None:
        """Look at an event's clouds once; what fails is told, and what was seen before stays."""
        seen, trouble = None, ""
        try:
            seen = self._painter.seen(name)
        except SentryError as error:
            trouble = told(error)
        with self._lock:
            one = self._events.get(name)
            if one is None:
                return
            one.asked, one.trouble = time.monotonic(), trouble
            if seen is not None:
                one.seen = seen
                one.samples.append(_sample(one.heard, seen))

    def publish(self) -> None:
        """Tell every viewer what is new, changed or gone since the last time."""
        with self._lock:
            rows = {key: row for one in self._events.values() for key, row in _rows(one).items()}
            if self._journal:
                rows["", "trouble", ""] = {"text": self._journal}
            changed: Rows = {key: row for key, row in rows.items() if self._rows.get(key) != row}
            changed |= {key: None for key in self._rows if key not in rows}
            self._rows = rows
            if changed:
                data = _wire(changed)
                for viewer in self._viewers:
                    viewer.send("some", data, self._everything)

    def _hear(self) -> None:
        try:
            heard = {name: self._painter.heard(name) for name in self._painter.events()}
        except SentryError as error:
            self._journal = told(error)
            return
        self._journal = ""
        with self._lock:
            for name in self._events.keys() - heard.keys():
                del self._events[name]
            for name, one in heard.items():
                if name in self._events:
                    self._events[name].heard = one
                else:
                    self._events[name] = _Event(one)

    def _run(self) -> None:
        while not self._clock.stopped:
            with self._lock:
                if not self._viewers and time.monotonic() - self._interest > IDLE:
                    self._thread = None
                    return
            self.refresh()
            self._clock.sleep(HEAR)

    def _everything(self) -> str:
        with self._lock:
            return _wire(self._rows)


async def told_to(watch: Watch, viewer: Viewer) -> AsyncIterator[str]:
    """The text of one stream, until the viewer goes or the watch is closed."""
    try:
        yield "retry: 2000\n\n"
        silent = 0.0
        while not watch.closed:
            message = await viewer.next(HEAR)
            if message is not None:
                silent = 0.0
                yield f"event: {message[0]}\ndata: {message[1]}\n\n"
                continue
            silent += HEAR
            if silent >= ALIVE:
                silent = 0.0
                yield "event: alive\ndata: \n\n"
    finally:
        watch.leave(viewer)


def _sample(heard: Heard, seen: Seen) -> Sample:
    return Sample(
        at=seen.at,
        wanted=sum(count for _, count in heard.wanted),
        active=sum(unit.active for unit in seen.units),
        crowd=heard.crowd,
        capacity=seen.capacity,
        measured=heard.measured,
    )


def _rows(one: _Event) -> Rows:
    """An event as rows. What changes at every look stands alone, so that a quiet event is a quiet wire."""
    heard, name = one.heard, one.heard.event
    rows: Rows = {
        (name, "event", ""): {"title": heard.title, "revision": heard.revision},
        (name, "looked", ""): {"at": one.seen.at if one.seen else None, "trouble": one.trouble},
        (name, "ahead", ""): heard.ahead,
    }
    rows |= {(name, "cloud", cloud): {"cloud": cloud, "wanted": wanted} for cloud, wanted in heard.wanted}
    rows |= {(name, "decision", f"{row.id}"): asdict(row) for row in heard.decisions}
    rows |= {(name, "move", f"{row.id}"): asdict(row) for row in heard.moves}
    rows |= {(name, "pool", row.pool): _pool(row, one.seen) for row in heard.pools}
    rows |= {(name, "circuit", f"{row.cloud} {row.family}"): asdict(row) for row in heard.circuits}
    rows |= {(name, "sample", f"{sample.at:.1f}"): asdict(sample) for sample in one.samples}
    if heard.match:
        rows[name, "match", ""] = asdict(heard.match)
    if heard.run:
        rows[name, "run", ""] = asdict(heard.run)
    if one.seen:
        seen = one.seen
        rows[name, "state", ""] = {"state": seen.state}
        rows |= {(name, "unit", f"{row.cloud} {row.unit}"): asdict(row) for row in seen.units}
        rows |= {(name, "host", f"{row.cloud} {row.hypervisor}"): asdict(row) for row in seen.hosts}
        rows |= {(name, "stretch", f"{row.unit} {row.cloud}"): _stretch(row) for row in seen.stretches}
        rows |= {(name, "steer", f"{row.unit} {row.target}"): asdict(row) for row in seen.steers}
        rows |= {(name, "share", f"{row.balancer} {row.unit}"): asdict(row) for row in seen.shares}
        rows |= {(name, "server", f"{row.cloud} {row.id}"): asdict(row) for row in seen.servers}
        rows |= {
            (name, "drift", " ".join(row)): dict(zip(("kind", "cloud", "unit", "what"), row, strict=True))
            for row in seen.drift
        }
    return rows


def _pool(wish: PoolWish, seen: Seen | None) -> dict[str, Any]:
    """A pool against its crowd; ``active`` and ``answers`` are None where nothing was seen yet."""
    units = [unit for unit in seen.units if unit.unit.split("@")[0] == wish.pool] if seen else None
    return asdict(wish) | {
        "active": None if units is None else sum(unit.active for unit in units),
        "answers": None if units is None else round(sum(unit.answers or 0.0 for unit in units), 1),
    }


def _stretch(line: StretchLine) -> dict[str, Any]:
    """An end without its offer, which is for the far end and nobody else."""
    row = asdict(line)
    del row["offer"]
    return row


def _wire(rows: Rows) -> str:
    return json.dumps([[*key, row] for key, row in rows.items()], separators=(",", ":"))
