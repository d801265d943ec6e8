"""A single server goes by `warm` where its check finds that worth it, and by what was asked for where it was."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from cloudsentry.migrate import Asked
from cloudsentry.migrate.asking import Asking
from cloudsentry.records.moving import Findings, Move
from cloudsentry.records.reports import ServerLine
from cloudsentry.spec.event import Event

EVENT = Event.model_validate(
    {
        "event": "cup",
        "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
        "pools": {
            "db": {
                "site": "nara",
                "image": "tiny",
                "flavor": "nano",
                "networks": ["wide"],
                "pins": [{"count": 1, "weight": 1}],
            }
        },
    }
)
LINE = ServerLine(
    cloud="private", unit="db@any", name="db-1", id="s1", status="ACTIVE", hypervisor="", pinned="", placed=True,
    address="10.9.0.3", weight=None, member="",
)  # fmt: skip


def chosen(why: str, asked: str | None = None, refused: str = "") -> tuple[str, str]:
    """(mover, why): ``why`` is what the estimate says for warm, ``refused`` what it is refused for."""

    def check(mover: Any, order: Any) -> Findings:
        return Findings(hosted=True, refusals=(refused,) if refused and mover == "warm" else ())

    def mover(move: Move) -> Any:
        return move.mover

    asking = Asking(
        event=EVENT, servers=(LINE,), mover=mover, check=check, unplannable=lambda event: (),
        warmer=lambda move, found: why,
    )  # fmt: skip
    (one,) = asking.candidates(Asked(event="cup", what="db-1", to="osaka", mover=asked))
    return one.move.mover, one.why


def test_warm_where_the_estimate_is_for_it():
    assert chosen("a gap of 9 s") == ("warm", "a gap of 9 s")
    assert chosen("")[0] == "image"


@pytest.mark.parametrize("mover", ["image", "live"])
def test_what_is_asked_for_is_taken(mover: str):
    assert chosen("a gap of 9 s", asked=mover)[0] == mover


def test_image_where_warm_would_be_refused():
    assert chosen("a gap of 9 s", refused="no room")[0] == "image"


def test_the_servers_of_a_pool_are_looked_at_side_by_side_and_listed_in_order():
    together = threading.Barrier(4, timeout=20)

    def check(mover: Any, order: Any) -> Findings:
        together.wait()
        return Findings()

    lines = tuple(replace(LINE, id=f"s{number}", name=f"db-{number}") for number in range(4))
    asking = Asking(
        event=EVENT, servers=lines, mover=lambda move: move.mover, check=check, unplannable=lambda event: (), at_once=4
    )  # fmt: skip
    found = asking.candidates(Asked(event="cup", what="db", to="osaka", mover="image"))
    assert [one.move.server for one in found] == ["s0", "s1", "s2", "s3"]
