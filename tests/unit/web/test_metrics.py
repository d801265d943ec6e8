"""/metrics as a scraper reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.pool.fake import FakeCloud
from web.site import Site, event_text

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
    assert labels <= {"event", "cloud", "goal", "outcome", "rule", "state", "source"}


def test_alerts_and_dashboard_ask_only_for_series_that_there_are(site: Site) -> None:
    import json
    import re

    site.stage.scaler.tick("summer")
    there = {f"cloudsentry_{name}" for name, _ in scraped(site)} | {"cloudsentry_hook_calls_total"}
    rules = yaml.safe_load((ETC / "prometheus/cloudsentry.rules.yaml").read_text())
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    board = json.loads((ETC / "grafana/cloudsentry.json").read_text())
    asked += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    names = set(re.findall(r"cloudsentry_\w+", " ".join(asked)))
    assert names
    assert names <= there, names - there
