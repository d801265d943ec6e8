"""What the journal promises to whoever runs an event, and to whoever looks afterwards."""

import datetime as dt
import os
import sqlite3
import threading

import pytest

from cloudsentry.errors import SentryError, UserError
from cloudsentry.journal import Journal
from cloudsentry.records.orders import DeleteServers
from cloudsentry.records.plans import Step
from cloudsentry.records.reports import Counts, Report, StepReport

LONG_AGO = dt.datetime(2010, 8, 7, tzinfo=dt.UTC)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/state/journal.sqlite"


@pytest.fixture
def journal(url):
    opened = Journal(url)
    yield opened
    opened.close()


def step(name, why="one too many"):
    return Step(
        id=name,
        unit="web/hv1",
        family="pool",
        driver="nova",
        cloud="nara",
        verb="delete",
        action="remove",
        subject=DeleteServers(unit="web/hv1", ids=("a",)),
        why=why,
    )


def report(run, outcome="done"):
    steps = (StepReport(id="s1", unit="web/hv1", cloud="nara", verb="delete", outcome="done", seconds=2.5, attempts=2),)
    return Report(
        run=run,
        event="koshien",
        goal="apply",
        outcome=outcome,
        seconds=3.5,
        writes=4,
        reads=9,
        steps=steps,
        servers=Counts(wanted=8, active=8, misplaced=0),
        left=("nothing",),
    )


def test_the_same_digest_is_the_same_revision_and_another_one_is_new(journal):
    first = journal.revise("koshien", "d1", '{"a": 1}')
    assert journal.revise("koshien", "d1", '{"a": 1}') == first
    assert journal.revise("koshien", "d2", "{}").number == 2
    # Back to what was wanted first: that is a rollback, and history says so.
    assert journal.revise("koshien", "d1", '{"a": 1}').number == 3
    assert journal.revision("koshien", 1) == first
    assert journal.revision("koshien").number == 3
    assert journal.revision("koshien", 9) is None
    assert journal.revision("nobody") is None


def test_a_body_is_kept_as_it_is_and_stays_out_of_repr(journal):
    body = '{"user_data": "pässword ' + "x" * 100_000 + '"}'
    kept = journal.revise("koshien", "d1", body)
    assert journal.revision("koshien").body == body
    assert "ssword" not in repr(kept)


def test_a_run_is_told_with_its_steps_and_its_report(journal):
    journal.revise("koshien", "d1", "{}")
    run = journal.begin("koshien", 1, "apply", [step("s2"), step("s1", why="é")])
    journal.intent(run, "s1", "op-1", 1)
    journal.intent(run, "s1", "op-2", 2)
    journal.step_ended(run, "s1", "done", 2)
    journal.add_steps(run, [step("s1"), step("s3")])
    journal.run_ended(run, report(run))
    told = journal.run(run)
    assert [(line.step, line.state, line.op, line.attempts) for line in told.steps] == [
        ("s2", "planned", "", 0),
        ("s1", "done", "op-2", 2),
        ("s3", "planned", "", 0),
    ]
    done = told.steps[1]
    assert done.why == "é"
    assert done.started < done.called <= done.ended
    assert done.ended.tzinfo is dt.UTC
    assert told.report == report(run)
    assert (told.outcome, told.writes, told.reads, told.pid) == ("done", 4, 9, os.getpid())


def test_events_tell_their_newest_revision_and_the_last_run_that_ended(journal):
    journal.revise("koshien", "d1", "{}")
    journal.revise("aaa", "d1", "{}")
    journal.revise("koshien", "d2", "{}")
    first = journal.begin("koshien", 1, "apply", [])
    journal.run_ended(first, report(first, outcome="failed"))
    journal.begin("koshien", 2, "apply", [])
    told = journal.events()
    assert [(row.name, row.state, row.revision, row.runs, row.outcome) for row in told] == [
        ("aaa", "kept", 1, 0, ""),
        ("koshien", "kept", 2, 2, "failed"),
    ]
    journal.event_gone("koshien")
    assert journal.event("koshien").state == "gone"
    assert journal.revision("koshien").number == 2
    journal.revise("koshien", "d2", "{}")
    assert journal.event("koshien").state == "kept"
    assert journal.event("nobody") is None


def test_runs_come_newest_first_and_of_one_event_where_asked(journal):
    for event in ("one", "two", "one"):
        journal.revise(event, "d", "{}")
        journal.begin(event, 1, "apply", [])
    assert [run.id for run in journal.runs()] == [3, 2, 1]
    assert [run.id for run in journal.runs("one")] == [3, 1]
    assert [run.id for run in journal.runs(limit=1)] == [3]
    with pytest.raises(UserError, match="no run 77"):
        journal.run(77)


def test_only_calls_without_an_end_are_open(journal):
    journal.revise("koshien", "d1", "{}")
    journal.revise("other", "d1", "{}")
    run = journal.begin("koshien", 1, "apply", [step("s1"), step("s2"), step("s3")])
    other = journal.begin("other", 1, "apply", [step("s1")])
    journal.intent(run, "s1", "op-ended", 1)
    journal.step_ended(run, "s1", "failed", 1, "no room")
    journal.intent(run, "s2", "op-open", 3)
    journal.intent(other, "s1", "op-other", 1)
    (found,) = journal.open_intents("koshien", LONG_AGO)
    assert (found.run, found.step, found.op, found.attempt, found.cloud) == (run, "s2", "op-open", 3, "nara")
    assert journal.open_intents("koshien", found.called) == ()
    later = dt.datetime.now(dt.timezone(dt.timedelta(hours=9)))
    assert journal.open_intents("koshien", later) == ()


def test_an_intent_of_an_unknown_step_is_refused(journal):
    journal.revise("koshien", "d1", "{}")
    run = journal.begin("koshien", 1, "apply", [])
    with pytest.raises(LookupError):
        journal.intent(run, "never planned", "op", 1)


def test_threads_write_side_by_side_and_nothing_is_lost(journal):
    journal.revise("koshien", "d1", "{}")
    names = [f"s{number}" for number in range(24)]
    run = journal.begin("koshien", 1, "apply", [step(name) for name in names])

    def work(mine):
        for name in mine:
            journal.intent(run, name, f"op-{name}", 1)
            journal.step_ended(run, name, "done", 1)
            journal.revise("koshien", f"d-{name}", "{}")

    threads = [threading.Thread(target=work, args=(names[first::6],)) for first in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(line.state, line.op) for line in journal.run(run).steps} == {("done", f"op-{name}") for name in names}
    assert journal.revision("koshien").number == 25


def test_the_file_is_its_owners_alone(journal, tmp_path):
    journal.revise("koshien", "d1", "{}")
    folder = tmp_path / "state"
    assert folder.stat().st_mode & 0o777 == 0o700
    files = list(folder.iterdir())
    assert "journal.sqlite" in {path.name for path in files}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_a_reader_does_not_wait_for_a_writer(journal, tmp_path):
    journal.revise("koshien", "d1", "{}")
    other = sqlite3.connect(tmp_path / "state/journal.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert journal.events()[0].name == "koshien"
    finally:
        other.close()


@pytest.mark.parametrize("url", ["", "nonsense", "nosuchdb://h/x", "post gres:secret"])
def test_a_url_that_is_none_is_the_users_fault(url):
    with pytest.raises(UserError, match=r"\[journal\] connection") as caught:
        Journal(url)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_told_as_such(tmp_path):
    path = tmp_path / "journal.sqlite"
    path.write_text("not a database, but long enough to be read as one" * 40)
    with pytest.raises(SentryError, match="cannot be used"):
        Journal(f"sqlite:///{path}")
