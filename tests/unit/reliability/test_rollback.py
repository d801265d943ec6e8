"""Going back: an earlier revision through the same corridor, and the three verbs for a run that stopped."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from cloudsentry.drivers.pool.fake.cloud import FakeCloud, FaultRule
from cloudsentry.errors import Owned, PlanStale, UserError
from cloudsentry.journal.ownership import owned
from cloudsentry.osc.shell import main
from cloudsentry.sentry import Sentry

from .house import event, hosts, koshien, members, servers


def grown() -> dict[str, Any]:
    """Two servers more on the Xeon host, and another weight."""
    body = deepcopy(koshien())
    body["pools"]["front-nara"]["pins"][0].update(count=4, weight=7)
    return body


def denied(nth: int = 1) -> None:
    with FakeCloud.named("private").work() as cloud:
        cloud.faults.append(FaultRule("CreateServers", nth, "denied"))


def test_rollback_goes_back_to_the_revision_before_and_leaves_what_both_want(sentry: Sentry) -> None:
    sentry.apply(event(koshien()))
    before = {server.id for server in servers("private")}
    sentry.apply(event(grown()))
    assert hosts("private")["private-xeon1"] == 4
    assert sentry.rollback("koshien-2010").outcome == "done"
    assert {server.id for server in servers("private")} == before
    assert members("private") == {10: 2, 2: 2}
    assert sentry.show("koshien-2010")[1].number == 3


def test_rollback_to_a_revision_by_number(sentry: Sentry) -> None:
    for count in (1, 3, 4):
        body = koshien()
        body["pools"]["front-nara"]["pins"][0]["count"] = count
        sentry.apply(event(body))
    assert sentry.rollback("koshien-2010", 1).outcome == "done"
    assert hosts("private")["private-xeon1"] == 1


def test_a_destroyed_event_comes_back_by_its_revision(sentry: Sentry) -> None:
    sentry.apply(event(koshien()))
    stood = hosts("private")
    assert sentry.destroy("koshien-2010").outcome == "done"
    assert sentry.rollback("koshien-2010", 1).outcome == "done"
    assert hosts("private") == stood
    assert sentry.show("koshien-2010")[0].state == "kept"


def test_rollback_to_zero_leaves_nothing(sentry: Sentry) -> None:
    sentry.apply(event(koshien()))
    with pytest.raises(UserError, match="no earlier revision"):
        sentry.rollback("koshien-2010")
    assert sentry.rollback("koshien-2010", 0).outcome == "done"
    assert not servers("private") + servers("public")


@pytest.mark.parametrize("to", [9, None])
def test_what_cannot_be_gone_back_to_is_said(to: int | None, sentry: Sentry) -> None:
    if to:
        sentry.apply(event(koshien()))
    with pytest.raises(UserError, match="it has 1 to 1" if to else "no event 'koshien-2010' in the journal"):
        sentry.rollback("koshien-2010", to)


def test_a_failed_run_is_retried(sentry: Sentry) -> None:
    sentry.apply(event(koshien()))
    denied()
    failed = sentry.apply(event(grown()))
    assert failed.outcome == "failed"
    assert sentry.retry_run(failed.run).outcome == "done"
    assert hosts("private")["private-xeon1"] == 4


def test_a_failed_run_is_rolled_back(sentry: Sentry) -> None:
    sentry.apply(event(koshien()))
    before = {server.id for server in servers("private")}
    denied()
    failed = sentry.apply(event(grown()))
    assert sentry.rollback_run(failed.run).outcome == "done"
    assert {server.id for server in servers("private")} == before
    assert members("private") == {10: 2, 2: 2}


def test_a_run_that_is_done_or_overtaken_is_not_gone_on_with(sentry: Sentry) -> None:
    done = sentry.apply(event(koshien()))
    with pytest.raises(UserError, match="is done"):
        sentry.retry_run(done.run)
    denied()
    failed = sentry.apply(event(grown()))
    sentry.apply(event(koshien()))
    for verb in (sentry.retry_run, sentry.rollback_run):
        with pytest.raises(UserError, match="has moved on"):
            verb(failed.run)


def test_a_failed_destroy_is_retried(sentry: Sentry) -> None:
    sentry.apply(event(koshien()))
    with FakeCloud.named("private").work() as cloud:
        cloud.faults.append(FaultRule("DeleteServers", 1, "denied"))
    failed = sentry.destroy("koshien-2010")
    assert failed.outcome == "failed"
    assert sentry.retry_run(failed.run).outcome == "done"
    assert not servers("private") + servers("public")


def test_a_run_whose_process_is_gone_is_marked_as_failed_and_nothing_is_touched(sentry: Sentry) -> None:
    report = sentry.apply(event(koshien()))
    with pytest.raises(UserError, match="has ended already: done"):
        sentry.fail_run(report.run)
    plan = sentry.plan(event(grown()))
    number = sentry._journal.begin("koshien-2010", 1, "apply", plan.steps)  # a process that died right after
    sentry._journal.intent(number, plan.steps[0].id, "op", 1)
    writes = FakeCloud.named("private").state.writes
    with owned("koshien-2010", sentry.settings.ownership.backend_url, lease=30), pytest.raises(Owned):
        sentry.fail_run(number)
    run = sentry.fail_run(number)
    assert run.outcome == "failed"
    assert {step.state for step in run.steps} == {"failed", "skipped"}
    assert FakeCloud.named("private").state.writes == writes
    assert sentry.retry_run(number).outcome == "done"


def test_a_rollback_that_somebody_overtook_is_refused(sentry: Sentry, monkeypatch: pytest.MonkeyPatch) -> None:
    sentry.apply(event(koshien()))
    sentry.apply(event(grown()))
    newest = sentry._recall.newest("koshien-2010")
    sentry.apply(event(koshien()))
    monkeypatch.setattr(sentry._recall, "newest", lambda name: newest)
    with pytest.raises(PlanStale):
        sentry.rollback("koshien-2010")


def test_the_commands_end_as_an_apply_does(tmp_path: Path, sentry: Sentry, capsys: pytest.CaptureFixture[str]) -> None:
    sentry.apply(event(koshien()))
    denied()
    failed = sentry.apply(event(grown()))
    assert main(["run", "retry", str(failed.run), "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "done"
    assert main(["event", "rollback", "koshien-2010", "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["servers"] == {"wanted": 8, "active": 8, "misplaced": 0}
    assert main(["run", "rollback", str(failed.run)]) == 2
    assert main(["run", "fail", str(failed.run)]) == 2
    assert main(["event", "rollback", "koshien-2010", "--to", "-1"]) == 2
