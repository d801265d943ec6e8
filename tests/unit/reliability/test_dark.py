"""A cloud that does not answer: what can run runs, the spill says where the rest goes, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cloudsentry.drivers.balancer.fake.cloud import FakeBalancers
from cloudsentry.drivers.pool.fake.cloud import FakeCloud, FaultRule
from cloudsentry.errors import Unreachable
from cloudsentry.sentry import Sentry

from .house import event, hall, hosts, koshien, members, servers


def goes_dark(cloud: str) -> None:
    """From now on nobody answers for servers or balancers."""
    for place in (FakeCloud.named(cloud), FakeBalancers.named(cloud)):
        with place.work() as state:
            state.faults.append(FaultRule("*", 1, "unreachable", times=10**6))


def comes_back(cloud: str) -> None:
    for place in (FakeCloud.named(cloud), FakeBalancers.named(cloud)):
        with place.work() as state:
            state.faults.clear()


def body(*spill: dict[str, Any]) -> dict[str, Any]:
    """Without the stretched network: its ends need both clouds."""
    made = koshien()
    del made["stretches"]
    for pool in made["pools"].values():
        pool["networks"] = ["front"]
    made["pools"]["front-osaka"]["spill"] = list(spill)
    return made


def again(do: Callable[[Sentry], Any]) -> Any:
    """As a new process would do it."""
    sentry = hall()
    try:
        return do(sentry)
    finally:
        sentry.close()


def test_what_can_run_runs_and_the_rest_is_told(sentry: Sentry) -> None:
    goes_dark("public")
    report = sentry.apply(event(body()))
    assert report.outcome == "failed"
    assert hosts("private") == {"private-xeon1": 2, "private-opteron1": 2}
    assert members("private") == {10: 2, 2: 2}
    assert [line.partition(" not seen")[0] for line in report.left] == ["public: balancer", "public: pool"]


def test_its_servers_stand_where_the_spill_says_with_their_weights_and_stay_there(sentry: Sentry) -> None:
    goes_dark("public")
    wanted = event(body({"pool": "front-nara"}))
    sentry.apply(wanted)
    assert sum(hosts("private").values()) == 8
    assert sum(members("private").values()) == 8
    assert not servers("public")
    comes_back("public")
    report = again(lambda hall: hall.apply(wanted))
    assert report.outcome == "done"
    assert sum(hosts("private").values()) == 8
    assert not servers("public")
    assert again(lambda hall: hall.apply(wanted)).steps == ()


def test_what_stood_there_is_neither_missing_nor_made_again_without_a_spill(sentry: Sentry) -> None:
    wanted = event(body())
    sentry.apply(wanted)
    before = {server.id for server in servers("public")}
    goes_dark("public")
    assert again(lambda hall: hall.apply(wanted)).steps == ()
    comes_back("public")
    assert {server.id for server in servers("public")} == before
    assert again(lambda hall: hall.apply(wanted)).outcome == "done"


def test_members_of_a_dark_cloud_stay_in_a_balancer_that_answers(sentry: Sentry) -> None:
    made = body()
    made["balancers"]["nara"]["members"].append({"pool": "front-osaka"})
    wanted = event(made)
    sentry.apply(wanted)
    assert sum(members("private").values()) == 8
    goes_dark("public")
    made["pools"]["front-nara"]["pins"][0]["weight"] = 7
    again(lambda hall: hall.apply(event(made)))
    assert members("private") == {7: 2, 2: 2, 10: 4}


def test_nothing_is_removed_from_behind_a_balancer_that_does_not_answer(sentry: Sentry) -> None:
    sentry.apply(event(body()))
    with FakeBalancers.named("private").work() as state:
        state.faults.append(FaultRule("*", 1, "unreachable", times=10**6))
    smaller = body()
    smaller["pools"]["front-nara"]["pins"][0]["count"] = 1
    report = again(lambda hall: hall.apply(event(smaller)))
    assert report.outcome == "failed"
    assert hosts("private")["private-xeon1"] == 2


def test_status_tells_what_is_not_seen(sentry: Sentry) -> None:
    sentry.apply(event(body()))
    goes_dark("public")
    status = again(lambda hall: hall.status("koshien-2010"))
    assert {(line.kind, line.cloud) for line in status.drift} == {("unseen", "public")}
    assert len(status.servers) == 4


def test_destroy_removes_what_it_sees_and_says_that_it_did_not_see_all(sentry: Sentry) -> None:
    sentry.apply(event(body()))
    goes_dark("public")
    report = again(lambda hall: hall.destroy("koshien-2010"))
    assert report.outcome == "failed"
    assert not servers("private")
    assert any(line.startswith("public: pool not seen") for line in report.left)
    comes_back("public")
    assert again(lambda hall: hall.destroy("koshien-2010")).outcome == "done"
    assert not servers("public")


def test_with_no_cloud_left_the_run_refuses(sentry: Sentry) -> None:
    goes_dark("private")
    goes_dark("public")
    with pytest.raises(Unreachable):
        sentry.apply(event(body()))


def test_status_tells_which_services_do_not_answer_in_the_next_process_too(sentry: Sentry) -> None:
    sentry.apply(event(body()))
    goes_dark("public")
    again(lambda hall: hall.status("koshien-2010"))

    def told(hall: Sentry) -> list[tuple[str, str, str]]:
        return [(one.cloud, one.family, one.state) for one in hall.circuits()]

    assert again(told) == [("public", "balancer", "half-open"), ("public", "pool", "half-open")]
    comes_back("public")
    again(lambda hall: hall.status("koshien-2010"))
    assert again(told) == []
