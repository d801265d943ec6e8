"""`warm`: rounds while the server runs, and only then the stop; everything else is `image`'s."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudsentry.drivers.mover.image.ends import Copy, Standing
from cloudsentry.drivers.mover.warm import WarmMover
from cloudsentry.errors import Conflict
from cloudsentry.records.marks import Mark
from cloudsentry.records.moving import Findings, Memo, MoveOrder
from cloudsentry.records.orders import Template

ORDER = MoveOrder(
    event="cup", pool="db", new_pool="db-osaka", source="private", target="public", driver="nova", count=1,
    server="old", template=Template(image="i", flavor="m1", networks=("wide",)),
    mark=Mark(event="cup", unit="db-osaka@any", op="1"),
)  # fmt: skip


class Ends:
    """Notes what is asked, in order; each round sends what ``sent`` says next."""

    def __init__(self, *sent: int, hosted: bool = True, status: str = "ACTIVE") -> None:
        self.sent, self.hosted, self.status = list(sent), hosted, status
        self.asked: list[str] = []
        self.images: dict[str, Copy] = {}
        self.far: list[Copy] = []
        self.ports = 1

    def check(self, order: MoveOrder) -> Findings:
        return Findings(hosted=self.hosted)

    def old(self, order: MoveOrder) -> Standing:
        return Standing(id="old", status=self.status, off=self.status == "SHUTOFF")

    def stop(self, order: MoveOrder) -> None:
        self.asked.append("stop")
        self.status = "SHUTOFF"

    def snapshots(self, order: MoveOrder) -> tuple[Copy, ...]:
        return tuple(one for tag, one in self.images.items() if tag == order.tag)

    def snapshot(self, order: MoveOrder) -> None:
        self.asked.append("snapshot")
        self.images[order.tag] = Copy(id=order.tag, status="active", size=9, hash="sha512:1")

    def copies(self, order: MoveOrder) -> tuple[Copy, ...]:
        return tuple(self.far)

    def make_copy(self, order: MoveOrder, like: str) -> None:
        self.asked.append("make_copy")
        self.far = [Copy(id="far", status="queued")]

    def stage(self, order: MoveOrder, source: Copy) -> int:
        self.asked.append("stage")
        return self.sent.pop(0)

    def fill(self, order: MoveOrder, source: Copy, target: str) -> int:
        self.asked.append("fill")
        self.far = [replace(self.far[0], status="active", size=source.size, hash=source.hash)]
        return 3

    def drop(self, image: str, *, at_target: bool) -> None:
        self.images.pop(image, None)
        self.far = [one for one in self.far if one.id != image]

    def lacking_ports(self, order: MoveOrder) -> int:
        return self.ports

    def make_port(self, order: MoveOrder) -> None:
        self.asked.append("port")
        self.ports = 0


class Mover(WarmMover):
    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        super().__init__("private", "public")

    def _connected(self, connect: Any) -> Any:
        return self.ends


def through(ends: Ends, seconds: float, monkeypatch: pytest.MonkeyPatch) -> Memo:
    """Prepared and copied; each sending takes so many seconds."""
    now = iter(range(1000))
    monkeypatch.setattr("time.monotonic", lambda: next(now) * seconds)
    mover, memo = Mover(ends), {"quiet-0-100": True}
    for phase in ("prepare", "copy"):
        for _ in range(40):
            stride = mover.advance(phase, ORDER, memo)  # type: ignore[arg-type]
            memo = stride.memo
            if stride.state == "done":
                break
        else:
            raise AssertionError(memo)
    return memo


def test_everything_that_can_be_done_is_done_before_the_stop(monkeypatch: pytest.MonkeyPatch):
    ends = Ends(100)
    memo = through(ends, 1.0, monkeypatch)
    assert ends.asked == ["snapshot", "make_copy", "stage", "port", "stop", "snapshot", "fill"]
    assert (memo["copy"], memo["gap_sent"]) == ("far", 3)


def test_rounds_go_on_as_long_as_each_leaves_less(monkeypatch: pytest.MonkeyPatch):
    ends = Ends(100, 40, 30, 20)
    memo = through(ends, 60.0, monkeypatch)
    assert [one["sent"] for one in memo["rounds"]] == [100, 40, 30]
    assert ends.asked.count("stop") == 1


def test_no_round_is_begun_for_less_than_its_snapshot_costs(monkeypatch: pytest.MonkeyPatch):
    ends = Ends(100, 40)
    assert len(through(ends, 2.0, monkeypatch)["rounds"]) == 1


def test_the_path_is_measured_by_the_first_round(monkeypatch: pytest.MonkeyPatch):
    memo = through(Ends(100, 90), 60.0, monkeypatch)
    assert (memo["copied"], memo["copy_seconds"], memo["gap_seconds"]) == (100, 60.0, 60.0)


def test_a_server_that_is_off_has_no_rounds(monkeypatch: pytest.MonkeyPatch):
    ends = Ends(status="SHUTOFF")
    through(ends, 1.0, monkeypatch)
    assert ends.asked == ["port", "snapshot", "make_copy", "fill"]


def test_snapshots_of_rounds_go_with_the_others(monkeypatch: pytest.MonkeyPatch):
    ends = Ends(100)
    memo = through(ends, 1.0, monkeypatch)
    ends.images["cloudsentry-move-1-1"] = Copy(id="cloudsentry-move-1-1", status="active")
    assert Mover(ends)._drop_images(ORDER, memo) == 3
    assert (ends.images, ends.far) == ({}, [])


def test_a_target_without_a_conversion_host_is_refused_before_anything_is_touched():
    assert any("conversion_host" in reason for reason in Mover(Ends(hosted=False)).check(ORDER).refusals)
    assert Mover(Ends()).check(ORDER).refusals == ()


@pytest.mark.parametrize("status", ["ACTIVE", "SHUTOFF"])
def test_a_snapshot_that_never_comes_is_given_up(status: str, monkeypatch: pytest.MonkeyPatch):
    """Nova takes the image of a snapshot that failed away."""
    ends = Ends(100, status=status)
    monkeypatch.setattr(ends, "snapshots", lambda order: ())
    with pytest.raises(Conflict, match="3 snapshots"):
        through(ends, 1.0, monkeypatch)
    assert ends.asked.count("snapshot") == 3


def test_a_server_in_error_is_not_touched():
    ends = Ends(status="ERROR")
    with pytest.raises(Conflict):
        Mover(ends).advance("prepare", ORDER, {})
    assert ends.asked == []
