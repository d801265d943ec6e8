"""/metrics as a scraper reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.drivers.steering.fake.means import FakeSteers
from cloudsentry.drivers.stretch.fake import FakeStretches
from cloudsentry.journal.decisions import DecisionRow, Decisions
from cloudsentry.records.stretching import Probe
from web.site import Site, event_text
from web.test_stream import TWO_SITES

ETC = Path(__file__).parents[3] / "etc"
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, event_text())
    made.stage.applied()
    made.watch.wake = lambda: None  # type: ignore[method-assign]  # looks are made by the tests themselves
    yield made
    made.close()


def scraped(site: Site, *, look: bool = True) -> Series:
    if look:
        site.watch._hear()
        site.watch.look("summer")
    text = TestClient(site.app).get("/metrics").text
    return {
        (sample.name.removeprefix("cloudsentry_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


PLACE = (("cloud", "scale-test"), ("event", "summer"))
EVENT = (("event", "summer"),)


def test_servers_and_runs_are_told(site: Site) -> None:
    series = scraped(site)
    assert series["servers_wanted", PLACE] == series["servers_active", PLACE] == 3
    assert series["servers_misplaced", PLACE] == series["drift", EVENT] == 0
    assert series["runs_total", (*EVENT, ("goal", "apply"), ("outcome", "done"))] == 1
    assert series["last_run_done", EVENT] == series["look_up", EVENT] == series["journal_up", ()] == 1


def test_what_is_not_known_is_no_series_and_not_zero(site: Site) -> None:
    assert not any(name == "servers_active" for name, _ in scraped(site, look=False))
    scraped(site)
    with FakeCloud.named("scale-test").work() as state:
        state.faults.append(FaultRule("observe", 1, "denied", times=1000))
    series = scraped(site)
    assert not any(name in ("servers_active", "servers_misplaced", "capacity", "drift") for name, _ in series)
    assert series["look_up", EVENT] == 0
    assert series["servers_wanted", PLACE] == 3


def test_decisions_are_counted_as_often_as_they_were_made(site: Site) -> None:
    for _ in range(3):
        site.stage.scaler.tick("summer")
    series = scraped(site)
    made = {labels: value for (name, labels), value in series.items() if name == "decisions_total"}
    assert sum(made.values()) == 3


def test_labels_are_bounded(site: Site) -> None:
    labels = {name for _, pairs in scraped(site) for name, _ in pairs}
    named = {"pool", "stretch", "steering", "target", "service"}
    assert labels <= {"event", "cloud", "goal", "outcome", "rule", "state", "source", *named}


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Site]:
    """Two sites with a stretch whose probe has spoken, steering that somebody has changed, and a sick API."""
    FakeStretches.forget()
    FakeSteers.forget()
    sick = [{"cloud": "scale-test", "family": "mover", "failures": 5, "rest": 30.0}]
    (tmp_path / "circuits.json").write_text(json.dumps(sick))
    made = Site(tmp_path, TWO_SITES)
    made.stage.applied()
    made.watch.wake = lambda: None  # type: ignore[method-assign]
    with FakeStretches.named("far-test").work() as ends:
        for one in ends.ends.values():
            one.end = replace(one.end, probe=Probe(by="gateway", up=True, loss=5.0, rtt=40.0))
    decisions = Decisions(made.stage.settings.journal.connection)
    now = made.wall()
    decisions.add(
        DecisionRow(
            event="summer",
            pool="front",
            source="agent",
            policy="target",
            rule="load",
            current=2,
            wanted=2,
            state="held",
            at=now,
            until=now,
            demand=1234.0,
            inputs={},
        )
    )
    decisions.close()
    with FakeSteers.named("local").work() as means:
        for key, steer in means.steers.items():
            means.steers[key] = replace(steer, shares=(("farm", 100.0), ("nara", 0.0)))
    yield made
    made.close()


def test_stretches_steering_pools_and_circuits_are_told(far: Site) -> None:
    series = scraped(far)
    end = (("cloud", "far-test"), ("event", "summer"), ("stretch", "link"))
    assert series["stretch_alive", end] == series["stretch_joined", end] == 1
    assert series["stretch_rtt_seconds", end] == pytest.approx(0.04)
    assert series["stretch_loss_ratio", end] == pytest.approx(0.05)
    near = (("cloud", "scale-test"), *end[1:])
    assert ("stretch_alive", near) not in series, "nobody has tried from there"
    target = (("event", "summer"), ("steering", "images"), ("target", "nara"))
    assert (series["steering_wanted_ratio", target], series["steering_share_ratio", target]) == (0.3, 0)
    pool = (("event", "summer"), ("pool", "front"))
    assert (series["pool_servers_needed", pool], series["pool_servers_wanted", pool]) == (8, 2)
    assert (series["pool_capacity", pool], series["pool_load", pool]) == (600, 1234)
    assert series["circuit_open", (("cloud", "scale-test"), ("service", "mover"))] == 1


def test_alerts_and_dashboard_ask_only_for_series_that_there_are(far: Site) -> None:
    far.stage.scaler.tick("summer")
    series = scraped(far)
    there = {f"cloudsentry_{name}" for name, _ in series} | {"cloudsentry_hook_calls_total"}
    rules = yaml.safe_load((ETC / "prometheus/cloudsentry.rules.yaml").read_text())
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    board = json.loads((ETC / "grafana/cloudsentry.json").read_text())
    asked += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    names = set(re.findall(r"cloudsentry_\w+", " ".join(asked)))
    assert names
    assert names <= there, names - there
