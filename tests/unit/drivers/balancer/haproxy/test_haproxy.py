"""HAProxy without HAProxy: the batch of commands, and a host whose daemon does not do what it is told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import pytest

from cloudsentry.clouds import hosts
from cloudsentry.clouds.hosts import Done, Host
from cloudsentry.drivers.balancer.base import BalancerScope
from cloudsentry.drivers.balancer.haproxy import HaproxyBalancer, runtime
from cloudsentry.drivers.balancer.haproxy import driver as module
from cloudsentry.drivers.balancer.haproxy.changes import changes
from cloudsentry.drivers.balancer.haproxy.runtime import BATCH, Standing, batches
from cloudsentry.errors import Ambiguous, DriverError, NotSupported, Unreachable
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateBalancer, SetMembers
from cloudsentry.records.views import Member

MARK = Mark(event="koshien", unit="front", op="op", template="t")


def member(number: int, weight: int, **changed: object) -> Member:
    made = Member(id=f"cs-s{number}", name=f"s{number}", address=f"192.0.2.{number}", port=80, weight=weight, mark=MARK)
    return replace(made, **changed)  # type: ignore[arg-type]


def standing(*members: Member) -> Standing:
    return Standing(members=members, sessions=0)


def test_what_is_as_wanted_needs_no_command() -> None:
    assert changes(standing(member(1, 10), member(2, 2)), [member(2, 2), member(1, 10)], "") == []


def test_what_comes_or_grows_is_told_before_what_shrinks_or_goes() -> None:
    now = standing(member(1, 10), member(2, 2), member(3, 5))
    told = changes(now, [member(1, 1), member(2, 9), member(4, 5)], " check")
    verbs = [command.split()[0] + command.split()[-1] for command in told]
    places = {word: next(i for i, command in enumerate(told) if word in command) for word in ("s1", "s2", "s3", "s4")}
    assert places["s4"] < places["s1"] < places["s3"], verbs
    assert places["s2"] < places["s1"]


def test_somebody_else_s_server_is_in_no_command() -> None:
    told = changes(standing(member(1, 10), member(9, 3, id="by-hand", mark=None)), [member(2, 5)], "")
    assert not any("by-hand" in command for command in told)


def test_a_newcomer_gets_its_weight_only_after_it_was_marked_down() -> None:
    told = changes(standing(member(1, 10)), [member(1, 10), member(2, 5)], " check inter 1s")
    assert told.index("set server members/cs-s2 health down") < told.index("set server members/cs-s2 weight 5")
    assert "weight 0 check" in told[0]


def test_where_nobody_serves_newcomers_serve_at_once() -> None:
    assert not any("down" in command for command in changes(standing(), [member(1, 10)], " check inter 1s"))


def test_a_batch_fits_into_what_haproxy_reads_and_parts_no_command() -> None:
    commands = [f"set server members/cs-{number:0>36} weight 10" for number in range(1000)]
    lines = batches(commands)
    assert all(len(line) <= BATCH + 1 for line in lines)
    assert ";".join(line.decode().strip() for line in lines).split(";") == commands
    assert len(batches(commands[:100])) == 1


@dataclass
class Machine(Host):
    """A host in memory with a HAProxy that knows weights; ``ear`` may swallow what it is told."""

    files: dict[str, bytes] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    ear: Callable[[str], bool] = lambda command: True
    version: bytes = b"HAProxy version 2.6.12-1 2026/10/17\n"
    place: str = "local"

    def run(self, argv: list[str], data: bytes = b"") -> Done:
        return Done(code=0, out=self.version if argv[-1] == "-v" else b"")

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def write(self, path: str, data: bytes) -> None:
        self.files[path] = data

    def remove(self, *paths: str) -> None:
        self.files = {path: data for path, data in self.files.items() if path not in paths}

    def each(self, folder: str, name: str) -> dict[str, bytes]:
        return {path: data for path, data in self.files.items() if path.endswith(f"/{name}")}

    def piped(self, argv: list[str], data: bytes) -> AbstractContextManager[hosts.Pipe]:
        raise Unreachable("nobody")

    def connect(self, address: str, port: int) -> hosts.Stream:
        raise Unreachable("nobody")

    def ask(self, path: str, data: bytes) -> bytes:
        for command in data.decode().strip().split(";"):
            words = command.split()
            if words[0] == "show":
                rows = [f"members,{name},0,{weight},UP,192.0.2.{name[-1]}:80" for name, weight in self.weights.items()]
                return "\n".join(
                    ["# pxname,svname,scur,uweight,status,addr", "front,FRONTEND,0,,OPEN,", *rows]
                ).encode()
            if not self.ear(command):
                continue
            name = words[2].split("/")[1]
            if words[:2] == ["add", "server"] or words[3:4] == ["weight"]:
                self.weights[name] = int(words[words.index("weight") + 1])
            elif words[0] == "del":
                self.weights.pop(name, None)
        return b""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(module, "host_of", lambda place: made)
    monkeypatch.setenv("CLOUDSENTRY_BALANCER_DIR", "/b")
    return made


def ordered(**weights: int) -> SetMembers:
    members = tuple(member(int(name[1:]), weight) for name, weight in weights.items())
    return SetMembers(unit="front", mark=MARK, members=members)


def made_on(machine: Machine) -> HaproxyBalancer:
    driver = HaproxyBalancer("local", connect=lambda name: None)
    driver.act(CreateBalancer(unit="front", name="koshien-front", address="192.0.2.99", mark=MARK))
    driver.act(ordered(s1=10, s2=10))
    return driver


def test_a_batch_of_which_half_is_lost_is_taken_back_on_the_socket_and_on_disk(machine: Machine) -> None:
    driver = made_on(machine)
    before, file = dict(machine.weights), machine.files["/b/koshien/front/haproxy.cfg"]
    machine.ear = lambda command: "cs-s2" not in command
    with pytest.raises(DriverError):
        driver.act(ordered(s1=3, s2=4))
    assert machine.weights == before == {"cs-s1": 10, "cs-s2": 10}
    assert machine.files["/b/koshien/front/haproxy.cfg"] == file


def test_a_batch_whose_answer_is_lost_is_ambiguous_and_left_as_it_was(machine: Machine) -> None:
    driver = made_on(machine)
    lost = iter([True])

    def ear(command: str) -> bool:
        if next(lost, False):
            raise Ambiguous("no answer")
        return True

    machine.ear = ear
    with pytest.raises(Ambiguous):
        driver.act(ordered(s1=3, s2=4))
    assert machine.weights == {"cs-s1": 10, "cs-s2": 10}


@pytest.mark.parametrize("gasp", ["reset", "hangs up"])
def test_a_daemon_that_dies_under_a_look_is_an_error_to_mend_and_not_a_doubt(machine: Machine, gasp: str) -> None:
    driver = made_on(machine)

    def dying(path: str, data: bytes) -> bytes:
        if gasp == "reset":
            raise Ambiguous("no answer")
        return b""

    machine.ask = dying  # type: ignore[method-assign]
    (found,) = driver.observe(BalancerScope(event=MARK.event)).balancers
    assert (found.provisioning, found.operating, found.members) == ("ERROR", "OFFLINE", ())


def test_the_file_on_disk_is_what_the_socket_was_told(machine: Machine) -> None:
    driver = made_on(machine)
    driver.act(ordered(s1=3, s2=0))
    text = machine.files["/b/koshien/front/haproxy.cfg"].decode()
    assert "server cs-s1 192.0.2.1:80 weight 3" in text
    assert "server cs-s2 192.0.2.2:80 weight 0" in text


@pytest.mark.parametrize(("version", "told"), [(b"HA-Proxy version 2.2.9", "2.2"), (b"nonsense", "unknown")])
def test_a_haproxy_that_is_too_old_is_refused_with_its_version(machine: Machine, version: bytes, told: str) -> None:
    machine.version = version
    with pytest.raises(NotSupported, match=told):
        made_on(machine)


@pytest.mark.parametrize("place", ["", "netns:", "netns:a/b", "ssh://-oProxyCommand=x", "ssh://a b", "local;true"])
def test_a_place_that_is_no_host_is_refused(place: str) -> None:
    with pytest.raises(NotSupported):
        hosts.host_of(place)


@pytest.mark.parametrize(
    ("status", "check", "weight", "operating"),
    [
        ("UP", "INI", 10, "OFFLINE"),  # HAProxy sends requests there, and has not asked yet whether anybody answers
        ("UP", "* INI", 10, "OFFLINE"),
        ("UP", "L7OK", 10, "ONLINE"),
        ("UP 1/2", "* L7OK", 10, "ONLINE"),
        ("DOWN 1/2", "L7OK", 10, "OFFLINE"),
        ("no check", "", 10, "NO_MONITOR"),
        ("UP", "INI", 0, "DRAINING"),
        ("MAINT", "INI", 10, "DISABLED"),
    ],
)
def test_a_member_is_online_once_it_has_passed_a_check(
    machine: Machine, status: str, check: str, weight: int, operating: str
) -> None:
    def told(path: str, data: bytes) -> bytes:
        return (
            "# pxname,svname,scur,uweight,status,addr,check_status\nfront,FRONTEND,0,,OPEN,,\n"
            f"members,cs-s1,0,{weight},{status},192.0.2.1:80,{check}\n"
        ).encode()

    machine.ask = told  # type: ignore[method-assign]
    assert [one.operating for one in runtime.standing(machine, "/b/front.sock", MARK).members] == [operating]
