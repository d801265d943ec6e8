"""What an event was steered by is gone for good: destroy goes on with all that is left, and says what it gave up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudsentry.drivers.balancer.fake.cloud import FakeBalancers
from cloudsentry.drivers.pool.fake.cloud import FaultRule
from cloudsentry.drivers.steering.fake import FakeSteers
from cloudsentry.errors import UserError
from cloudsentry.sentry import Sentry
from cloudsentry.spec.event import Event

from .house import event, koshien, servers
from .test_dark import again

PLACE = "front"


@pytest.fixture(autouse=True)
def steered() -> Iterator[None]:
    FakeSteers.forget()
    yield
    FakeSteers.forget()


def body() -> Event:
    made = koshien()
    del made["stretches"]
    for pool in made["pools"].values():
        pool["networks"] = ["front"]
    (name, *_) = made["balancers"]
    targets = {"farm": {"to": "192.0.2.1"}, "cloud": {"balancer": name, "share": 20}}
    made["steering"] = {"clients": {"driver": "fake", "at": PLACE, "home": "farm", "targets": targets}}
    return event(made)


def breaks(order: str) -> None:
    with FakeSteers.named(PLACE).work() as state:
        state.faults.append(FaultRule(order, 1, "unreachable", times=10**6))


def nothing_but_the_steering() -> bool:
    balancers = [one for cloud in ("private", "public") for one in FakeBalancers.named(cloud).state.balancers]
    return not balancers and not servers("private") and not servers("public")


def test_means_that_answer_and_do_not_let_go_keep_the_balancer_up_for_their_clients(sentry: Sentry) -> None:
    assert sentry.apply(body()).outcome == "done"
    breaks("Revert")
    report = again(lambda hall: hall.destroy("koshien-2010"))
    assert report.outcome == "failed"
    assert f"{PLACE}: steering clients" in report.left
    assert FakeBalancers.named("private").state.balancers


def test_means_that_do_not_let_go_hold_up_nothing_once_they_are_forsaken(sentry: Sentry) -> None:
    assert sentry.apply(body()).outcome == "done"
    breaks("Revert")
    report = again(lambda hall: hall.destroy("koshien-2010", forsaken=(PLACE,)))
    assert report.outcome == "failed"
    assert nothing_but_the_steering()
    assert report.left == (f"{PLACE}: steering clients",)


def test_a_place_that_does_not_answer_is_told_in_one_line_with_the_way_out(sentry: Sentry) -> None:
    sentry.apply(body())
    breaks("*")
    report = again(lambda hall: hall.destroy("koshien-2010"))
    assert report.outcome == "failed"
    assert nothing_but_the_steering()
    (line,) = report.left
    assert line.startswith(f"{PLACE}: steering not seen: ")
    assert line.endswith(f" (not given back: clients); if it is gone for good: --forsake {PLACE}")


def test_a_forsaken_place_is_given_up_and_the_event_has_ended(sentry: Sentry) -> None:
    sentry.apply(body())
    breaks("*")
    report = again(lambda hall: hall.destroy("koshien-2010", forsaken=(PLACE,)))
    assert (report.outcome, report.left) == ("done", ())
    (line,) = report.forsaken
    assert line.startswith(f"{PLACE}: steering not seen: ")
    assert line.endswith(" (not given back: clients)")
    row = again(lambda hall: hall.known("koshien-2010"))
    assert row is not None
    assert row.state == "gone"


def test_what_answers_is_not_forsaken(sentry: Sentry) -> None:
    sentry.apply(body())
    report = again(lambda hall: hall.destroy("koshien-2010", forsaken=(PLACE,)))
    assert (report.outcome, report.left, report.forsaken) == ("done", (), ())
    assert not FakeSteers.named(PLACE).state.steers


def test_a_place_that_the_event_does_not_touch_is_a_mistake(sentry: Sentry) -> None:
    sentry.apply(body())
    with pytest.raises(UserError, match=f"its places are {PLACE}, private, public"):
        again(lambda hall: hall.destroy("koshien-2010", forsaken=("frnot",)))
    assert servers("private")
