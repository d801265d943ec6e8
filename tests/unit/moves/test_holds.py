"""A move writes under the leases that its process holds, and once one is over nothing more."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudsentry.clouds.guard import asked
from cloudsentry.errors import Lost
from cloudsentry.journal import Journal
from cloudsentry.journal.moves import Moves
from cloudsentry.journal.ownership import Hold, owned
from cloudsentry.migrate.holds import Holds
from cloudsentry.records.moving import Move


@contextlib.contextmanager
def taken(name: str) -> Iterator[Hold]:
    yield Hold(name, 1000.0, token=len(name))


def test_writes_bear_the_event_where_it_is_held_and_its_moves_where_not():
    holds = Holds(taken)
    with holds.alone("cup"):
        with holds.event("cup", False), holds.writing("cup"):
            assert asked().startswith("event/cup.move token/8 ")
        with holds.event("cup", True), holds.writing("cup"):
            assert asked().startswith("event/cup token/3 ")
    assert (holds.moves_of("cup"), holds.of("cup")) == (None, None)


@pytest.mark.parametrize("which", ["moves_of", "of"])
def test_once_either_lease_is_over_no_cloud_is_written_to(which: str):
    holds = Holds(taken)
    with holds.alone("cup"), holds.event("cup", True), holds.writing("cup"):
        assert asked()
        getattr(holds, which)("cup").end()
        with pytest.raises(Lost):
            asked()
    assert asked() == ""


def test_a_later_holder_of_the_moves_shuts_an_earlier_one_out_of_the_journal(tmp_path: Path):
    url, locks = f"sqlite:///{tmp_path}/journal.sqlite", f"file://{tmp_path}/locks"
    journal, moves, now = Journal(url), Moves(url), dt.datetime.now(dt.UTC)
    holds = Holds(lambda name: owned(name, locks, fences=journal.fences))
    move = Move(event="cup", server="s", source="a", target="a", mover="live", started=now, updated=now)
    with holds.alone("cup"):
        hold = holds.moves_of("cup")
        assert hold is not None
        kept = moves.under(hold).add(move)
        assert journal.fences.next("cup.move") > hold.token
        with pytest.raises(Lost):
            moves.under(hold).turn(kept.id, "done")
    assert moves.get(kept.id).state == "open"
    moves.close()
    journal.close()
