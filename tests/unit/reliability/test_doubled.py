"""A create that takes effect long after its answer was given up has been made twice: the next apply removes one."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from cloudsentry import running
from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.balancer.fake.cloud import FakeBalancers
from cloudsentry.drivers.pool.fake.cloud import FakeCloud
from cloudsentry.errors import SentryError
from cloudsentry.records.reports import Note
from cloudsentry.sentry import Sentry

from .house import event, hall, koshien


def test_of_a_balancer_that_was_made_twice_the_one_with_members_stays(sentry: Sentry) -> None:
    sentry.apply(event(koshien()))
    with FakeBalancers.named("private").work() as state:
        ((key, stands),) = list(state.balancers.items())
        late = dataclasses.replace(stands.balancer, id="0" + stands.balancer.id, members=())
        state.balancers["0" + key] = dataclasses.replace(stands, balancer=late)
    after = hall()
    try:
        assert [line.kind for line in after.status("koshien-2010").drift] == ["surplus"]
        assert after.apply(event(koshien())).outcome == "done"
        left = [one.balancer for one in FakeBalancers.named("private").state.balancers.values()]
        assert [one.id for one in left] == [stands.balancer.id]
        assert len(left[0].members) == 4
        assert after.apply(event(koshien())).steps == ()
    finally:
        after.close()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("late", [0, 40, 4000])
def test_a_call_may_come_long_after_its_announcement_and_its_effect_is_waited_for(
    sentry: Sentry, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    # A process is killed while it looks names up of a slow service, or in the very call: nobody knows which.
    begun = dt.datetime.now(dt.UTC)
    with FakeCloud.named("private").work() as state:
        state.faults.append(FaultRule("CreateServers", 1, "kill_before"))

    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr("os.kill", die)
    with pytest.raises((Killed, SentryError)):
        sentry.apply(event(koshien()))
    with FakeCloud.named("private").work() as state:
        state.faults.clear()
    after, notes = hall(), list[Note]()
    monkeypatch.setattr(after._clock, "wall", lambda: begun + dt.timedelta(seconds=late))
    try:
        assert after.apply(event(koshien()), listen=notes.append).outcome == "done"
    finally:
        after.close()
    waited = any(note.verb == "settle" for note in notes)
    assert waited == (late < running.LATE + after._pace.settle)
