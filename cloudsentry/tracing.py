"""Runs as OpenTelemetry spans, for who asks for them by OpenTelemetry's own environment variables.

One span per run, one per step below it, an event where a call is tried again. Nothing is imported, and nothing costs
anything, where no variable asks. Needs the extra ``otel``.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

from cloudsentry.errors import UserError
from cloudsentry.records.reports import Listener, Note, Report

ASKED_BY = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Any of them set, and not to ``none``, asks for spans. `OTEL_TRACES_EXPORTER=console` prints them on stderr."""
NAME = "cloudsentry"


class Silent:
    """A run of which nobody wants spans."""

    def __init__(self, listen: Listener) -> None:
        self.listen = listen

    def ended(self, report: Report) -> None:
        """Nothing."""


class Traced:
    """The span of a run; what it listens to becomes the spans of its steps. Thread-safe, as listeners are."""

    def __init__(self, tracer: Any, span: Any, listen: Listener) -> None:
        self._tracer, self._span, self._listen = tracer, span, listen
        self._steps: dict[str, Any] = {}
        self._lock = threading.Lock()

    def listen(self, note: Note) -> None:
        """Note it, and hand it on."""
        with self._lock:
            self._noted(note)
        self._listen(note)

    def _noted(self, note: Note) -> None:
        if note.kind == "started" and note.step not in self._steps:
            named = {"step": note.step, "unit": note.unit, "cloud": note.cloud, "verb": note.verb}
            told = {f"cloudsentry.{key}": value for key, value in named.items()}
            self._steps[note.step] = self._tracer.start_span(f"{note.verb} {note.unit}", attributes=told)
        span = self._steps.get(note.step, self._span)
        if note.kind == "retry":
            span.add_event("retry", {"detail": note.detail})
        if note.kind == "ended" and note.step in self._steps:
            if note.detail != "done":
                _failed(span, note.detail)
            self._steps.pop(note.step).end()

    def ended(self, report: Report) -> None:
        """How the run came out."""
        for key in ("run", "outcome", "reads", "writes"):
            self._span.set_attribute(f"cloudsentry.{key}", getattr(report, key))
        if report.outcome != "done":
            _failed(self._span, "; ".join(report.left) or report.outcome)

    def close(self) -> None:
        """End the spans of steps that never ended: the run was stopped."""
        with self._lock:
            for span in self._steps.values():
                span.end()
            self._steps.clear()


@contextlib.contextmanager
def traced(event: str, listen: Listener) -> Iterator[Silent | Traced]:
    """The listener of a run, with its spans where somebody asks for them.

    Raises `UserError` where spans are asked for and the extra is not installed.
    """
    if not asked():
        yield Silent(listen)
        return
    tracer = _tracer()
    with tracer.start_as_current_span("run", attributes={"cloudsentry.event": event}) as span:
        run = Traced(tracer, span, listen)
        try:
            yield run
        finally:
            run.close()


def asked() -> bool:
    """Whether the environment asks for spans."""
    return any(os.environ.get(name) not in (None, "", "none") for name in ASKED_BY)


def _tracer() -> Any:
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError as error:
        raise UserError(
            "spans are asked for by OTEL_… variables, but opentelemetry is not installed: pip install cloudsentry[otel]"
        ) from error
    if not isinstance(trace.get_tracer_provider(), TracerProvider):  # nobody, such as opentelemetry-instrument, did
        trace.set_tracer_provider(_provider())
    return trace.get_tracer(NAME)


def _provider() -> Any:
    import sys

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", NAME)}))
    if os.environ.get("OTEL_TRACES_EXPORTER") == "console":
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stderr)))
        return provider
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise UserError("the exporter of OpenTelemetry is not installed: pip install cloudsentry[otel]") from error
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _failed(span: Any, why: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, why))
