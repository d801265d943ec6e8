"""The balancers that are daemons, real ones: HAProxy and Apache in a network namespace, real clients, real members.

Needs root, haproxy, apache2, wrk and iproute2; what is missing is a failure.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloudsentry.clouds.hosts import host_of
from cloudsentry.drivers.balancer.apache import ApacheBalancer, render
from cloudsentry.drivers.balancer.apache.console import Console
from cloudsentry.drivers.balancer.base import BalancerDriver, BalancerScope
from cloudsentry.drivers.balancer.haproxy import HaproxyBalancer
from cloudsentry.errors import Busy, Conflict, Denied, NotSupported, Unreachable
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import AwaitMembers, CreateBalancer, DeleteBalancer, Drain, Monitor, SetMembers
from cloudsentry.records.progress import Progress
from cloudsentry.records.serving import answers
from cloudsentry.records.views import Balancer, Member

pytestmark = [pytest.mark.daemons, pytest.mark.enable_socket]

RIG = Path(__file__).parent / "balancer_rig"
VIP = "10.87.0.254"
PLACES = ("10.87.0.1", "10.87.0.2", "10.87.0.3", "10.87.0.4", "fd87::5")
QUICK, SLOW = 8080, 80
"""Ports of the members: HAProxies that answer at once, and the Python server with 25 KB bodies."""
MARK = Mark(event="koshien", unit="front", op="op1", template="t1")


class Rig:
    """A namespace with clients and members; its processes end with it."""

    def __init__(self, folder: Path) -> None:
        self.name, self.folder = f"cs-test-{os.getpid()}", folder
        self.place = f"netns:{self.name}"
        self.processes: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("ip", "link", "set", "lo", "up")
        for address in PLACES:
            self.run("ip", "address", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo")
        self.run("ip", "address", "add", f"{VIP}/32", "dev", "lo")
        fronts = "".join(
            f"frontend r{number}\n bind {_joined(address, QUICK)}\n"
            " http-request return status 200 content-type text/plain string answered\n"
            for number, address in enumerate(PLACES)
        )
        config = self.folder / "quick.cfg"
        config.write_text(
            f"global\n stats socket {self.folder}/quick.sock\n fd-hard-limit 8192\ndefaults\n mode http\n"
            f" timeout client 60s\n timeout connect 1s\n timeout server 60s\n{fronts}"
        )
        self.start("haproxy", "-db", "-f", str(config))
        counts = str(self.folder / "counts.json")
        self.slow = self.start(
            sys.executable, str(RIG / "backends.py"), counts, *(_joined(address, SLOW) for address in PLACES)
        )
        until(lambda: Path(counts).exists() and (self.folder / "quick.sock").exists(), 10)

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(10)
        subprocess.run(["ip", "netns", "delete", self.name], check=True)

    def run(self, *argv: str) -> str:
        inside = ["ip", "netns", "exec", self.name, *argv]
        return subprocess.run(inside, check=True, capture_output=True, text=True, timeout=60).stdout

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        inside = ["ip", "netns", "exec", self.name, *argv]
        process = subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    def served_quick(self) -> dict[str, int]:
        """Requests answered by each quick member so far, counted by the members themselves."""
        text = host_of("local").ask(str(self.folder / "quick.sock"), b"show stat\n").decode().removeprefix("# ")
        rows = {row["pxname"]: int(row["req_tot"]) for row in csv.DictReader(text.splitlines()) if row["req_tot"]}
        return {address: rows[f"r{number}"] for number, address in enumerate(PLACES)}

    def served_slow(self) -> dict[str, int]:
        """The same of the Python server."""
        path = self.folder / "counts.json"
        path.unlink()
        self.slow.send_signal(signal.SIGUSR1)
        until(path.exists, 5)
        counts = json.loads(path.read_text())
        return {address: counts.get(_joined(address, SLOW), 0) for address in PLACES}

    def load(self, path: str, clients: int, rate: float) -> Callable[[], dict[str, int]]:
        """Steady clients on kept connections; call what comes back to stop them and read their counts."""
        url = f"http://{VIP}:80{path}"
        process = self.start(sys.executable, str(RIG / "clients.py"), url, str(clients), str(rate))

        def stop() -> dict[str, int]:
            out, _ = process.communicate(b"", timeout=30)
            counts: dict[str, int] = json.loads(out)
            return counts

        return stop


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def until(happened: Callable[[], object], seconds: float) -> None:
    """Return when it has happened; fail after ``seconds``."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not after {seconds} s"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    assert os.geteuid() == 0, "these tests make network namespaces: run them as root"
    lacking = [
        name
        for name in ("haproxy", "apache2", "wrk", "ip")
        if not shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    ]
    assert not lacking, f"not installed: {', '.join(lacking)}"
    made = Rig(tmp_path_factory.mktemp("rig"))
    try:
        made.begin()
        yield made
    finally:
        made.end()


