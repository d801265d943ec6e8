"""Leaks and losses, over all clouds: told at once, offered for deletion once seen twice, deleted by id alone."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from cloudsentry.drivers.balancer.fake.cloud import FakeBalancers
from cloudsentry.drivers.pool.fake.cloud import FakeCloud
from cloudsentry.drivers.stretch.fake.cloud import FakeStretches
from cloudsentry.osc.shell import main
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateBalancer, CreateServerGroup
from cloudsentry.records.reports import Audited
from cloudsentry.sentry import Sentry

from .house import event, hall, koshien, servers


@pytest.fixture(autouse=True)
def _no_clouds_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudsentry.clouds.opening.cloud_names", lambda: ())


@pytest.fixture
def kept(sentry: Sentry) -> Sentry:
    sentry.apply(event(koshien()))
    return sentry


@pytest.fixture
def forgotten(kept: Sentry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A server, a group and a balancer of an event that no journal of ours knows."""
    mark = Mark(event="lost", unit="web", op="x")
    with FakeCloud.named("private").work() as cloud:
        one = next(iter(cloud.servers["koshien-2010"].values()))
        stray = replace(one, server=replace(one.server, id="stray", name="lost-1", mark=mark), looks=0)
        cloud.servers["lost"] = {"stray": stray}
        FakeCloud.named("private").create_group(
            cloud, CreateServerGroup(unit="web", name="cloudsentry.lost.web", policy="anti-affinity", mark=mark)
        )
    with FakeBalancers.named("public").work() as state:
        FakeBalancers.named("public").create(state, CreateBalancer(unit="web", name="lost-web", mark=mark))
        for one in state.balancers.values():
            one.balancer = replace(one.balancer, provisioning="ACTIVE")
    return "lost"


def told(lines: tuple[Audited, ...]) -> set[tuple[str, str, str, str, int]]:
    return {(one.state, one.cloud, one.kind, one.name, one.passes) for one in lines}


def test_where_all_is_wanted_and_there_nothing_is_told(kept: Sentry) -> None:
    assert kept.audit() == ()


def test_a_leak_is_told_at_once_and_offered_for_deletion_when_seen_twice(kept: Sentry, forgotten: str) -> None:
    strays = {("private", "server", "lost-1"), ("private", "server group", "cloudsentry.lost.web")}
    strays |= {("public", "balancer", "lost-web")}
    assert told(kept.audit(between=0)) == {("leak", *stray, 1) for stray in strays}
    again = hall()
    assert told(again.audit(between=0)) == {("leak", *stray, 2) for stray in strays}
    again.close()


def test_a_second_look_at_once_is_no_second_pass(kept: Sentry, forgotten: str) -> None:
    kept.audit()
    assert {one.passes for one in kept.audit()} == {1}
    assert kept.audit(delete=True) == ()
    assert len(FakeCloud.named("private").state.servers["lost"]) == 1


def test_only_what_was_seen_twice_is_deleted_and_nothing_else_is_touched(kept: Sentry, forgotten: str) -> None:
    before = {server.id for server in servers("private") + servers("public")} - {"stray"}
    kept.audit(between=0)
    deleted = kept.audit(delete=True, between=0)
    assert {one.state for one in deleted} == {"deleted"}
    assert {one.name for one in deleted} == {"lost-1", "cloudsentry.lost.web", "lost-web"}
    assert {s.id for s in servers("private") + servers("public") if not s.gone} == before
    assert "lost-web" not in {
        one.balancer.name
        for one in FakeBalancers.named("public").state.balancers.values()
        if one.balancer.provisioning != "PENDING_DELETE"
    }
    assert kept.plan(event(koshien())).steps == ()


def test_a_leak_that_was_gone_in_between_starts_anew(kept: Sentry, forgotten: str) -> None:
    kept.audit(between=0)
    with FakeCloud.named("private").work() as cloud:
        stray = cloud.servers.pop("lost")
    kept.audit(between=0)
    with FakeCloud.named("private").work() as cloud:
        cloud.servers["lost"] = stray
    assert {one.passes for one in kept.audit(between=0) if one.kind == "server"} == {1}


def test_what_an_event_wants_and_is_gone_is_told(kept: Sentry) -> None:
    with FakeCloud.named("private").work() as cloud:
        mine = cloud.servers["koshien-2010"]
        del mine[next(id for id, one in mine.items() if one.server.hypervisor == "private-xeon1")]
    (line,) = kept.audit()
    assert (line.state, line.cloud, line.name, line.why) == (
        "gone",
        "private",
        "front-nara@private-xeon1",
        "1 of 2 servers missing",
    )


def test_what_a_destroyed_event_left_is_a_leak(kept: Sentry) -> None:
    with FakeCloud.named("private").work() as cloud:
        left = deepcopy(next(iter(cloud.servers["koshien-2010"].items())))
    kept.destroy("koshien-2010")
    with FakeCloud.named("private").work() as cloud:
        cloud.servers["koshien-2010"] = dict([left])
    assert [(one.state, one.event) for one in kept.audit()] == [("leak", "koshien-2010")]


@pytest.mark.parametrize("ended", [True, False], ids=["of a destroyed event", "that the event no longer has"])
def test_what_only_its_own_driver_can_tell_is_found_and_goes(ended: bool, sentry: Sentry) -> None:
    body = koshien()
    body["stretches"] = {"link": {"driver": "fake", "between": ["private", "nara"]}}
    body["sites"].setdefault("private", {"cloud": "private"})
    sentry.apply(event(body))
    stretches = FakeStretches.named("private")
    left = deepcopy(stretches.state.ends)
    assert sentry.audit(between=0) == ()
    sentry.destroy("koshien-2010")
    if not ended:
        del body["stretches"]
        sentry.apply(event(body))
    with stretches.work() as state:
        state.ends.update(left)
    for passes in (1, 2):
        (line,) = (one for one in sentry.audit(between=0) if one.kind == "stretch")
        assert (line.state, line.cloud, line.name, line.passes) == ("leak", "private", "link", passes)
    assert {one.state for one in sentry.audit(between=0, delete=True) if one.kind == "stretch"} == {"deleted"}
    assert not stretches.state.ends


def test_the_command(kept: Sentry, forgotten: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["event", "audit", "-f", "json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert {row["Kind"] for row in rows} == {"server", "server group", "balancer"}
    assert main(["event", "audit", "--delete"]) == 2
    assert main(["event", "audit", "--delete", "--yes", "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
