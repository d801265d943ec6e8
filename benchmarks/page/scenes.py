"""The afternoon of a match in scenes: fakes with two sites, made to stand as they would on the day."""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "unit"))

from web.site import TOKEN, Site

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.drivers.steering.fake.means import FakeSteers
from cloudsentry.drivers.stretch.fake import FakeStretches
from cloudsentry.journal.decisions import DecisionRow, Decisions
from cloudsentry.journal.moves import Moves
from cloudsentry.picture import Sample
from cloudsentry.records.moving import Move
from cloudsentry.records.stretching import Probe

__all__ = ["SCENES", "TOKEN", "earlier"]

EVENT = """
event: summer
title: National tournament, live site
calendar:
  timezone: UTC
  from: {first}
  until: {last}
  matches:
    - {{match: final, start: "{start}", length: 2h, ramp: 40m, finale: 20m, crowd: 5000, uncertainty: 0.1}}
sites: {{nara: {{cloud: private}}, osaka: {{cloud: public}}}}
pools:
  front-nara: &front
    site: nara
    driver: fake
    image: tiny
    flavor: nano
    networks: [front]
    pins:
      - {{hypervisor: xeon1, count: {nara}, weight: 10}}
      - {{hypervisor: opteron1, count: {nara}, weight: 2}}
  front-osaka:
    <<: *front
    site: osaka
    pins:
      - {{hypervisor: xeon1, count: {osaka}, weight: 10}}
      - {{hypervisor: xeon2, count: {osaka}, weight: 10}}
stretches:
  origin-link: {{driver: fake, between: [nara, osaka]}}
balancers:
  nara: {{site: nara, driver: fake, network: front, members: [{{pool: front-nara}}]}}
  osaka: {{site: osaka, driver: fake, network: front, members: [{{pool: front-osaka}}]}}
steering:
  images:
    driver: fake
    home: farm
    targets:
      farm: {{to: farm.example}}
      nara: {{balancer: nara, share: {share}}}
      osaka: {{balancer: osaka, share: {share}}}
scaling:
  front-osaka: {{policy: calendar, least: 2, most: 8, per_server: 900}}
"""


def rest(folder: Path) -> Site:
    """Twenty hours before the match."""
    return _site(folder, 20 * 3600, nara=1, osaka=1, share=10)


def ramp(folder: Path) -> Site:
    """Ten minutes before the match: most servers are there, two still boot, and the load is as it was announced."""
    site = _site(folder, 600, nara=2, osaka=4, share=30)
    with FakeCloud.named("public").work() as state:
        for one in list(state.servers["summer"].values())[-2:]:
            one.server, one.looks = replace(one.server, status="BUILD"), 10**6
    _decided(site, 4300.0, "forecast", "the crowd follows those of the last three finals")
    return site


def trouble(folder: Path) -> Site:
    """In the match: a link that is silent, servers that are lost, shares that are not real, a failed run and move."""
    folder.mkdir(parents=True, exist_ok=True)
    sick = [{"cloud": "public", "family": "mover", "failures": 5, "rest": 30.0}]
    (folder / "circuits.json").write_text(json.dumps(sick))
    site = _site(folder, -1200, nara=2, osaka=3, share=30)
    with FakeCloud.named("public").work() as state:
        state.faults.append(FaultRule("CreateServers", 1, "denied", times=100))
    site.stage.text = site.stage.text.replace("count: 3", "count: 4")
    site.stage.sentry.apply(_event(site))
    with FakeCloud.named("public").work() as state:
        for one in list(state.servers["summer"].values())[:2]:
            one.server, one.looks = replace(one.server, status="ERROR"), 10**6
    for cloud in ("private", "public"):
        with FakeStretches.named(cloud).work() as state:
            for end in state.ends.values():
                end.end = replace(end.end, probe=Probe(by="gateway", up=cloud == "private", loss=12.5, rtt=41.0))
    with FakeSteers.named("local").work() as state:
        for key, steer in state.steers.items():
            shares = (("farm", 70.0), ("nara", 30.0), ("osaka", 0.0))
            state.steers[key] = replace(steer, shares=shares, detail="changed by hand on front3")
    _decided(site, 5600.0, "load", "5600 requests/s were measured, 8 servers are the most that there may be")
    moves, now = Moves(site.stage.settings.journal.connection), dt.datetime.now(dt.UTC)
    moves.add(
        Move(
            event="summer",
            server="front-nara-2",
            source="private",
            target="public",
            mover="live",
            phase="copy",
            attempts=2,
            error="does not converge: it writes faster than the link carries",
            started=now - dt.timedelta(minutes=7),
            updated=now,
        )
    )
    moves.close()
    return site


SCENES: dict[str, Callable[[Path], Site]] = {"rest": rest, "ramp": ramp, "trouble": trouble}


def earlier(site: Site) -> None:
    """Samples of the three hours before, as a hook that was open since then would have taken them."""
    (one,) = site.watch._events.values()
    event, now = _event(site), time.time()
    demands = event.calendar.demands() if event.calendar else ()
    others = sum(pin.count for pin in event.pools["front-nara"].pins)
    past = []
    for at in range(int(now) - 3 * 3600, int(now) - 30, 60):
        when = dt.datetime.fromtimestamp(at, dt.UTC)
        crowd, near = sum(one.at(when) for one in demands), any(0 < d.begins.timestamp() - at < 900 for d in demands)
        servers = max(2, min(8, -(-int(crowd) // 900) + 1, 8)) if crowd or near else 2
        past.append(
            Sample(
                at=float(at),
                wanted=servers + others,
                active=servers + others,
                crowd=crowd,
                capacity=servers * 900.0,
                measured=crowd * (0.93 + 0.05 * ((at // 60) % 3)) if crowd else None,
            )
        )
    one.samples.extendleft(reversed(past))


def _site(folder: Path, until: float, *, nara: int, osaka: int, share: int) -> Site:
    for known in (FakeStretches.forget, FakeSteers.forget):
        known()
    folder.mkdir(parents=True, exist_ok=True)
    start = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=until)
    first, last = start - dt.timedelta(days=3), start + dt.timedelta(days=3)
    text = EVENT.format(
        first=f"{first:%Y-%m-%d}",
        last=f"{last:%Y-%m-%d}",
        start=f"{start:%Y-%m-%d %H:%M}",
        nara=nara,
        osaka=osaka,
        share=share,
    )
    site = Site(folder, text)
    site.stage.applied()
    for cloud in ("private", "public"):
        with FakeStretches.named(cloud).work() as state:
            for end in state.ends.values():
                end.end = replace(end.end, probe=Probe(by="gateway", up=True, loss=0.0, rtt=40.2))
    return site


def _event(site: Site):  # type: ignore[no-untyped-def]
    from cloudsentry.spec.load import load_text

    return load_text(site.stage.text, "summer.yaml")


def _decided(site: Site, demand: float, rule: str, why: str) -> None:
    now = dt.datetime.now(dt.UTC)
    decisions = Decisions(site.stage.settings.journal.connection)
    decisions.add(
        DecisionRow(
            event="summer",
            pool="front-osaka",
            source="agent",
            policy="calendar",
            rule=rule,
            current=6,
            wanted=8,
            state="done",
            at=now,
            until=now + dt.timedelta(minutes=30),
            demand=demand,
            reasons=(why,),
            inputs={},
        )
    )
    decisions.close()
