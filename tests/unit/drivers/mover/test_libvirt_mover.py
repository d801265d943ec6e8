"""The mover `libvirt` over two sites in memory: killed after any step, turned back anywhere, never twice alive."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cloudsentry.clouds.domains import Identity, Shape
from cloudsentry.clouds.hypervisors import Hypervisors
from cloudsentry.drivers.mover.libvirt import LibvirtMover
from cloudsentry.drivers.mover.libvirt.ends import Asking, End, Measured, Standing
from cloudsentry.drivers.mover.libvirt.watching import Job, judge, rounds
from cloudsentry.errors import Busy, Conflict, DriverError
from cloudsentry.records.marks import Mark
from cloudsentry.records.moving import PHASES, Memo, MoveOrder, Stride
from cloudsentry.records.orders import Template
from cloudsentry.records.precopy import MIB, Parameters, Policy

OLD = Mark(event="cup", unit="front@xeon1", op="old")
ORDER = MoveOrder(
    event="cup",
    pool="front",
    new_pool="front-away",
    source="home",
    target="away",
    driver="libvirt",
    count=1,
    server="s1",
    name="front-1",
    template=Template(image="tiny", flavor="small"),
    mark=Mark(event="cup", unit="front-away@any", op="new"),
)
NETWORK = {"bridge": "br0", "segment": "wide", "cidr": "192.0.2.0/24", "first": "192.0.2.10", "last": "192.0.2.99"}
FILE = {
    "sites": {
        name: {"hypervisors": {hypervisor: {"uri": "test:///default"}}, "networks": {"front": NETWORK}}
        for name, hypervisor in (("home", "xeon1"), ("away", "xeon2"))
    }
}


@dataclass
class World:
    """Where the one server runs, what is defined and stored where, and how its migration goes on from look to look."""

    running: str = "home"
    defined: set[str] = field(default_factory=lambda: {"home"})
    files: set[str] = field(default_factory=lambda: {"home"})
    identity: Identity = field(default=Identity(name="front-1", mark=OLD, addresses=("192.0.2.10",)))
    job: Job | None = None
    going: str = ""
    dirty: float = 40e6
    converges: bool = True
    fails: int = 0
    asked: list[Parameters] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def look(self) -> None:
        """A migration that is under way comes on by one round."""
        if self.job is None:
            return
        if self.fails and self.job.round >= 2:
            self.fails, self.job, self.going = self.fails - 1, None, ""
        elif self.job.late or (self.converges and self.job.round >= 3):
            self.running, self.job = self.going, None
            self.defined.add(self.going)
        else:
            left = 100 * MIB if not self.converges else self.job.left // 2
            self.job = replace(self.job, round=self.job.round + 1, left=left, speed=50e6)


class OneEnd(End):
    """A site of that world."""

    def __init__(self, world: World, name: str, hypervisor: str) -> None:
        self.world, self.name, self.hypervisor = world, name, hypervisor
        self.site: Any = Site(name)

    def standing(self, uuid: str) -> Standing | None:
        if self.world.running == self.name:
            return Standing(hypervisor=self.hypervisor, active=True, running=True)
        return Standing(hypervisor=self.hypervisor, active=False, running=False) if self._knows else None

    @property
    def _knows(self) -> bool:
        return self.name in self.world.defined

    def shape(self, hypervisor: str, uuid: str) -> Shape:
        return Shape(ram=256, vcpus=1, bridges=("br0",), disks=("/pool/s1.qcow2",))

    def identity(self, hypervisor: str, uuid: str) -> Identity | None:
        return self.world.identity

    def mark(self, hypervisor: str, uuid: str, identity: Identity) -> None:
        self.world.identity = identity

    def free(self, hypervisor: str) -> int:
        return 4096

    def bytes_of(self, hypervisor: str, paths: tuple[str, ...]) -> int:
        return 10 * MIB

    def look_begins(self, hypervisor: str, uuid: str, seconds: int) -> None:
        self.world.calls.append(f"look {seconds}")

    def look_ends(self, hypervisor: str, uuid: str) -> Measured | None:
        return Measured(memory=256 * MIB, dirty=self.world.dirty)

    def job(self, hypervisor: str, uuid: str) -> Job | None:
        if self.world.running != self.name:
            return None
        self.world.look()
        return self.world.job

    def downtime(self, hypervisor: str, uuid: str, milliseconds: int) -> None:
        self.world.calls.append(f"downtime {milliseconds}")

    def postcopy(self, hypervisor: str, uuid: str) -> None:
        assert self.world.job is not None
        self.world.calls.append("postcopy")
        self.world.job = replace(self.world.job, late=True)

    def abort(self, hypervisor: str, uuid: str) -> None:
        self.world.calls.append("abort")
        self.world.job, self.world.going = None, ""

    def start(self, hypervisor: str, uuid: str) -> None:
        assert not self.world.running, "twice alive"
        self.world.running = self.name

    def forget(self, hypervisor: str, uuid: str) -> None:
        if self.world.running == self.name:
            raise Conflict("it runs")
        self.world.defined.discard(self.name)

    def drop_files(self, hypervisor: str, paths: tuple[str, ...]) -> int:
        assert self.world.running != self.name, "the disk of a running server"
        there = self.name in self.world.files
        self.world.files.discard(self.name)
        return int(there)


class Site:
    """What the mover reads of a site's file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.file = Hypervisors.model_validate(FILE)
        self.spec = self.file.site(name)


