"""What a move makes of its event, and which mover is chosen: pure."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import yaml

from cloudsentry.errors import UserError
from cloudsentry.migrate import Asked
from cloudsentry.planner import moves as planner
from cloudsentry.records.moving import Budget, Findings, Move
from cloudsentry.records.scaling import Demand
from cloudsentry.spec import moves as spec
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import dump, from_dict, load_text
from cloudsentry.spec.scaling import count_of

POOL: dict[str, Any] = {
    "site": "nara",
    "image": "tiny",
    "flavor": "nano",
    "networks": ["wide"],
    "pins": [
        {"hypervisor": "xeon1", "count": 3, "weight": 10},
        {"hypervisor": "opteron1", "count": 1, "weight": 2},
    ],
}


def event(**more: Any) -> Event:
    balancers = {"web": {"site": "nara", "network": "wide", "members": [{"pool": "front-nara", "port": 8080}]}}
    sites = {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}}
    return Event.model_validate(
        {"event": "cup", "sites": sites, "pools": {"front-nara": POOL}, "balancers": balancers} | more
    )


def way(*, joined: bool = True, hypervisors: tuple[str, ...] = ()) -> spec.Way:
    return spec.Way(pool="front-nara", new_pool="front-osaka", cloud="public", joined=joined, hypervisors=hypervisors)


def test_the_new_pool_is_named_after_its_site():
    assert spec.new_name(event(), "front-nara", "public") == "front-osaka"


def test_a_pool_on_one_layer_2_stays_behind_its_own_balancer_on_its_port():
    made = spec.weighed(event(), way(), 4, 0)
    assert [(member.pool, member.port) for member in made.balancers["web"].members] == [
        ("front-nara", 8080),
        ("front-osaka", 8080),
    ]
    new = made.pools["front-osaka"]
    assert (new.site, count_of(new.pins), {pin.weight for pin in new.pins}) == ("osaka", 4, {0})
    assert made.pools["front-nara"] == event().pools["front-nara"]


def test_a_pool_that_no_balancer_could_reach_is_refused():
    assert "not one layer 2" in spec.refusals(event(), way(joined=False))[0]
    assert spec.refusals(event(), way()) == ()


@pytest.mark.parametrize("joined", [True, False])
def test_every_revision_can_be_read_back(joined: bool):
    last = event()
    for made in (
        spec.weighed(last, way(joined=joined), 4, 0),
        spec.weighed(last, way(joined=joined), 4, 100),
        spec.emptied(last, "front-nara"),
        spec.dropped(spec.weighed(last, way(joined=joined), 4, 100), "front-nara", "front-osaka"),
        spec.adopted(last, way(joined=joined), "front-nara@xeon1"),
    ):
        assert from_dict(dump(made)) == made


def test_what_a_move_makes_may_be_applied_as_a_file_again():
    last = spec.dropped(spec.weighed(event(), way(), 4, 100), "front-nara", "front-osaka")
    assert load_text(yaml.safe_dump(dump(last)), "moved.yaml") == last


def test_hypervisors_asked_for_are_spread_over_with_the_highest_weight():
    made = spec.weighed(event(), way(hypervisors=("hv1", "hv2")), 4, 50)
    assert [(pin.hypervisor, pin.count, pin.weight) for pin in made.pools["front-osaka"].pins] == [
        ("hv1", 2, 5),
        ("hv2", 2, 5),
    ]


def test_waves_take_the_old_servers_in_proportion_and_end_with_none():
    left = [count_of(spec.shrunk(event(), way(), number).pools["front-nara"].pins) for number in (3, 2, 1, 0)]
    assert left == [3, 2, 1, 0]


def test_an_adopted_server_is_one_less_here_and_one_more_there():
    made = spec.adopted(event(), way(), "front-nara@xeon1")
    assert [pin.count for pin in made.pools["front-nara"].pins] == [2, 1]
    assert [(pin.place, pin.count, pin.weight) for pin in made.pools["front-osaka"].pins] == [(("any", ""), 1, 10)]
    again = spec.adopted(made, way(), "front-nara@xeon1")
    assert count_of(again.pools["front-osaka"].pins) == 2


def test_scaling_goes_over_to_the_heir():
    scaled = event(scaling={"front-nara": {"most": 8, "per_server": 500}})
    made = spec.dropped(spec.weighed(scaled, way(), 4, 100), "front-nara", "front-osaka")
    assert list(made.scaling) == ["front-osaka"]
    assert list(made.pools) == ["front-osaka"]


def test_a_balancer_without_anybody_else_keeps_the_empty_pool():
    made = spec.dropped(spec.emptied(event(), "front-nara"), "front-nara", "")
    assert count_of(made.pools["front-nara"].pins) == 0


def test_pools_are_replaced_and_servers_keep_their_disk():
    assert planner.choose(None, pool=True, behind_balancer=True)[0] == "replace"
    assert planner.choose(None, pool=False, behind_balancer=True)[0] == "image"
    assert planner.choose("image", pool=True, behind_balancer=True) == ("image", "asked for")


def test_the_estimate_goes_by_what_was_measured_between_these_two_clouds():
    def move(source: str, copied: int, seconds: float) -> Move:
        now = dt.datetime.now(dt.UTC)
        memo = {"copied": copied, "copy_seconds": seconds}
        return Move(
            event="cup", server="1", source=source, target="b", mover="image", memo=memo, started=now, updated=now
        )

    earlier = [move("a", 100 * planner.MIB, 1.0), move("a", 300 * planner.MIB, 1.0), move("c", 900 * planner.MIB, 1.0)]
    assert planner.rate(earlier, "a", "b") == 200 * planner.MIB
    assert planner.rate(earlier, "b", "a") == planner.RATE_UNKNOWN
    slow = planner.seconds("image", copy_bytes=planner.MIB * 400, per_second=planner.MIB, boots=[5.0], drain=2.0)
    fast = planner.seconds("image", copy_bytes=planner.MIB * 400, per_second=planner.MIB * 4, boots=[5.0], drain=2.0)
    assert slow - fast == 300


def test_within_a_cloud_a_server_goes_to_the_pin_of_its_new_hypervisor():
    made = spec.relocated(event(), "front-nara", "front-nara@xeon1", "xeon2")
    assert [(pin.hypervisor, pin.count, pin.weight) for pin in made.pools["front-nara"].pins] == [
        ("xeon1", 2, 10),
        ("opteron1", 1, 2),
        ("xeon2", 1, 10),
    ]
    emptied = spec.relocated(made, "front-nara", "front-nara@opteron1", "xeon2")
    assert [(pin.hypervisor, pin.count) for pin in emptied.pools["front-nara"].pins] == [("xeon1", 2), ("xeon2", 2)]


def test_a_server_that_is_pinned_to_no_hypervisor_keeps_its_unit():
    zoned = event(pools={"front-nara": {**POOL, "pins": [{"zone": "nova", "count": 2}]}})
    assert spec.relocated(zoned, "front-nara", "front-nara@zone:nova", "xeon2") == zoned


def test_a_quiet_window_is_after_a_match_that_the_move_would_reach_into():
    noon = dt.datetime(2010, 8, 7, 12, tzinfo=dt.UTC)
    hour = dt.timedelta(hours=1)
    match = Demand(name="final", start=noon, length=7200, ramp=1800, peak=100)
    assert planner.opens([match], noon - 2 * hour, 3600) == noon - 2 * hour
    assert planner.opens([match], noon - hour, 3600) == noon + 2.5 * hour
    assert planner.opens([match], noon + 2.4 * hour, 10) == noon + 2.5 * hour
    later = Demand(name="next", start=noon + 3 * hour, length=3600, ramp=0, peak=100)
    assert planner.opens([later, match], noon, 3600) == noon + 4 * hour


def test_a_planned_move_is_asked_for_by_its_name_and_what_is_said_goes_first():
    planned = event(moves={"evening": {"what": ["front-nara", "db"], "to": "osaka", "at_once": 3, "window": "quiet"}})
    asked = Asked(event="cup", what="evening", mover="image").resolved(planned)
    assert (asked.what, asked.group, asked.to, asked.mover) == ("front-nara", ("db",), "osaka", "image")
    assert (asked.budget, asked.window) == (Budget(at_once=3), "quiet")
    with pytest.raises(UserError, match="none of the event's moves"):
        Asked(event="cup", what="morning").resolved(planned)


def test_within_a_cloud_the_live_mover_is_chosen():
    assert planner.choose(None, pool=True, behind_balancer=True, within=True)[0] == "live"


def test_warm_is_chosen_where_its_gap_is_at_least_half_as_long():
    big, small = (Findings(copy_bytes=size * planner.MIB, hosted=True) for size in (20_000, 50))
    assert "while it runs" in planner.warmer(big, 5 * planner.MIB, [10.0])
    assert planner.warmer(small, 5 * planner.MIB, [10.0]) == ""
    assert planner.warmer(big, planner.LOCAL_RATE, [10.0]) == "", "beside each other the sites copy as fast"
    assert planner.warmer(Findings(copy_bytes=big.copy_bytes), 5 * planner.MIB, [10.0]) == ""


def test_the_gap_of_warm_does_not_hang_on_the_path_and_its_whole_does():
    slow, fast = ({"copy_bytes": 1000 * planner.MIB, "per_second": rate * planner.MIB} for rate in (1.0, 100.0))
    gaps = [planner.gap("warm", boots=[10.0], **path) for path in (slow, fast)]  # type: ignore[arg-type]
    assert gaps[0] - gaps[1] < 0.05 * (1000 - 10)
    assert planner.seconds("warm", boots=[10.0], drain=0.0, **slow) - gaps[0] == pytest.approx(1000)  # type: ignore[arg-type]
    assert planner.gap("replace", boots=[], **slow) == 0  # type: ignore[arg-type]
