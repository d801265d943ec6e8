"""Agents on a real Redis: a lease that ended writes nothing more, and a dead agent's events are taken over."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.agents import servers
from cloudsentry.drivers.pool.fake import FakeCloud
from cloudsentry.errors import Lost, Owned, SentryError
from cloudsentry.journal import Journal
from cloudsentry.journal.ownership import Hold, owned
from cloudsentry.journal.store import Store
from cloudsentry.spec.load import digest, dump, load_text

pytestmark = pytest.mark.daemons

PROGRAM = str(Path(sys.executable).with_name("cloudsentry"))
PATIENCE = 300.0
LEASE = 2
HOLDER = """
import sys
import requests
from requests.adapters import BaseAdapter
from cloudsentry.clouds.calls import Counter, CountingAdapter
from cloudsentry.clouds.guard import guarded
from cloudsentry.errors import Lost
from cloudsentry.journal import Journal
from cloudsentry.journal.ownership import owned

class Wire(BaseAdapter):
    def send(self, request, **options):
        print("sent", request.headers.get("User-Agent"), flush=True)
    def close(self): pass

def tried(what, call):
    try:
        call()
        print(what, "done", flush=True)
    except Lost as error:
        print(what, "refused", flush=True)

journal_url, locks, lease = sys.argv[1], sys.argv[2], float(sys.argv[3])
journal = Journal(journal_url)
wire = CountingAdapter(Wire(), Counter())
post = requests.Request("POST", "http://cloud/servers").prepare()
get = requests.Request("GET", "http://cloud/servers").prepare()
with owned("koshien", locks, lease=lease, fences=journal.fences) as hold, guarded(hold):
    print("held", hold.token, flush=True)
    for line in sys.stdin:
        tried("journal", lambda: journal.under(hold).begin("koshien", 1, "apply", []))
        tried("cloud", lambda: wire.send(post))
        tried("look", lambda: wire.send(get))
        print("tried", flush=True)
"""


@pytest.fixture
def journal_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/journal.sqlite"
    journal = Journal(url)
    journal.revise("koshien", "d", "{}")
    journal.close()
    return url


class Holder:
    """A process that holds the event koshien, and tries to write when it is told to."""

    def __init__(self, journal: str, locks: str) -> None:
        command = [sys.executable, "-c", HOLDER, journal, locks, str(LEASE)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        word, self.token = self.line().split()
        assert word == "held"

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tries(self) -> list[str]:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return list(iter(self.line, "tried"))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture
def holder(journal_url: str, redis_url: str) -> Iterator[Holder]:
    until(lambda: free(redis_url))  # the test before this one may have killed its holder just now
    made = Holder(journal_url, redis_url)
    yield made
    made.go_on()
    made.process.kill()
    made.process.communicate()


def until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def free(url: str) -> bool:
    try:
        with owned("koshien", url, lease=LEASE):
            return True
    except Owned:
        return False


REFUSED = ["journal refused", "cloud refused", "sent None", "look done"]


def test_a_lease_is_renewed_for_as_long_as_its_process_lives(holder: Holder, redis_url: str) -> None:
    end = time.monotonic() + 2.5 * LEASE
    while time.monotonic() < end:
        assert not free(redis_url)
        time.sleep(0.2)
    done = holder.tries()
    assert [line for line in done if not line.startswith("sent")] == ["journal done", "cloud done", "look done"]
    assert f"event/koshien token/{holder.token} pid/{holder.process.pid}" in done[1]


def test_a_process_stopped_past_its_lease_writes_nothing_after_another_took_over(
    holder: Holder, redis_url: str, journal_url: str
) -> None:
    holder.stop()
    until(lambda: free(redis_url))
    journal = Journal(journal_url)
    with owned("koshien", redis_url, lease=30, fences=journal.fences) as mine:
        holder.go_on()
        assert holder.tries() == REFUSED
        journal.under(mine).begin("koshien", 1, "apply", [])
    assert len(journal.runs("koshien")) == 1
    journal.close()


def test_nor_does_it_where_nobody_took_over(holder: Holder, redis_url: str) -> None:
    holder.stop()
    until(lambda: free(redis_url))
    holder.go_on()
    assert holder.tries() == REFUSED


def test_the_holder_is_told_by_its_name_although_redis_knows_none(
    holder: Holder, redis_url: str, journal_url: str
) -> None:
    journal = Journal(journal_url)
    told = pytest.raises(Owned, match=rf"process {holder.process.pid} on \S+ since 20")
    with told, owned("koshien", redis_url, fences=journal.fences):
        pytest.fail("two processes hold one event")
    journal.close()


def test_a_lease_that_cannot_be_renewed_ends_by_its_own_clock(journal_url: str) -> None:
    journal = Journal(journal_url)
    with servers.redis() as lonely, owned("koshien", lonely, lease=LEASE, fences=journal.fences) as hold:
        hold.check()
        subprocess.run(["redis-cli", "-u", lonely, "FLUSHALL"], check=True, capture_output=True)
        until(lambda: over(hold))
        with pytest.raises(Lost):
            journal.under(hold).begin("koshien", 1, "apply", [])
    assert journal.runs("koshien") == ()
    journal.close()


def test_an_etcd_that_goes_under_a_held_lock_ends_the_lease_and_no_more(
    journal_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(journal_url)
    running = contextlib.ExitStack()
    url = running.enter_context(servers.etcd())
    with owned("koshien", url, lease=LEASE, fences=journal.fences) as hold:
        before = hold._until
        until(lambda: hold._until > before + LEASE)  # renewed more than once
        assert not free(url)
        running.close()
        until(lambda: over(hold))
        with pytest.raises(Lost):
            journal.under(hold).begin("koshien", 1, "apply", [])
    assert "Traceback" not in capfd.readouterr().err
    journal.close()


def over(hold: Hold) -> bool:
    try:
        hold.check()
    except Lost:
        return True
    return False


def test_a_password_of_the_backend_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # redis-py and tooz try a wrong password sixty times, with pauses of seconds.
    monkeypatch.setattr("redis.retry.sleep", lambda seconds: None)
    with (
        servers.redis("right-pw") as url,
        pytest.raises(SentryError) as raised,
        owned("koshien", url.replace("right-pw", "planted-pw")),
    ):
        pytest.fail("held without the password")
    assert "planted-pw" not in str(raised.value)


EVENT = """
event: agents-{n}
sites: {{here: {{cloud: fake-agents}}}}
pools:
  front:
    site: here
    driver: fake
    image: tiny
    flavor: nano
    networks: [front]
    pins: [{{hypervisor: xeon1, count: 2}}]