class Case:
    """One driver at the rig's place, and what a test asks of it."""

    def __init__(self, driver: BalancerDriver, rig: Rig) -> None:
        self.driver, self.rig = driver, rig

    @property
    def balancer(self) -> Balancer | None:
        return self.driver.observe(BalancerScope(event=MARK.event)).named(MARK.unit)

    def create(self, monitor: Monitor | None = None) -> None:
        order = CreateBalancer(unit=MARK.unit, name="koshien-front", address=VIP, monitor=monitor, mark=MARK)
        self.driver.act(order)
        self.done(order)

    def done(self, order: CreateBalancer | SetMembers | Drain) -> None:
        began = time.monotonic()
        until(
            lambda: (
                order.progress(self.driver.observe(BalancerScope(event=MARK.event)), time.monotonic() - began).state
                == "done"
            ),
            20,
        )

    def set(self, port: int, weights: dict[str, int]) -> None:
        """Members by the last part of their address."""
        members = tuple(
            Member(name=f"server-{address[-1]}", address=address, port=port, weight=weights[address[-1]], mark=MARK)
            for address in PLACES
            if address[-1] in weights
        )
        order = SetMembers(unit=MARK.unit, mark=MARK, members=members)
        self.driver.act(order)
        self.done(order)

    def healthy(self, last: str) -> None:
        """Wait until a member has passed its checks."""
        until(lambda: any(m.address[-1] == last and m.operating == "ONLINE" for m in self.balancer.members), 10)  # type: ignore[union-attr]

    def weights(self) -> dict[str, int]:
        return {member.address: member.weight for member in self.balancer.members}  # type: ignore[union-attr]

    def destroy(self) -> None:
        if self.balancer is not None:
            self.driver.act(DeleteBalancer(unit=MARK.unit, id=self.balancer.id))


@pytest.fixture(params=[HaproxyBalancer, ApacheBalancer], ids=["haproxy", "apache"])
def case(request: pytest.FixtureRequest, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.setenv("CLOUDSENTRY_BALANCER_DIR", f"/run/cs-test-{os.getpid()}")
    made = Case(request.param(rig.place, connect=lambda name: None), rig)
    try:
        yield made
    finally:
        made.destroy()
        shutil.rmtree(f"/run/cs-test-{os.getpid()}", ignore_errors=True)


def folder() -> Path:
    return Path(f"/run/cs-test-{os.getpid()}")


def processes() -> list[str]:
    """Command lines that name the state folder."""
    lines = (Path(f"/proc/{pid}/cmdline") for pid in os.listdir("/proc") if pid.isdigit())
    found = []
    for path in lines:
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder()) in text:
            found.append(text)
    return found


def test_nobody_is_sent_here_before_a_member_has_answered_its_monitor(case: Case) -> None:
    case.create(Monitor(path="/", delay=1, timeout=1, retries=1))
    nobody = (Member(name="server-1", address=PLACES[0], port=9, weight=10, mark=MARK),)
    case.driver.act(SetMembers(unit=MARK.unit, mark=MARK, members=nobody))

    def waits() -> Progress:
        return AwaitMembers(unit=MARK.unit, asks="GET /").progress(case.driver.observe(BalancerScope(event=MARK.event)))

    assert (waits().state, waits().detail) == (
        "waiting",
        f"no member has answered GET /: {PLACES[0]} port 9 is OFFLINE",
    )
    somebody = (*nobody, Member(name="server-2", address=PLACES[1], port=QUICK, weight=10, mark=MARK))
    case.driver.act(SetMembers(unit=MARK.unit, mark=MARK, members=somebody))
    assert waits().state == "waiting"
    until(lambda: waits().state == "done", 10)
    assert "Non-2xx" not in case.rig.run("wrk", "-t", "1", "-c", "4", "-d", "1s", f"http://{VIP}:80/")


def test_shares_are_the_weights_over_fifty_thousand_requests(case: Case) -> None:
    case.create()
    case.set(QUICK, {"1": 10, "2": 10, "3": 2, "4": 2})
    before = case.rig.served_quick()
    asked = 0
    while asked < 50_000:
        told = case.rig.run("wrk", "-t", "1", "-c", "24", "-d", "2s", f"http://{VIP}:80/")
        assert "Socket errors" not in told
        assert "Non-2xx" not in told
        asked += int(re.search(r"(\d+) requests in", told)[1])  # type: ignore[index]
    served = {address: count - before[address] for address, count in case.rig.served_quick().items()}
    total = sum(served.values())
    shares = {address: 100 * count / total for address, count in served.items()}
    print(f"{total} requests: {shares}")
    assert total >= 50_000
    for address, weight in zip(PLACES, (10, 10, 2, 2, 0), strict=True):
        assert shares[address] == pytest.approx(100 * weight / 24, abs=2.0), shares


