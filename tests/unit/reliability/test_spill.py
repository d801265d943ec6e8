"""Servers that a pin cannot have stand elsewhere, in the same run, with their weights; and stay there."""

from __future__ import annotations

from typing import Any

import pytest

from cloudsentry.drivers.pool.fake.cloud import FakeCloud, FaultRule
from cloudsentry.errors import PlanError, SpecError
from cloudsentry.records.ground import Size
from cloudsentry.records.reports import Note
from cloudsentry.sentry import Sentry
from cloudsentry.spec.load import from_dict

from .house import event, hosts, koshien, members, servers

KIND = {"aggregate": "xeon"}
OTHER = {"pool": "front-osaka"}


def body(*spill: dict[str, Any]) -> dict[str, Any]:
    made = koshien()
    made["pools"]["front-nara"]["spill"] = list(spill)
    return made


def broken_boots(count: int = 2, times: int = 1) -> None:
    """The first creates on the private cloud leave servers in ERROR."""
    with FakeCloud.named("private").work() as cloud:
        cloud.faults.append(FaultRule("CreateServers", 1, "error_server", count=count, times=times))


def on_xeon1(sentry: Sentry, kind: str) -> None:
    with FakeCloud.named("private").work() as cloud:
        host = cloud.hypervisors["private-xeon1"]
        if kind == "full":
            host.room = 0
        elif kind == "down":
            host.up = False
        else:
            cloud.sizes["m1.nano"] = Size(name="m1.nano", vcpus=1, ram=512)
            host.memory = 100


@pytest.mark.parametrize("kind", ["full", "down", "short of memory"])
def test_what_is_known_to_have_no_room_is_passed_over_at_once(kind: str, sentry: Sentry) -> None:
    on_xeon1(sentry, kind)
    report = sentry.apply(event(body(KIND)))
    assert (report.outcome, report.servers.wanted, report.servers.active) == ("done", 8, 8)
    assert hosts("private") == {"private-xeon2": 2, "private-opteron1": 2}
    assert members("private") == {10: 2, 2: 2}
    assert not [step for step in report.steps if step.outcome != "done"]


def test_servers_that_end_in_error_stand_elsewhere_in_the_same_run(sentry: Sentry) -> None:
    with FakeCloud.named("private").work() as cloud:
        del cloud.hypervisors["private-xeon2"].aggregates
        cloud.hypervisors["private-xeon2"].aggregates = ("xeon",)
    broken_boots(times=1)
    report = sentry.apply(event(body(KIND, OTHER)))
    assert (report.outcome, report.left) == ("done", ())
    assert len(servers("private")) + len(servers("public")) == 8
    assert {server.status for server in servers("private")} == {"ACTIVE"}
    assert [step.outcome for step in report.steps if step.outcome != "done"] == ["spilled"]
    weights = members("private") + members("public")
    assert weights.total() == 8


def begun_before(notes: list[Note], unit: str, others: str) -> bool:
    """Whether the first create of a unit began before others were up."""
    first = next(place for place, note in enumerate(notes) if note.kind == "started" and unit in note.unit)
    up = next(
        place
        for place, note in enumerate(notes)
        if note.kind == "ended"
        and note.detail == "done"
        and note.unit.startswith(others)
        and note.verb in ("create", "await")
    )
    return first < up


def test_what_stands_in_begins_while_others_boot_and_nothing_of_theirs_is_made_twice(sentry: Sentry) -> None:
    with FakeCloud.named("public").work() as cloud:
        cloud.boot_looks = 30
    broken_boots()
    notes: list[Note] = []
    report = sentry.apply(event(body(KIND)), listen=notes.append)
    assert (report.outcome, report.left, report.servers.active) == ("done", (), 8)
    assert {step.outcome for step in report.steps} == {"done", "spilled"}
    assert begun_before(notes, ",for:", "front-osaka")
    assert (len(servers("private")), len(servers("public"))) == (4, 4)
    assert {step.state for step in sentry.run(report.run).steps} == {"done", "spilled"}
    assert sentry.apply(event(body(KIND))).steps == ()


def test_those_that_fail_while_stand_ins_boot_stand_elsewhere_too(sentry: Sentry) -> None:
    with FakeCloud.named("private").work() as cloud:
        cloud.boot_looks = 6
    broken_boots(count=2)

    def fail(note: Note) -> None:
        """The other hypervisor's boots end badly as well, once stand-ins are on their way."""
        if note.kind == "started" and ",for:" in note.unit:
            with FakeCloud.named("private").work() as cloud:
                for mine in cloud.servers.values():
                    for one in mine.values():
                        one.ends = "ERROR" if one.server.status == "BUILD" else one.ends

    report = sentry.apply(event(body(KIND, OTHER)), listen=fail)
    assert (report.outcome, report.left, report.servers.active) == ("done", (), 8)
    assert not [one for one in servers("private") + servers("public") if one.status != "ACTIVE"]
    assert sentry.apply(event(body(KIND, OTHER))).steps == ()


def test_a_pool_that_may_not_spill_is_not_tried_again_because_another_may(sentry: Sentry) -> None:
    with FakeCloud.named("private").work() as cloud:
        cloud.boot_looks = 30
    with FakeCloud.named("public").work() as cloud:
        cloud.faults.append(FaultRule("CreateServers", 1, "error_server", count=2, times=100))
    report = sentry.apply(event(body(KIND)))
    assert report.outcome == "failed"
    assert len([step for step in report.steps if step.outcome == "failed"]) == 4
    assert FakeCloud.named("public").state.faults[0].seen == 4  # one call for each hypervisor, and none again
    assert hosts("private").total() == 4


