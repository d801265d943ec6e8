"""The application as a process: uvicorn, one clock, one hall."""

from __future__ import annotations

import json
import signal

import uvicorn

from cloudsentry.conf import Settings
from cloudsentry.executor.clock import Clock
from cloudsentry.picture import Painter
from cloudsentry.scaling.scale import Scaler
from cloudsentry.sentry import Sentry
from cloudsentry.web.app import make_app, new_token
from cloudsentry.web.stream import Watch
from cloudsentry.web.worker import Worker

__all__ = ["forever", "new_token", "openapi"]

BACKLOG = 128
"""Connections that wait to be accepted."""
CALLS = 64
"""Requests at once; more are answered 503 by uvicorn: a storm of alarms must not be a storm of threads."""

STREAMS = 3
"""Seconds that an open page holds up the end; its stream would never end by itself."""


def forever(settings: Settings, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; runs that are under way end cleanly. Raises `UserError` for wrong settings."""
    clock = Clock()
    sentry = Sentry(settings, clock=clock)
    scaler = Scaler(sentry)
    painter = Painter(sentry)
    watch = Watch(painter)
    app = make_app(scaler, Worker(scaler, clock, expiry=settings.hook.expiry), watch=watch)
    app.build_middleware_stack()  # the gate checks its settings here: before the port is open, not at the first call
    # uvicorn ends in order at a signal and then raises it again: caught here, so that the process ends with 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _done)
    try:
        # No access log: it would repeat what callers put into addresses.
        uvicorn.run(
            app,
            host=host,
            port=port,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            limit_concurrency=CALLS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=STREAMS,
            log_level="warning",
        )
    finally:
        watch.close()
        painter.close()
        scaler.close()
        sentry.close()


def _done(number: int, frame: object) -> None:
    """The server has ended already."""


def openapi(sentry: Sentry) -> str:
    """The description of the interface, as JSON."""
    scaler = Scaler(sentry)
    try:
        app = make_app(scaler, Worker(scaler, Clock(), expiry=0))
        return json.dumps(app.openapi(), indent=2, sort_keys=True)
    finally:
        scaler.close()
