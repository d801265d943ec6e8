"""A server that does not come up is tried on the next hypervisor, and never on the one that was full."""

from __future__ import annotations

from typing import Any

import pytest

from cloudsentry.drivers.mover.image.driver import ImageMover
from cloudsentry.drivers.mover.image.ends import Standing
from cloudsentry.errors import NoCapacity
from cloudsentry.records.marks import Mark
from cloudsentry.records.moving import Memo, MoveOrder
from cloudsentry.records.orders import Template


class Ends:
    """A target of which only some hypervisors take the server; the source is off."""

    def __init__(self, *full: str, known: tuple[str, ...] = ("hv1", "hv2", "hv3")) -> None:
        self.full, self.known, self.booted = full, known, list[tuple[str, str]]()
        self.server: Standing | None = None

    def old(self, order: MoveOrder) -> Standing:
        return Standing(id="old", status="SHUTOFF", off=True)

    def new(self, order: MoveOrder) -> Standing | None:
        return self.server

    def lacking_ports(self, order: MoveOrder) -> int:
        return 0

    def boot(self, order: MoveOrder, image: str) -> None:
        self.booted.append((order.hypervisor, order.mark.unit))
        where = order.hypervisor or "hv1"
        status = "ERROR" if where in self.full else "ACTIVE"
        self.server = Standing(id=f"s{len(self.booted)}", status=status, hypervisor=where)

    def remove_new(self, server: str) -> None:
        self.server = None

    def hypervisors(self) -> tuple[str, ...]:
        return self.known

    def keep_ports(self, order: MoveOrder, server: str) -> None:
        pass


class Mover(ImageMover):
    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        super().__init__("private", "public")

    def _connected(self, connect: Any) -> Any:
        return self.ends


def switched(ends: Ends, *hypervisors: str) -> Memo:
    order = MoveOrder(
        event="cup", pool="db", new_pool="db-osaka", source="private", target="public", driver="nova", count=1,
        server="old", hypervisor=hypervisors[0] if hypervisors else "", hypervisors=hypervisors,
        template=Template(image="i", flavor="m1"),
        mark=Mark(event="cup", unit=f"db-osaka@{hypervisors[0] if hypervisors else 'any'}", op="1"),
    )  # fmt: skip
    memo: Memo = {"copy": "image", "join-0-100": True, "serving-0-100": True}
    mover = Mover(ends)
    for _ in range(20):
        stride = mover.advance("switch", order, memo)
        memo = stride.memo
        if stride.state == "done":
            return memo
    raise AssertionError(memo)


def test_the_next_of_those_asked_for_takes_it_and_it_is_marked_so():
    ends = Ends("hv1")
    memo = switched(ends, "hv1", "hv2")
    assert ends.booted == [("hv1", "db-osaka@hv1"), ("hv2", "db-osaka@hv2")]
    assert (memo["on"], memo["avoid"]) == ("hv2", ["hv1"])


def test_where_the_scheduler_was_to_decide_its_failed_choice_is_avoided():
    ends = Ends("hv1")
    switched(ends)
    assert ends.booted == [("", "db-osaka@any"), ("hv2", "db-osaka@any")]


def test_one_hypervisor_that_was_asked_for_alone_is_tried_once():
    ends = Ends("hv1")
    with pytest.raises(NoCapacity):
        switched(ends, "hv1")
    assert len(ends.booted) == 1


def test_no_more_than_three_are_tried():
    ends = Ends("hv1", "hv2", "hv3", "hv4", known=("hv1", "hv2", "hv3", "hv4"))
    with pytest.raises(NoCapacity):
        switched(ends, *ends.known)
    assert [host for host, _ in ends.booted] == ["hv1", "hv2", "hv3"]
