"""The contract of a steering driver, on real means: nine fronts behind HAProxy, PowerDNS, HAProxy's map."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudsentry.clouds.hosts import host_of
from cloudsentry.drivers.steering.base import SteeringDriver, SteeringScope
from cloudsentry.drivers.steering.dns import DnsSteering
from cloudsentry.drivers.steering.prefix import PrefixSteering
from cloudsentry.drivers.steering.record import record_at, remember
from cloudsentry.drivers.steering.reference import ReferenceSteering
from cloudsentry.errors import Conflict, Denied, DriverError, NotSupported, Unreachable
from cloudsentry.records.marks import Mark
from cloudsentry.records.steering import Forget, Revert, SetShares, Steer, Target

from .steering_rig import AWAY, FARM_ADDRESS, HOME, NAME, NARA_ADDRESS, ZONE, Rig, free_port, longest, until

pytestmark = [pytest.mark.daemons, pytest.mark.enable_socket]
EVENT, UNIT = "koshien", "images"
SCOPE = SteeringScope(event=EVENT)
MARK = Mark(event=EVENT, unit=UNIT, op="op1", template="t1")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("steering"))
    try:
        made.begin()
        yield made
    finally:
        made.end()


class Case:
    """One driver at the rig's means."""

    def __init__(self, kind: str, rig: Rig, base: Path) -> None:
        self.kind, self.rig, self.base = kind, rig, base
        self.place = rig.api if kind == "dns" else "local"
        self.names = {"reference": (HOME, AWAY), "dns": (FARM_ADDRESS, NARA_ADDRESS), "prefix": ("stay", "cloud")}[kind]
        self.driver = self.fresh()

    def fresh(self) -> SteeringDriver:
        kinds: dict[str, Any] = {"reference": ReferenceSteering, "dns": DnsSteering, "prefix": PrefixSteering}
        made: SteeringDriver = kinds[self.kind](self.place, connect=lambda name: None)
        return made

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        fronts = [
            {"host": "local", "file": str(file), "server": f"koshien{number}"}
            for number, file in enumerate(self.rig.files, 1)
        ]
        known = {
            "reference": {"fronts": json.dumps(fronts), "socket": str(self.rig.socket), "backend": "farm"},
            "dns": {"name": NAME, "zone": ZONE, "ttl": "1"},
            "prefix": {"map": str(self.rig.map), "socket": str(self.rig.socket), "table": str(self.rig.table)},
        }[self.kind]
        return tuple(sorted(known.items()))

    def order(self, share: float) -> SetShares:
        home, away = self.names
        targets = (
            Target(name="farm", share=100 - share, to=(home,), home=True),
            Target(name="nara", share=share, to=(away,)),
        )
        return SetShares(unit=UNIT, targets=targets, options=self.options, mark=MARK)

    @property
    def steer(self) -> Steer | None:
        return self.driver.observe(SCOPE).named(UNIT)

    def set(self, share: float) -> None:
        order = self.order(share)
        self.driver.act(order)
        until(lambda: order.progress(self.driver.observe(SCOPE)).state == "done", 20)

    def back(self) -> None:
        order = Revert(unit=UNIT, event=EVENT)
        self.driver.act(order)
        until(lambda: order.progress(self.driver.observe(SCOPE)).state == "done", 20)

    def end(self) -> None:
        self.driver.act(Revert(unit=UNIT, event=EVENT))
        self.driver.act(Forget(unit=UNIT, event=EVENT))
        assert self.steer is None
        self.rig.reset()

    def written(self) -> object:
        """Everything that the driver could write, as it is."""
        running = self.rig.socket and _ask(self.rig, "show stat\n", "koshien")
        return {
            "reference": ([file.read_bytes() for file in self.rig.files], running),
            "dns": self.rig.zone(),
            "prefix": (self.rig.map.read_bytes(), sorted(_ask(self.rig, f"show map {self.rig.map}\n", " "))),
        }[self.kind]

    def given(self, lookups: int = 1000) -> float:
        """Percent of clients that really go to the cloud."""
        if self.kind == "reference":
            return self.rig.references(400).get("nara", 0.0)
        if self.kind == "dns":
            return self.rig.lookups(lookups).get("nara", 0.0)
        chance = random.Random(7)
        clients = [f"127.{chance.randint(1, 9)}.{chance.randint(0, 255)}.{chance.randint(1, 254)}" for _ in range(300)]
        told = [self.rig.sent_to(client) for client in clients]
        assert told == [longest(client, self.rig.map) for client in clients]
        return 100 * told.count("nara") / len(told)

    def meddle(self) -> None:
        """Somebody else changes what the driver wrote."""
        if self.kind == "reference":
            self.rig.files[-1].write_text(self.rig.files[0].read_text() + "<!-- a new page -->")
        elif self.kind == "dns":
            rrset = {"name": f"{NAME}.", "type": "AAAA", "ttl": 2, "changetype": "REPLACE"}
            records = [{"content": "2001:db8::9", "disabled": False}]
            self.rig.ask("PATCH", f"/zones/{ZONE}.", {"rrsets": [{**rrset, "records": records}]})
        else:
            self.rig.map.write_text("127.0.0.0/8 stay\n")


