"""The journal's own promises, kept on PostgreSQL and MariaDB as they are on SQLite."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudsentry.errors import Lost, SentryError
from cloudsentry.journal import Journal
from cloudsentry.journal.decisions import Decisions
from cloudsentry.journal.ownership import owned
from cloudsentry.journal.store import Store
from cloudsentry.journal.tables import HEAD, metadata
from tests.unit.journal import test_journal

pytestmark = pytest.mark.daemons

FILES_ONLY = {"tmp_path"}
"""Tests that ask for a folder are about SQLite's file."""

journal = test_journal.journal
for _name, _test in inspect.getmembers(test_journal, inspect.isfunction):
    if _name.startswith("test_") and not FILES_ONLY & set(inspect.signature(_test).parameters):
        globals()[_name] = _test


def test_up_and_down_one_by_one(url: str) -> None:
    store = Store(url)
    numbers = [f"{number:04}" for number in range(1, int(HEAD) + 1)]
    for number in [*reversed(numbers[:-1]), "base"]:
        store.migrate(number)
        assert store._version() == (None if number == "base" else number)
    with store._engine.connect() as connection:
        assert set(sa.inspect(connection).get_table_names()) <= {"alembic_version"}
    for number in numbers:
        store.migrate(number)
        assert store._version() == number
    with store._engine.connect() as connection:
        assert set(sa.inspect(connection).get_table_names()) - {"alembic_version"} == set(metadata.tables)
    store.close()


def test_a_revision_longer_than_mariadbs_text_and_in_any_script_comes_back_as_it_was(url: str) -> None:
    journal = Journal(url)
    body = '"' + "甲子園 🏟 " * 20_000 + '"'
    journal.revise("koshien", "d", body)
    found = journal.revision("koshien")
    assert found is not None
    assert found.body == body
    journal.close()


def test_names_that_differ_in_case_are_two(url: str) -> None:
    journal = Journal(url)
    journal.revise("Koshien", "d", "{}")
    journal.revise("koshien", "d", "{}")
    assert {row.name for row in journal.events()} == {"Koshien", "koshien"}
    journal.close()


def test_numbers_are_given_once_whoever_asks_at_the_same_time(url: str) -> None:
    journal, found, lock = Journal(url), [], threading.Lock()
    journal.revise("koshien", "d", "{}")

    def begin() -> None:
        number = journal.begin("koshien", 1, "apply", [])
        with lock:
            found.append(number)

    threads = [threading.Thread(target=begin) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 16
    journal.close()


def test_whoever_comes_later_shuts_out_whoever_came_before(url: str, tmp_path: Path) -> None:
    first, second, locks = Journal(url), Journal(url), f"file://{tmp_path}/locks"
    first.revise("koshien", "d", "{}")
    decisions = Decisions(url)
    with owned("koshien", locks, fences=first.fences) as early:
        run = first.under(early).begin("koshien", 1, "apply", [test_journal.step("s1")])
        assert second.fences.next("koshien") > early.token
        late, before = first.under(early), second.run(run)
        with pytest.raises(Lost, match="taken over by process"):
            late.intent(run, "s1", "op", 1)
        with pytest.raises(Lost):
            late.revise("koshien", "other", "{}")
        with pytest.raises(Lost):
            decisions.under(early).move([1], "done")
    assert second.run(run) == before
    assert second.revision("koshien").number == 1  # type: ignore[union-attr]
    for one in (first, second, decisions):
        one.close()


def test_a_writer_that_waits_for_a_later_holder_is_refused_after_the_wait(url: str, tmp_path: Path) -> None:
    """The token is read under the row's lock: there is no moment between the look and the write."""
    journal = Journal(url)
    journal.revise("koshien", "d", "{}")
    with owned("koshien", f"file://{tmp_path}/locks", fences=journal.fences) as early:
        other, raised = Store(url), []
        with other.writing() as db:
            db.execute(sa.text("UPDATE fences SET token = token + 1"))
            begun = threading.Event()

            def write() -> None:
                begun.set()
                try:
                    journal.under(early).begin("koshien", 1, "apply", [])
                except SentryError as error:
                    raised.append(type(error))

            thread = threading.Thread(target=write)
            thread.start()
            begun.wait()
            thread.join(0.5)
            assert thread.is_alive()  # it waits for the row
        thread.join(30)
        other.close()
    assert raised == [Lost]
    assert journal.runs("koshien") == ()
    journal.close()
