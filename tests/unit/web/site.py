"""The hook with its page, over a stage of fakes, as a server that a browser can reach."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from scale.stage import EVENT, START, Stage

from cloudsentry.conf import HookSettings
from cloudsentry.executor.clock import Clock
from cloudsentry.picture import Painter
from cloudsentry.web.app import make_app
from cloudsentry.web.stream import Watch
from cloudsentry.web.worker import Worker

TOKEN = "viewers-token"
HOOK = HookSettings(viewer_token=hashlib.sha256(TOKEN.encode()).hexdigest(), rate="10000/minute")


def event_text(until_match: dt.timedelta = dt.timedelta(hours=1), *, servers: int = 2, most: int = 8) -> str:
    """The stage's event with its match so long after the machine's clock: pages tell the real time."""
    start = dt.datetime.now(dt.UTC).astimezone(dt.timezone(dt.timedelta(hours=9))) + until_match
    text = EVENT.replace("2026-08-21 13:00", f"{start:%Y-%m-%d %H:%M}")
    text = text.replace("from: 2026-08-07", f"from: {start - dt.timedelta(days=3):%Y-%m-%d}")
    text = text.replace("until: 2026-08-21", f"until: {start + dt.timedelta(days=3):%Y-%m-%d}")
    half = servers // 2
    text = text.replace("hypervisor: xeon1, count: 1,", f"hypervisor: xeon1, count: {servers - half},")
    text = text.replace("hypervisor: opteron1, count: 1, weight: 10", f"hypervisor: opteron1, count: {half}, weight: 2")
    return text.replace("most: 8", f"most: {most}")


@dataclasses.dataclass
class Site:
    """A stage whose clock on the wall is the machine's."""

    folder: Path
    text: str = EVENT
    hook: HookSettings = HOOK
    now: bool = True

    def __post_init__(self) -> None:
        self.stage = Stage(self.folder, hook=self.hook, text=self.text)
        self.stage.wall.now = dt.datetime.now(dt.UTC) if self.now else START
        self.painter = Painter(self.stage.sentry, wall=self.wall)
        self.watch = Watch(self.painter, look=0.2)
        self.worker = Worker(self.stage.scaler, Clock(), expiry=60)
        self.app = make_app(self.stage.scaler, self.worker, watch=self.watch, wall=self.wall)

    def wall(self) -> dt.datetime:
        """What time it is."""
        return dt.datetime.now(dt.UTC) if self.now else self.stage.wall()

    def close(self) -> None:
        """Let go of everything."""
        self.watch.close()
        self.painter.close()
        self.stage.scaler.close()
        self.stage.sentry.close()

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """The address, while it is served."""
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            config = uvicorn.Config(self.app, log_level="warning", timeout_graceful_shutdown=1)
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            finally:
                self.watch.close()
                server.should_exit = True
                thread.join(10)
