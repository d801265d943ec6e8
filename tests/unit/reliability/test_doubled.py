"""A create that takes effect long after its answer was given up has been made twice: the next apply removes one."""

from __future__ import annotations

import dataclasses

from cloudsentry.drivers.balancer.fake.cloud import FakeBalancers
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