def test_no_request_fails_while_members_come_change_drain_and_go(case: Case) -> None:
    case.create(Monitor(path="/", delay=1, timeout=1, retries=1))
    case.set(SLOW, {"1": 10, "2": 10})
    case.healthy("1")
    case.healthy("2")
    images, downloads = case.rig.load("/image", 20, 200), case.rig.load("/slow", 6, 6)
    began = time.monotonic()
    until(lambda: sum(case.rig.served_slow().values()) > 300, 10)
    case.set(SLOW, {"1": 10, "2": 10, "3": 2, "5": 4})  # two come, one of them with IPv6 only
    case.healthy("3")
    case.healthy("5")
    case.set(SLOW, {"1": 2, "2": 10, "3": 10, "5": 10})  # weights change
    before = case.rig.served_slow()
    until(lambda: case.rig.served_slow()["fd87::5"] > before["fd87::5"] + 50, 10)
    case.set(SLOW, {"1": 0, "2": 10, "3": 10, "5": 10})  # one drains, while downloads are under way on it
    case.done(Drain(unit=MARK.unit, ids=("server-1",), seconds=8.0))
    drained = case.rig.served_slow()
    case.set(SLOW, {"2": 10, "3": 10, "5": 10})  # it goes
    until(lambda: case.rig.served_slow()["10.87.0.2"] > drained["10.87.0.2"] + 50, 10)
    left = case.rig.served_slow()
    case.set(SLOW, {"1": 10, "2": 10, "3": 10, "5": 10})  # and comes back
    case.healthy("1")
    until(lambda: case.rig.served_slow()["10.87.0.1"] > left["10.87.0.1"] + 50, 10)
    seconds = time.monotonic() - began
    for counts in (images(), downloads()):
        assert counts["failed"] == 0, counts
    assert case.rig.served_slow()["10.87.0.1"] > left["10.87.0.1"]
    # The monitor's own checks aside (1 a second and one under way), who was drained is asked nothing more.
    assert left["10.87.0.1"] - drained["10.87.0.1"] <= seconds + 2


def test_a_newcomer_is_asked_nothing_before_its_checks_and_the_write_waits_for_them(case: Case) -> None:
    case.create(Monitor(path="/", delay=1, timeout=1, retries=1))
    case.set(SLOW, {"1": 10})
    images = case.rig.load("/image", 5, 50)
    members = (
        Member(name="server-1", address="10.87.0.1", port=SLOW, weight=10, mark=MARK),
        Member(name="server-9", address="10.87.0.9", port=SLOW, weight=10, mark=MARK),  # ACTIVE, but nothing listens
    )
    order = SetMembers(unit=MARK.unit, mark=MARK, members=members)
    case.driver.act(order)
    assert order.progress(case.driver.observe(BalancerScope(event=MARK.event))).state == "waiting"
    case.done(order)  # in the end the checks had their time
    counts = images()
    assert counts["failed"] == 0, counts
    assert counts["good"] > 50


def test_a_newcomer_for_whom_places_must_be_freed_is_not_trusted_either(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "GROWTH", 2)  # Apache's places for members that come later
    case.create(Monitor(path="/", delay=1, timeout=1, retries=1))
    case.set(QUICK, {"1": 10, "2": 10})
    case.healthy("1")
    case.healthy("2")
    stay = tuple(Member(name=f"server-{last}", address=f"10.87.0.{last}", port=QUICK, weight=10) for last in (1, 2))
    dead = Member(name="server-9", address="10.87.0.9", port=QUICK, weight=10)
    order = SetMembers(unit=MARK.unit, mark=MARK, members=tuple(replace(one, mark=MARK) for one in (*stay, dead)))

    def taken() -> bool:
        try:
            case.driver.act(order)
        except Busy:
            return False
        return True

    def given() -> set[str]:
        members = case.balancer.members if case.balancer else ()
        return {member.address for member in members if answers(member)}

    seen = [given()]
    until(lambda: taken() or seen.append(given()), 20)
    assert case.weights()["10.87.0.9"] == 10
    assert all(found == {"10.87.0.1", "10.87.0.2"} for found in (*seen, given()))


def test_clients_with_ipv4_are_served_by_a_member_with_ipv6_alone(case: Case) -> None:
    case.create()
    case.set(QUICK, {"5": 1})
    told = case.rig.run("wrk", "-t", "1", "-c", "2", "-d", "1s", f"http://{VIP}:80/")
    assert "Non-2xx" not in told
    assert int(re.search(r"(\d+) requests in", told)[1]) > 100  # type: ignore[index]


