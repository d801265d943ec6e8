"""kill -9, for real: an announced call is remembered, and a dead holder holds nothing."""

import datetime as dt
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from cloudsentry.errors import Owned, SentryError, UserError
from cloudsentry.journal import Journal
from cloudsentry.journal.ownership import owned

ANNOUNCE = """
import sys
from cloudsentry.journal import Journal
from cloudsentry.records.orders import DeleteServers
from cloudsentry.records.plans import Step
order = DeleteServers(unit="u", ids=("a",))
names = dict(unit="u", family="pool", driver="nova", cloud="c", verb="v", action="remove")
step = Step(id="s", subject=order, why="w", **names)
journal = Journal(sys.argv[1])
journal.revise("koshien", "d", "{}")
run = journal.begin("koshien", 1, "apply", [step])
journal.intent(run, "s", "op-1", 1)
print("announced", flush=True)
sys.stdin.read()
"""

HOLD = """
import sys
from cloudsentry.journal.ownership import owned
with owned("koshien", sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def process(code, argument):
    """A process that has printed its line and now waits for its stdin to end."""
    with subprocess.Popen(
        [sys.executable, "-c", code, argument], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout.readline()
        yield started
        started.kill()


@pytest.fixture
def locks(tmp_path):
    return f"file://{tmp_path}/state/locks"


def test_an_intent_outlives_the_process_that_announced_it(tmp_path):
    url = f"sqlite:///{tmp_path}/journal.sqlite"
    with process(ANNOUNCE, url) as started:
        started.send_signal(signal.SIGKILL)
        assert started.wait() == -signal.SIGKILL
    journal = Journal(url)
    (found,) = journal.open_intents("koshien", dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5))
    assert (found.op, found.step, found.attempt) == ("op-1", "s", 1)
    run = journal.run(found.run)
    assert (run.ended, run.outcome, run.pid) == (None, None, started.pid)
    journal.close()


def test_a_held_event_is_refused_by_name_and_free_after_kill_9(locks):
    with process(HOLD, locks) as started:
        with pytest.raises(Owned, match=rf"process {started.pid} on \S+ since 20"), owned("koshien", locks):
            pytest.fail("two processes hold one event")
        with owned("another", locks):
            pass
        started.send_signal(signal.SIGKILL)
        started.wait()
        with owned("koshien", locks):
            pass


def test_an_event_is_held_once_within_a_process_and_given_back(locks):
    with owned("koshien", locks), pytest.raises(Owned), owned("koshien", locks):
        pytest.fail("held twice")
    with pytest.raises(ZeroDivisionError), owned("koshien", locks):
        _ = 1 / 0
    with owned("koshien", locks):
        pass


def test_the_locks_are_their_owners_alone(locks, tmp_path):
    with owned("koshien", locks):
        assert (tmp_path / "state/locks").stat().st_mode & 0o777 == 0o700


def test_a_backend_that_does_not_exist_is_the_users_fault():
    with pytest.raises(UserError, match="no driver for carrier-pigeon"), owned("koshien", "carrier-pigeon://loft"):
        pytest.fail("held by nobody")


def test_a_backend_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SentryError, match="file backend failed"), owned("koshien", f"file://{tmp_path}/file/locks"):
        pytest.fail("held by nobody")