"""


def test_three_agents_share_events_and_take_over_those_of_one_that_is_killed(
    redis_url: str, postgresql_url: str, tmp_path: Path
) -> None:
    """Every event is brought up once, by whichever agent; a nudge mends without waiting for the next pass."""
    store = Store(postgresql_url)
    store.migrate("base")
    store.migrate("head")
    store.close()
    journal = Journal(postgresql_url)
    for n in range(4):
        event = load_text(EVENT.format(n=n), "event.yaml")
        journal.revise(event.event, digest(event), json.dumps(dump(event), sort_keys=True))
    conf = tmp_path / "cloudsentry.conf"
    conf.write_text(
        f"[journal]\nconnection = {postgresql_url}\n[ownership]\nbackend_url = {redis_url}\nlease = 10\n"
        "[executor]\nsettle = 0\npoll_least = 0.2\n"
    )
    env = {**os.environ, "CLOUDSENTRY_STATE_DIR": str(tmp_path / "state"), "CLOUDSENTRY_FAKE_DIR": str(tmp_path)}
    command = [PROGRAM, "--config-file", str(conf), "-v", "agent", "--every", "3600"]
    logs = [(tmp_path / f"agent-{n}.log").open("wb") for n in range(3)]
    agents = [subprocess.Popen(command, env=env, stderr=log) for log in logs]
    try:
        until(lambda: bool(journal.runs()))
        agents[0].kill()
        until(lambda: up(journal) == 4)
        nudge = [PROGRAM, "--config-file", str(conf), "event", "nudge", "agents-3"]
        before = len(journal.runs("agents-3"))
        with_fake(tmp_path, lambda state: state.servers["agents-3"].popitem())
        subprocess.run(nudge, env=env, check=True)
        until(lambda: len(journal.runs("agents-3")) > before and up(journal) == 4)
    finally:
        for agent in agents:
            agent.terminate()
            agent.wait(60)
        for log in logs:
            log.close()
    counts: dict[str, int] = {}
    with_fake(tmp_path, lambda state: counts.update({name: len(found) for name, found in state.servers.items()}))
    assert counts == {f"agents-{n}": 2 for n in range(4)}
    journal.close()


def up(journal: Journal) -> int:
    """Events whose newest run is done."""
    newest = {row.name: row.outcome for row in journal.events()}
    open_runs = {run.event: run.ended for run in reversed(journal.runs(limit=500))}
    return sum(outcome == "done" and open_runs.get(name) is not None for name, outcome in newest.items())


def with_fake(folder: Path, change: Callable[[FakeCloud], object]) -> None:
    before = os.environ.get("CLOUDSENTRY_FAKE_DIR")
    os.environ["CLOUDSENTRY_FAKE_DIR"] = str(folder)
    try:
        FakeCloud.forget()
        with FakeCloud.named("fake-agents").work() as state:
            change(state)
    finally:
        os.environ.pop("CLOUDSENTRY_FAKE_DIR")
        if before is not None:
            os.environ["CLOUDSENTRY_FAKE_DIR"] = before
        FakeCloud.forget()


@pytest.mark.parametrize("scheme", ["redis", "etcd3+http"])
def test_a_backend_that_is_gone_is_told_at_once_and_by_its_address(scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        url = f"{scheme}://:secret@127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        match = r"no .* at 127.0.0.1:\d+ \(Connection refused\): start it"
        with pytest.raises(SentryError, match=match) as told, owned("koshien", url, lease=LEASE):
            pass
    assert time.monotonic() - began < PATIENCE / 10
    assert "secret" not in str(told.value)