def _ask(rig: Rig, command: str, word: str) -> list[str]:
    from cloudsentry.clouds.hosts import host_of

    text = host_of("local").ask(str(rig.socket), command.encode()).decode()
    if command.startswith("show stat"):
        return [",".join(line.split(",")[i] for i in (1, 18)) for line in text.splitlines() if word in line]
    return [line.split(" ", 1)[1] for line in text.splitlines() if word in line]


@pytest.fixture(params=["reference", "dns", "prefix"])
def case(request: pytest.FixtureRequest, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.setenv("CLOUDSENTRY_BALANCER_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CLOUDSENTRY_PDNS_KEY_FILE", str(rig.key))
    made = Case(request.param, rig, tmp_path)
    try:
        yield made
    finally:
        made.end()


def test_observing_writes_nothing_and_names_what_is_missing(case: Case) -> None:
    before = case.written()
    view = case.driver.observe(replace(SCOPE, full=True, wanted=((UNIT, case.options),)))
    assert (view.steers, view.missing) == ((), ())
    gone = {"reference": ("backend", "none"), "dns": ("zone", "example.org"), "prefix": ("map", "/nowhere/map")}[
        case.kind
    ]
    options = tuple(sorted({**dict(case.options), gone[0]: gone[1]}.items()))
    assert any(
        gone[1] in line for line in case.driver.observe(replace(SCOPE, full=True, wanted=((UNIT, options),))).missing
    )
    assert case.written() == before


def test_clients_go_by_the_shares_and_home_again_to_the_byte(case: Case) -> None:
    before = case.written()
    case.set(25)
    assert case.steer is not None
    assert dict(case.steer.shares)["nara"] == pytest.approx(25, abs=1.0)
    # Answers are drawn at random, and so are the clients that ask the map.
    assert case.given(10_000) == pytest.approx(25, abs=2.0 if case.kind == "reference" else 6.0)
    case.set(62.5)
    assert case.given() == pytest.approx(62.5, abs=2.0 if case.kind == "reference" else 6.0)
    case.back()
    assert case.given() == 0
    case.driver.act(Forget(unit=UNIT, event=EVENT))
    assert case.written() == before
    assert not [path for path in (case.base / "state").rglob("*") if path.is_file()]


def test_twice_is_once_and_another_process_sees_the_same(case: Case) -> None:
    case.set(30)
    made = case.written()
    case.driver = case.fresh()
    case.driver.act(case.order(30))
    assert case.written() == made
    assert case.order(30).seen(case.driver.observe(SCOPE))
    case.back()
    case.driver.act(Revert(unit=UNIT, event=EVENT))
    assert case.steer is not None
    assert case.steer.state == "REVERTED"


def test_what_somebody_else_changed_is_told_and_mended(case: Case) -> None:
    case.set(30)
    case.meddle()
    assert case.steer is not None
    assert case.steer.state == "CHANGED"
    assert case.steer.detail
    case.set(30)
    if case.kind == "dns":
        # The address that somebody else gave the name is not one of the event's: it goes.
        assert (f"{NAME}.", "AAAA") not in case.rig.zone()
    assert case.given() == pytest.approx(30, abs=2.0 if case.kind == "reference" else 6.0)


def test_nobody_is_sent_where_nobody_serves_and_what_stands_is_not_forgotten(case: Case) -> None:
    before = case.written()
    asked = case.order(30)
    home, away = asked.targets
    with pytest.raises(Conflict):
        case.driver.act(replace(asked, targets=(home, replace(away, to=()))))
    assert case.written() == before
    case.set(30)
    with pytest.raises(Conflict):
        case.driver.act(Forget(unit=UNIT, event=EVENT))


def test_a_front_s_new_page_is_kept_when_clients_go_home(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSENTRY_BALANCER_DIR", str(tmp_path / "state"))
    case = Case("reference", rig, tmp_path)
    case.set(50)
    rig.files[-1].chmod(0o640)
    page = rig.files[-1].read_text() + "<!-- deployed meanwhile -->"
    rig.files[-1].write_text(page)
    case.set(50)
    assert rig.files[-1].read_text() == page
    assert rig.files[-1].stat().st_mode & 0o777 == 0o640
    case.back()
    assert rig.files[-1].read_text() == page.replace(AWAY, HOME)
    case.end()


@pytest.mark.parametrize("kind", ["reference", "prefix"])
def test_an_haproxy_that_is_gone_takes_its_weights_and_maps_along_and_the_files_are_put_back(
    kind: str, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSENTRY_BALANCER_DIR", str(tmp_path / "state"))
    case = Case(kind, rig, tmp_path)
    before = [file.read_bytes() for file in (*rig.files, rig.map)]
    case.set(30)
    assert [file.read_bytes() for file in (*rig.files, rig.map)] != before
    rig.kill_haproxy()
    try:
        with pytest.raises(Unreachable):
            case.driver.act(case.order(40))
        case.back()
        assert [file.read_bytes() for file in (*rig.files, rig.map)] == before
        case.driver.act(Forget(unit=UNIT, event=EVENT))
        assert case.steer is None
    finally:
        rig.start_haproxy()
    assert case.given() == 0


def test_a_front_that_is_gone_keeps_no_other_one_from_what_was_theirs(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSENTRY_BALANCER_DIR", str(tmp_path / "state"))
    case, dead = Case("reference", rig, tmp_path), "netns:gone-for-good"
    case.set(100)
    record = record_at(host_of("local"), EVENT, UNIT)
    assert record is not None
    fronts = json.loads(dict(record.options)["fronts"])
    fronts[0]["host"] = dead
    options = tuple((key, json.dumps(fronts) if key == "fronts" else text) for key, text in record.options)
    remember(host_of("local"), replace(record, options=options))

    with pytest.raises(DriverError, match=dead):
        case.driver.act(Revert(unit=UNIT, event=EVENT))
    assert all(AWAY not in file.read_text() for file in rig.files[1:])
    with pytest.raises(DriverError, match=dead):
        case.driver.act(Revert(unit=UNIT, event=EVENT))

    order = Revert(unit=UNIT, event=EVENT, forsaken=(dead,))
    case.driver.act(order)
    assert order.progress(case.driver.observe(SCOPE)).state == "done"
    case.end()


def test_an_answer_is_settled_only_when_the_old_ttl_has_run_out(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSENTRY_PDNS_KEY_FILE", str(rig.key))
    case = Case("dns", rig, tmp_path)
    began = time.monotonic()
    case.driver.act(case.order(25))
    told = case.order(25).progress(case.driver.observe(SCOPE))
    assert told.state == "waiting"
    assert "old answers" in told.detail
    case.set(25)
    assert time.monotonic() - began >= 2.0  # the TTL of what stood before
    case.end()


def test_a_wrong_key_and_no_server_are_errors_of_the_project(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDSENTRY_PDNS_KEY", "wrong-secret")
    with pytest.raises(Denied) as told:
        DnsSteering(rig.api, connect=lambda name: None).observe(SCOPE)
    assert "wrong-secret" not in str(told.value) + repr(DnsSteering(rig.api, connect=lambda name: None))
    with pytest.raises(Unreachable):
        DnsSteering(f"http://127.0.0.1:{free_port()}", connect=lambda name: None).observe(SCOPE)
    monkeypatch.delenv("CLOUDSENTRY_PDNS_KEY")
    monkeypatch.setenv("CLOUDSENTRY_PDNS_KEY_FILE", "/nowhere/key")
    with pytest.raises(Denied):
        DnsSteering(rig.api, connect=lambda name: None).observe(SCOPE)


def test_fronts_without_weights_refuse_what_they_cannot_give(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSENTRY_BALANCER_DIR", str(tmp_path / "state"))
    case = Case("reference", rig, tmp_path)
    options = tuple((key, value) for key, value in case.options if key == "fronts")
    before = case.written()
    with pytest.raises(NotSupported, match=r"nara 22.22 %"):
        case.driver.act(replace(case.order(25), options=options))
    assert case.written() == before