def test_after_a_restart_members_and_weights_are_the_same(case: Case) -> None:
    case.create()
    case.set(QUICK, {"1": 7, "2": 0, "5": 3})
    case.set(QUICK, {"1": 9, "2": 0, "5": 3})
    before = case.weights()
    pid = int((folder() / MARK.event / MARK.unit / "pid").read_text())
    os.killpg(pid, signal.SIGKILL)
    until(lambda: not processes(), 10)
    assert case.balancer is not None
    assert case.balancer.provisioning == "ERROR"
    case.create()  # finds its file, and starts from it
    assert case.weights() == before == {"10.87.0.1": 9, "10.87.0.2": 0, "fd87::5": 3}


def test_a_member_added_by_hand_is_kept_and_told_apart(case: Case) -> None:
    case.create()
    case.set(QUICK, {"1": 5})
    _add_by_hand(case, _joined("10.87.0.4", QUICK))
    case.set(QUICK, {"2": 6})
    assert case.balancer is not None
    found = {member.address: member.mark is not None for member in case.balancer.members}
    assert found == {"10.87.0.2": True, "10.87.0.4": False}
    files = "".join(path.read_text() for path in (folder() / MARK.event / MARK.unit).glob("*.c*f*"))
    assert _joined("10.87.0.4", QUICK) in files  # and a restart keeps it


def _add_by_hand(case: Case, where: str) -> None:
    if isinstance(case.driver, HaproxyBalancer):
        commands = f"add server members/by-hand {where} weight 3;enable server members/by-hand\n"
        host_of("local").ask(str(next(folder().glob("*.sock"))), commands.encode())
        return
    assert isinstance(case.driver, ApacheBalancer)
    from cloudsentry.drivers.balancer.instance import instances

    found = instances(host_of(case.rig.place), str(folder()), MARK.event, "apache")
    console = Console(case.driver._daemon(found[0]))
    console.tell([(("b_wyes", "1"), ("b_nwrkr", f"http://{where}"))])
    console.tell([(("w", f"http://{where}"), ("w_lf", "3"), ("w_status_D", "0"))])
    console.close()


def test_made_twice_is_one_and_deleted_is_gone_with_all_that_was_its(case: Case) -> None:
    case.create()
    case.create()
    assert case.balancer is not None
    id = case.balancer.id
    running = len(processes())
    case.create()
    assert len(processes()) == running
    assert (folder() / MARK.event / MARK.unit).stat().st_mode & 0o777 == 0o700
    case.driver.act(DeleteBalancer(unit=MARK.unit, id=f"00000000.{MARK.event}.{MARK.unit}"))  # another one's id
    assert case.balancer is not None
    case.driver.act(DeleteBalancer(unit=MARK.unit, id=id))
    case.driver.act(DeleteBalancer(unit=MARK.unit, id=id))
    assert case.balancer is None
    assert list(folder().iterdir()) == []
    until(lambda: not processes(), 5)


def test_an_address_in_use_is_a_conflict_and_what_was_made_can_be_removed(case: Case) -> None:
    order = CreateBalancer(unit=MARK.unit, name="koshien-front", address="10.87.0.1", port=QUICK, mark=MARK)
    with pytest.raises(Conflict):
        case.driver.act(order)
    assert case.balancer is not None
    assert case.balancer.provisioning == "ERROR"
    case.destroy()
    assert case.balancer is None


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a b"},
        {"name": "x;set server members/cs-y weight 0"},
        {"address": "10.0.0.1\n"},
        {"address": "example"},
        {"address": "fe80::1%eth0"},
        {"port": 0},
        {"weight": 257},
    ],
)
def test_what_could_break_out_of_a_configuration_is_refused_and_changes_nothing(
    case: Case, change: dict[str, object]
) -> None:
    case.create()
    case.set(QUICK, {"1": 5})
    bad = replace(Member(name="server-2", address="10.87.0.2", port=QUICK, weight=1), **change)  # type: ignore[arg-type]
    with pytest.raises(NotSupported):
        case.driver.act(SetMembers(unit=MARK.unit, mark=MARK, members=(bad,)))
    assert case.weights() == {"10.87.0.1": 5}


def test_a_daemon_that_is_gone_is_an_error_of_the_project(case: Case) -> None:
    with pytest.raises(Conflict):
        case.set(QUICK, {"1": 1})
    case.create()
    os.killpg(int((folder() / MARK.event / MARK.unit / "pid").read_text()), signal.SIGKILL)
    until(lambda: not processes(), 10)
    with pytest.raises((Unreachable, Denied)):
        case.set(QUICK, {"1": 1})