class Asked(Asking):
    """A migration that begins at once, and whose answer is read off the world."""

    def __init__(self, world: World, target: OneEnd) -> None:
        self.world, self.target = world, target
        self.fails = world.fails

    def begin(self, parameters: Parameters, *, disks: bool, resume: bool = False) -> None:
        assert self.world.job is None, "asked twice at once"
        self.world.asked.append(parameters)
        self.world.files.add(self.target.name)
        self.world.going = self.target.name
        self.world.job = Job(round=1, left=200 * MIB, total=256 * MIB)

    @property
    def waiting(self) -> bool:
        return self.world.job is not None

    def failed(self) -> None:
        if self.fails and self.world.running != self.target.name:
            raise DriverError("the path broke")


class Mover(LibvirtMover):
    """Over the world in memory."""

    def __init__(self, world: World, policy: Policy | None = None) -> None:
        self.world = world
        super().__init__("home", "away")
        self._policy = policy or Policy()

    def _ends(self, source: str, target: str) -> tuple[End, End]:
        return OneEnd(self.world, "home", "xeon1"), OneEnd(self.world, "away", "xeon2")

    def _asked(self, near: End, far: End, where: tuple[str, str], server: str) -> Asking:
        assert isinstance(far, OneEnd)
        return Asked(self.world, far)


def _kept(stride: Stride) -> Memo:
    """As the journal gives it back, with its wish granted."""
    memo: Memo = json.loads(json.dumps(stride.memo, allow_nan=False))
    return memo | ({stride.wish.key: True} if stride.wish else {})


def _copied(mover: Mover) -> Memo:
    """Through the phases up to the copy."""
    memo: Memo = {}
    for phase in PHASES[:3]:
        for _ in range(60):
            stride = mover.advance(phase, ORDER, memo)
            memo = _kept(stride)
            if stride.state == "done":
                break
    return memo


def _advanced(world: World, steps: int = 500, *, fresh: bool = False, policy: Policy | None = None) -> tuple[Memo, int]:
    """(memo, steps taken) after at most so many; with ``fresh`` the process is killed after each of them."""
    mover, memo, taken = Mover(world, policy), {}, 0
    for phase in PHASES:
        while True:
            if taken == steps:
                return memo, taken
            mover = Mover(world, policy) if fresh else mover
            stride = mover.advance(phase, ORDER, memo)
            memo, taken = _kept(stride), taken + 1
            if stride.state == "done":
                break
            assert taken < 200, stride
    return memo, taken


def _undone(world: World, memo: Memo) -> None:
    mover = Mover(world)
    for _ in range(60):
        try:
            stride = mover.undo(ORDER, memo)
        except Busy:
            continue
        memo = _kept(stride)
        if stride.state == "done":
            return
    raise AssertionError(f"not undone: {stride}")


def _served_from(world: World, name: str) -> None:
    assert (world.running, world.defined, world.files, world.job) == (name, {name}, {name}, None)


@pytest.mark.parametrize("fresh", [False, True])
def test_it_arrives_whole_and_the_source_forgets_it(fresh: bool) -> None:
    world = World()
    memo, _ = _advanced(world, fresh=fresh)
    _served_from(world, "away")
    assert world.identity.mark == ORDER.mark
    assert (memo["server"], memo["address"]) == ("s1", "192.0.2.10")
    assert len(world.asked) == 1
    assert world.asked[0].channels > 1
    assert all(memo.get(key) for key in ("quiet-0-100", "join-0-100", "loud-0-100", "adopt-0-100"))


def test_turned_back_after_any_step_before_the_release_the_source_serves_and_nothing_is_left() -> None:
    _, whole = _advanced(World())
    before_release = 0
    for steps in range(whole):
        world = World()
        memo, taken = _advanced(world, steps)
        if world.identity.mark == ORDER.mark:
            break
        _undone(world, memo)
        _served_from(world, "home")
        assert world.identity.mark == OLD
        before_release = taken
    assert before_release > 10


def test_what_never_converges_is_asked_for_again_with_post_copy() -> None:
    world = World(converges=False)
    memo, _ = _advanced(world)
    _served_from(world, "away")
    assert [one.postcopy for one in world.asked] == [False, True]
    assert world.calls.count("postcopy") == 1
    assert "round" in memo["changed"]


