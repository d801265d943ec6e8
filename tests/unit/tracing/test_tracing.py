"""Spans of a run: one for it, one per step, and none where nobody asks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cloudsentry import tracing
from cloudsentry.clouds.fake import FaultRule
from cloudsentry.conf import ExecutorSettings, JournalSettings, OwnershipSettings, Settings
from cloudsentry.drivers.balancer.fake import FakeBalancers
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.sentry import Sentry
from cloudsentry.spec.load import load_text
from cloudsentry.testing import JumpClock

EVENT = """
event: summer
sites: {nara: {cloud: tracing-test}}
pools:
  web: {site: nara, driver: fake, image: tiny, flavor: nano, networks: [front], pins: [{hypervisor: xeon1, count: 2}]}
balancers:
  door: {site: nara, driver: fake, network: front, members: [{pool: web}]}
"""


@pytest.fixture(scope="module")
def exported() -> InMemorySpanExporter:
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    trace.set_tracer_provider(provider)
    return made


@pytest.fixture
def spans(exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    exported.clear()
    yield exported
    exported.clear()


@pytest.fixture
def hall(tmp_path: Path) -> Sentry:
    FakeCloud.forget()
    FakeBalancers.forget()
    settings = Settings(
        state=tmp_path,
        journal=JournalSettings(connection=f"sqlite:///{tmp_path / 'journal.sqlite'}"),
        ownership=OwnershipSettings(backend_url=f"file://{tmp_path / 'locks'}", lease=30),
        executor=ExecutorSettings(settle=0.0),
    )
    return Sentry(settings, clock=JumpClock())


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def test_a_run_is_a_span_and_each_step_one_below_it(hall: Sentry, spans: InMemorySpanExporter) -> None:
    report = hall.apply(load_text(EVENT, "summer.yaml"))
    found = by_name(spans)
    run = found.pop("run")
    assert set(found) == {"create web@xeon1", "create door", "members door"}
    assert {span.parent.span_id for span in found.values() if span.parent} == {run.context.span_id}
    assert run.attributes is not None
    assert (run.attributes["cloudsentry.outcome"], run.attributes["cloudsentry.run"]) == ("done", report.run)
    assert run.attributes["cloudsentry.writes"] == report.writes
    assert all(span.status.is_unset for span in found.values())


def test_a_step_that_fails_is_an_error_with_its_reason(hall: Sentry, spans: InMemorySpanExporter) -> None:
    with FakeCloud.named("tracing-test").work() as state:
        state.faults.append(FaultRule("CreateServers", 1, "denied", times=99))
    assert hall.apply(load_text(EVENT, "summer.yaml")).outcome != "done"
    found = by_name(spans)
    assert not found["create web@xeon1"].status.is_ok
    assert found["create web@xeon1"].status.description
    assert not found["run"].status.is_ok


def test_without_a_variable_nothing_is_imported() -> None:
    code = "import sys; from cloudsentry import sentry, tracing; assert not tracing.asked(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env={"PATH": "/usr/bin"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "opentelemetry.sdk" not in done.stdout


@pytest.mark.parametrize(("value", "asked"), [("none", False), ("", False), ("console", True), ("otlp", True)])
def test_who_asks(monkeypatch: pytest.MonkeyPatch, value: str, asked: bool) -> None:
    for name in tracing.ASKED_BY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", value)
    assert tracing.asked() is asked
