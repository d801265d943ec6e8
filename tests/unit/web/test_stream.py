"""What a viewer is sent: everything first, then what changed, and never so much that it falls behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.drivers.steering.fake.means import FakeSteers
from cloudsentry.drivers.stretch.fake import FakeStretches
from cloudsentry.records.stretching import Probe
from cloudsentry.web.stream import BEHIND, VIEWERS, Viewer, told_to
from web.site import Site, event_text


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, event_text())
    made.stage.applied()
    made.watch.wake = lambda: None  # type: ignore[method-assign]  # pictures are taken by the tests themselves
    picture(made)
    yield made
    made.close()


def picture(site: Site) -> None:
    site.watch._hear()
    site.watch.look("summer")
    site.watch.publish()


def rows(message: tuple[str, str] | None) -> dict[tuple[str, str], Any]:
    assert message is not None
    return {(kind, id_): row for _, kind, id_, row in json.loads(message[1])}


def test_a_viewer_gets_everything_and_then_only_what_changed(site: Site) -> None:
    async def watched() -> None:
        viewer = site.watch.join(asyncio.get_running_loop())
        assert viewer is not None
        first = await viewer.next(5)
        assert first is not None
        assert first[0] == "all"
        assert rows(first)["unit", "scale-test front@xeon1"]["active"] == 1
        assert sum(kind == "server" for kind, _ in rows(first)) == 3
        picture(site)
        quiet = rows(await viewer.next(5))
        assert {kind for kind, _ in quiet} == {"looked", "sample"}
        site.stage.text = event_text(servers=4)
        site.stage.applied()
        picture(site)
        changed = rows(await viewer.next(5))
        assert changed["unit", "scale-test front@xeon1"]["active"] == 2
        assert ("unit", "scale-test static@xeon2") not in changed
        site.stage.sentry.destroy("summer")
        picture(site)
        gone = rows(await viewer.next(5))
        assert gone["unit", "scale-test front@xeon1"] is None
        assert gone["event", ""] is None

    asyncio.run(watched())


def test_a_look_that_fails_keeps_what_was_seen_and_says_why(site: Site) -> None:
    with FakeCloud.named("scale-test").work() as state:
        state.faults.append(FaultRule("observe", 1, "denied", times=1000))
    picture(site)
    (now,) = site.watch.now()
    assert "denied" in now.trouble
    assert now.seen is not None
    assert sum(unit.active for unit in now.seen.units) == 3


def test_who_is_too_far_behind_gets_everything_instead(site: Site) -> None:
    async def slow() -> None:
        viewer = Viewer(asyncio.get_running_loop())
        for number in range(BEHIND + 1):
            viewer.send("some", str(number), lambda: "everything")
        await asyncio.sleep(0)
        assert await viewer.next(5) == ("all", "everything")
        assert await viewer.next(0.01) is None

    asyncio.run(slow())


def test_viewers_leave_room_for_alarms_and_leave_when_they_go(site: Site) -> None:
    async def crowd() -> None:
        loop = asyncio.get_running_loop()
        viewers = [site.watch.join(loop) for _ in range(VIEWERS)]
        assert site.watch.join(loop) is None
        assert viewers[0] is not None
        stream = told_to(site.watch, viewers[0])
        assert (await anext(stream)).startswith("retry:")
        assert (await anext(stream)).startswith("event: all\ndata: [")
        await stream.aclose()  # type: ignore[attr-defined]
        assert site.watch.join(loop) is not None

    asyncio.run(crowd())


def test_streams_end_when_the_watch_is_closed(site: Site) -> None:
    async def ended() -> None:
        viewer = site.watch.join(asyncio.get_running_loop())
        assert viewer is not None
        site.watch.close()
        assert [part async for part in told_to(site.watch, viewer)] == ["retry: 2000\n\n"]

    asyncio.run(ended())


TWO_SITES = (
    event_text().replace("{cloud: scale-test}", "{cloud: scale-test}, osaka: {cloud: far-test}")
    + """
stretches: {link: {driver: fake, between: [nara, osaka]}}
steering:
  images: {driver: fake, home: farm, targets: {farm: {to: farm.example}, nara: {balancer: front, share: 30}}}
"""
)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Site]:
    FakeStretches.forget()
    FakeSteers.forget()
    made = Site(tmp_path, TWO_SITES)
    made.stage.applied()
    made.watch.wake = lambda: None  # type: ignore[method-assign]
    picture(made)
    yield made
    made.close()


def shown(site: Site) -> dict[tuple[str, str], Any]:
    return {(kind, id_): row for (_, kind, id_), row in site.watch._rows.items()}


def test_stretches_are_shown_with_their_probes_and_never_with_their_offers(far: Site) -> None:
    with FakeStretches.named("far-test").work() as state:
        for one in state.ends.values():
            one.end = replace(one.end, probe=Probe(by="gateway", up=False, loss=100.0))
    picture(far)
    near, sick = shown(far)["stretch", "link scale-test"], shown(far)["stretch", "link far-test"]
    assert (near["joined"], near["alive"]) == (True, None)
    assert (sick["alive"], sick["loss"]) == (False, 100.0)
    assert "offer" not in near


def test_steering_is_shown_as_wanted_and_as_it_is(far: Site) -> None:
    with FakeSteers.named("local").work() as state:
        for key, steer in state.steers.items():
            state.steers[key] = replace(steer, shares=(("farm", 100.0), ("nara", 0.0)))
    picture(far)
    assert [(row["wanted"], row["share"]) for (kind, _), row in shown(far).items() if kind == "steer"] == [
        (70.0, 100.0),
        (30.0, 0.0),
    ]


def test_a_pool_stands_against_its_crowd_and_its_servers_answer_by_their_weight(far: Site) -> None:
    pool = shown(far)["pool", "front"]
    assert (pool["wanted"], pool["active"], pool["needed"]) == (2, 2, 8)
    assert pool["answers"] == 500 + 500 / 5
    assert shown(far)["host", "scale-test opteron1"]["answers"] == 100
    assert shown(far)["host", "scale-test xeon2"]["answers"] is None, "its pool is not scaled"


def test_a_circuit_of_one_of_the_events_clouds_is_shown_and_no_other(tmp_path: Path) -> None:
    sick = [{"cloud": cloud, "family": "mover", "failures": 5, "rest": 30.0} for cloud in ("scale-test", "elsewhere")]
    (tmp_path / "circuits.json").write_text(json.dumps(sick))
    made = Site(tmp_path, event_text())
    made.stage.applied()
    made.watch.wake = lambda: None  # type: ignore[method-assign]
    picture(made)
    found = {key: row for key, row in shown(made).items() if key[0] == "circuit"}
    made.close()
    assert list(found) == [("circuit", "scale-test mover")]
    assert found["circuit", "scale-test mover"]["failures"] == 5