def test_rounds_that_gain_next_to_nothing_are_not_waited_for() -> None:
    counts: Memo = {"round": 0, "least": 0, "stalled": 0}
    for number in range(1, 5):
        counts |= rounds(counts, replace(STUCK, round=number, left=(100 - number) * MIB))
    assert judge(STUCK, Parameters(), Policy(), counts["stalled"], 300) == "otherwise"


def test_rounds_that_gain_a_little_each_go_on() -> None:
    counts: Memo = {"round": 0, "least": 0, "stalled": 0}
    left = 100 * MIB
    for number in range(1, 20):
        left = left * 97 // 100
        counts |= rounds(counts, replace(STUCK, round=number, left=left))
        assert judge(replace(STUCK, left=100 * MIB), Parameters(), Policy(), counts["stalled"], 300) == "go on"


def test_a_policy_without_post_copy_gives_up_and_says_why() -> None:
    world = World(converges=False)
    with pytest.raises(Conflict, match="does not converge"):
        _advanced(world, policy=Policy(postcopy=False))


def test_a_server_that_is_known_to_outrun_the_path_goes_by_post_copy_at_once() -> None:
    world = World(dirty=200e6, converges=False)
    mover = Mover(world)
    # The same bytes in one second and in two: it rewrites all of a part faster than can be counted.
    answers = iter((200e6, 100e6))
    mover._near.look_ends = lambda *_: Measured(memory=256 * MIB, dirty=next(answers))  # type: ignore[method-assign]
    _copied(mover)
    assert [one.postcopy for one in world.asked] == [True]
    assert world.running == "away"


def test_a_broken_migration_is_told_and_can_be_asked_for_again() -> None:
    world = World(fails=1)
    with pytest.raises(DriverError, match="the path broke"):
        _copied(Mover(world))
    assert world.running == "home"
    _undone(world, {"from": "xeon1", "to": "xeon2"})
    _served_from(world, "home")


def test_check_predicts_once_the_pages_are_counted_and_writes_nothing() -> None:
    world = World()
    mover = Mover(world)
    for seconds in (1, 1, 2, 2):
        with pytest.raises(Busy) as busy:
            mover.check(ORDER)
        assert busy.value.after > seconds
    found = mover.check(ORDER)
    assert (found.refusals, found.joined) == ((), True)
    assert found.seconds > 1
    assert "clients wait" in found.why
    assert (world.asked, world.running) == ([], "home")


def test_every_reason_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    mover = Mover(World())
    far = mover._far
    assert isinstance(far, OneEnd)
    apart = FILE["sites"]["away"] | {"networks": {"front": NETWORK | {"segment": "other"}}}
    far.site.spec = Hypervisors.model_validate({"sites": {"away": apart}}).site("away")
    monkeypatch.setattr(far, "free", lambda hypervisor: 300)
    found = mover.check(ORDER)
    assert any("not one segment" in line for line in found.refusals)
    assert any("needs 256 MiB; free is xeon2 44 MiB" in line for line in found.refusals)


STUCK = Job(round=5, left=100 * MIB, total=256 * MIB, speed=50e6)


@pytest.mark.parametrize(
    ("job", "parameters", "stalled", "downtime", "verdict"),
    [
        (STUCK, Parameters(), 2, 300, "go on"),
        (STUCK, Parameters(), 3, 300, "otherwise"),
        (STUCK, Parameters(throttle=20), 3, 300, "go on"),
        (STUCK, Parameters(throttle=20), 9, 300, "otherwise"),
        (replace(STUCK, throttle=99), Parameters(throttle=20), 3, 300, "otherwise"),
        (replace(STUCK, left=40_000_000), Parameters(), 3, 300, "patience"),
        (replace(STUCK, left=40_000_000), Parameters(), 3, 950, "otherwise"),
        (STUCK, Parameters(postcopy=True), 0, 300, "postcopy"),
        (replace(STUCK, round=1), Parameters(postcopy=True), 0, 300, "go on"),
        (replace(STUCK, disks=1), Parameters(postcopy=True), 0, 300, "go on"),
        (replace(STUCK, late=True), Parameters(postcopy=True), 0, 300, "go on"),
    ],
)
def test_it_changes_its_mind_by_the_policy(
    job: Job, parameters: Parameters, stalled: int, downtime: int, verdict: str
) -> None:
    assert judge(job, parameters, Policy(), stalled, downtime) == verdict


def test_what_is_forced_ends_now() -> None:
    world = World(converges=False)
    mover, memo = Mover(world), {}
    assert mover.force(ORDER, memo) is False
    for _ in range(40):
        if world.job is not None:
            break
        phase = "copy" if "quiet-0-100" in memo else "prepare"
        memo = _kept(mover.advance(phase, ORDER, memo))  # type: ignore[arg-type]
    assert mover.force(ORDER, memo) is True
    assert int(world.calls[-1].split()[1]) >= 1000