def test_applying_again_moves_nothing_and_destroying_leaves_nothing(sentry: Sentry) -> None:
    on_xeon1(sentry, "full")
    sentry.apply(event(body(KIND)))
    with FakeCloud.named("private").work() as cloud:
        cloud.hypervisors["private-xeon1"].room = 10
    again = sentry.apply(event(body(KIND)))
    assert (again.steps, again.outcome) == ((), "done")
    assert sentry.status("koshien-2010").state == "up"
    sentry.destroy("koshien-2010")
    assert not servers("private") + servers("public")


def test_without_the_policy_they_come_home(sentry: Sentry) -> None:
    on_xeon1(sentry, "full")
    sentry.apply(event(body(KIND)))
    with FakeCloud.named("private").work() as cloud:
        cloud.hypervisors["private-xeon1"].room = 10
    assert sentry.apply(event(koshien())).outcome == "done"
    assert hosts("private") == {"private-xeon1": 2, "private-opteron1": 2}
    assert members("private") == {10: 2, 2: 2}


def test_fewer_wanted_takes_the_stand_ins_along(sentry: Sentry) -> None:
    on_xeon1(sentry, "full")
    sentry.apply(event(body(KIND)))
    smaller = body(KIND)
    smaller["pools"]["front-nara"]["pins"][0]["count"] = 1
    assert sentry.apply(event(smaller)).outcome == "done"
    assert hosts("private") == {"private-xeon2": 1, "private-opteron1": 2}
    assert members("private") == {10: 1, 2: 2}


def test_the_order_and_the_bounds_hold(sentry: Sentry) -> None:
    with FakeCloud.named("private").work() as cloud:
        cloud.hypervisors["private-xeon1"].up = False
    made = body({**KIND, "most": 1}, {**OTHER, "most": 5})
    made["pools"]["front-nara"]["pins"][0]["count"] = 4
    assert sentry.apply(event(made)).outcome == "done"
    assert hosts("private") == {"private-xeon2": 1, "private-opteron1": 2}
    assert sorted(hosts("public").values()) == [1, 2, 2, 2]
    assert members("public") == {10: 7}


def test_where_nowhere_is_room_the_run_fails_and_says_so(sentry: Sentry) -> None:
    broken_boots(times=100)
    report = sentry.apply(event(body(KIND)))
    assert report.outcome == "failed"
    assert any("in ERROR" in line for line in report.left)
    with FakeCloud.named("private").work() as cloud:
        cloud.faults.clear()
    assert sentry.apply(event(body(KIND))).outcome == "done"
    assert {server.status for server in servers("private")} == {"ACTIVE"}
    assert len(servers("private")) == 4


def test_a_refused_right_is_no_lack_of_room(sentry: Sentry) -> None:
    with FakeCloud.named("private").work() as cloud:
        cloud.faults.append(FaultRule("CreateServers", 1, "denied", times=100))
    report = sentry.apply(event(body(KIND)))
    assert report.outcome == "failed"
    assert not servers("private")


@pytest.mark.parametrize(
    ("spill", "told"),
    [
        ({"pool": "front-kobe"}, "there is no pool 'front-kobe'"),
        ({"pool": "front-nara"}, "a pool cannot spill into itself"),
        ({"most": 3}, "expected one of aggregate, trait and pool"),
        ({"aggregate": "xeon", "pool": "front-osaka"}, "expected one of aggregate, trait and pool"),
    ],
)
def test_a_policy_that_makes_no_sense_is_a_fault_of_the_file(spill: dict[str, Any], told: str, tmp_path: Any) -> None:
    import yaml

    from cloudsentry.spec.load import load

    path = tmp_path / "event.yaml"
    path.write_text(yaml.safe_dump(body(spill)))
    with pytest.raises(SpecError, match=told):
        load(path)


def test_a_policy_survives_the_journal() -> None:
    from cloudsentry.spec.load import dump

    made = event(body(KIND, OTHER))
    assert from_dict(dump(made)) == made


@pytest.mark.parametrize("quota", [0, 1, 3])
def test_what_a_quota_does_not_leave_is_planned_at_the_other_cloud_at_once(quota: int, sentry: Sentry) -> None:
    with FakeCloud.named("private").work() as cloud:
        cloud.quota = quota
    report = sentry.apply(event(body(KIND, OTHER)))
    assert (report.outcome, report.servers.wanted, report.servers.active) == ("done", 8, 8)
    assert (len(servers("private")), len(servers("public"))) == (quota, 8 - quota)
    assert {step.outcome for step in report.steps} == {"done"}
    with FakeCloud.named("private").work() as cloud:
        cloud.quota = -1
    assert sentry.apply(event(body(KIND, OTHER))).steps == ()


def test_a_quota_is_no_reason_to_move_within_a_cloud_and_both_may_be_used_up(sentry: Sentry) -> None:
    on_xeon1(sentry, "full")
    with FakeCloud.named("private").work() as cloud:
        cloud.quota = 4
    with FakeCloud.named("public").work() as cloud:
        cloud.quota = 4
    assert sentry.apply(event(body(KIND, OTHER))).outcome == "done"
    assert hosts("private") == {"private-xeon2": 2, "private-opteron1": 2}
    sentry.destroy("koshien-2010")
    with FakeCloud.named("private").work() as cloud:
        cloud.quota = 3
    with pytest.raises(PlanError, match="the quota of instances is 3, 0 are used and 4 more are asked for"):
        sentry.apply(event(body(KIND, OTHER)))
