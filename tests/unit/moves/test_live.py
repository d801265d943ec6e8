"""The mover `live` against a Nova that answers as told: asked once, watched by its record, given up, brought back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cloudsentry.drivers.mover.live.driver import LiveMover
from cloudsentry.drivers.mover.live.ends import Guest, Migration
from cloudsentry.errors import NoCapacity
from cloudsentry.records.marks import Mark
from cloudsentry.records.moving import Findings, Memo, MoveOrder
from cloudsentry.records.orders import Template

ORDER = MoveOrder(
    event="cup",
    pool="front",
    new_pool="front",
    source="private",
    target="private",
    driver="nova",
    count=1,
    server="s1",
    name="front-1",
    hypervisor="xeon2",
    hypervisors=("xeon2",),
    template=Template(image="tiny", flavor="nano"),
    mark=Mark(event="cup", unit="front@xeon2", op="1"),
)


@dataclass
class Nova:
    """One server, and its migrations; each look at a running one brings it on."""

    server: Guest = field(default=Guest(status="ACTIVE", hypervisor="xeon1", unit="front@xeon1"))
    records: list[Migration] = field(default_factory=lambda: [Migration(id=7, status="completed", dest="xeon1")])
    fails: bool = False
    looks: int = 2
    asked: list[str] = field(default_factory=list)

    def check(self, order: MoveOrder) -> Findings:
        return Findings()

    def guest(self, order: MoveOrder) -> Guest:
        newest = self.records[0]
        if newest.status == "running":
            self.looks -= 1
            if self.looks <= 0:
                self.records[0] = replace(newest, status="error" if self.fails else "completed")
                where = self.server.hypervisor if self.fails else newest.dest
                self.server = replace(self.server, status="ACTIVE", task="", hypervisor=where)
        return self.server

    def migrations(self, order: MoveOrder) -> tuple[Migration, ...]:
        return tuple(self.records)

    def progress(self, order: MoveOrder, migration: Migration) -> Migration:
        return replace(migration, memory_total=512 * 2**20, memory_left=128 * 2**20)

    def migrate(self, order: MoveOrder, hypervisor: str) -> None:
        self.asked.append(hypervisor)
        self.records.insert(0, Migration(id=self.records[0].id + 1, status="running", dest=hypervisor))
        self.server = replace(self.server, status="MIGRATING", task="migrating")
        self.looks = 2

    def abort(self, order: MoveOrder, migration: int) -> None:
        self.asked.append(f"abort {migration}")
        self.records[0] = replace(self.records[0], status="cancelled")
        self.server = replace(self.server, status="ACTIVE", task="")

    def force(self, order: MoveOrder, migration: int) -> None:
        self.asked.append(f"force {migration}")

    def mark(self, order: MoveOrder, unit: str) -> None:
        self.server = replace(self.server, unit=unit)


class Mover(LiveMover):
    def __init__(self, nova: Nova) -> None:
        self.nova = nova
        super().__init__("private", "private")

    def _connected(self, connect: Any) -> Any:
        return self.nova


def through(mover: Mover, phase: Any, memo: Memo, details: list[str] | None = None) -> Memo:
    for _ in range(20):
        stride = mover.undo(ORDER, memo) if phase == "undo" else mover.advance(phase, ORDER, memo)
        memo = stride.memo
        if details is not None:
            details.append(f"{stride.detail} {stride.done}/{stride.wanted}")
        if stride.state == "done":
            return memo
    raise AssertionError(memo)


def began(nova: Nova) -> tuple[Mover, Memo]:
    mover = Mover(nova)
    return mover, through(mover, "prepare", {"unit": "front@xeon1"})


def test_it_is_asked_for_once_and_its_record_tells_how_far_it_is():
    nova, told = Nova(), list[str]()
    mover, memo = began(nova)
    memo = through(mover, "verify", through(mover, "copy", memo, told))
    assert nova.asked == ["xeon2"]
    assert "migration 8 running 384/512" in told
    assert (nova.server.hypervisor, nova.server.unit) == ("xeon2", "front@xeon2")


def test_a_lost_answer_is_settled_by_the_record_that_is_newer_than_the_move():
    nova = Nova()
    mover, memo = began(nova)
    nova.migrate(ORDER, "xeon2")  # the call whose answer was lost
    through(mover, "copy", memo)
    assert nova.asked == ["xeon2"]


def test_one_that_ends_in_error_is_no_room_there_and_the_server_is_where_it_was():
    mover, memo = began(Nova(fails=True))
    with pytest.raises(NoCapacity, match="xeon2 ended as error"):
        through(mover, "copy", memo)
    through(mover, "undo", memo)
    assert mover.nova.server.hypervisor == "xeon1"


def test_undoing_gives_up_what_is_under_way():
    nova = Nova()
    mover, memo = began(nova)
    nova.migrate(ORDER, "xeon2")
    nova.looks = 99
    through(mover, "undo", memo)
    assert nova.asked == ["xeon2", "abort 8"]
    assert (nova.server.hypervisor, nova.server.unit) == ("xeon1", "front@xeon1")


def test_undoing_brings_back_what_has_come_and_its_mark():
    nova = Nova()
    mover, memo = began(nova)
    memo = through(mover, "verify", through(mover, "copy", memo))
    through(mover, "undo", memo)
    assert nova.asked == ["xeon2", "xeon1"]
    assert (nova.server.hypervisor, nova.server.unit) == ("xeon1", "front@xeon1")


def test_only_what_runs_can_be_forced():
    nova = Nova()
    mover, memo = began(nova)
    assert not mover.force(ORDER, memo)
    nova.migrate(ORDER, "xeon2")
    assert mover.force(ORDER, memo | {"copy_after": 7})
    assert nova.asked[-1] == "force 8"


def test_another_cloud_is_refused():
    found = Mover(Nova()).check(replace(ORDER, target="public"))
    assert found.refusals == ("live moves stay within a cloud: private is not public",)
