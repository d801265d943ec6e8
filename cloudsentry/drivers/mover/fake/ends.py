"""The ends of an image move between two fake clouds, and the images that lie at them.

Servers are those of the pool driver `fake`; a move must be seen by the pool driver that looks next.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from cloudsentry.clouds.fake import FakePlace, FakeState
from cloudsentry.drivers.mover.image.ends import Copy, Standing
from cloudsentry.drivers.pool.fake.cloud import FakeCloud, FakeServer
from cloudsentry.drivers.pool.fake.cloud import State as CloudState
from cloudsentry.errors import Conflict, NoCapacity
from cloudsentry.records.moving import Findings, MoveOrder
from cloudsentry.records.views import Server

SIZE = 1024 * 1024


@dataclass(slots=True)
class State(FakeState):
    """Images and ports of moves at one fake cloud, by id and name, and what its conversion host keeps.

    ``twice_alive`` are servers that were alive at both clouds at once.
    """

    images: dict[str, Copy] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    ports: list[str] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    twice_alive: list[str] = field(default_factory=list)


class FakeImages(FakePlace[State]):
    """What moves leave and find at one fake cloud."""

    FAMILY = "mover"
    STATE = State


class FakeEnds:
    """`cloudsentry.drivers.mover.image.ends.Ends` on two `FakeCloud`."""

    def __init__(self, source: str, target: str) -> None:
        self._near, self._far = FakeCloud.named(source), FakeCloud.named(target)
        self._here, self._there = FakeImages.named(source), FakeImages.named(target)

    def check(self, order: MoveOrder) -> Findings:
        """As `Ends` says; fake networks are always joined."""
        refusals = () if self.old(order) else (f"server {order.server} is not there",)
        return Findings(refusals=refusals, joined=True, copy_bytes=SIZE, hosted=True)

    def old(self, order: MoveOrder) -> Standing | None:
        """As `Ends` says."""
        return self._standing(self._near, order.event, lambda one: one.id == order.server)

    def stop(self, order: MoveOrder) -> None:
        """As `Ends` says."""
        with self._here.call("stop"), self._near.work() as state:
            one = self._one(state, order)
            if one.server.status == "ACTIVE":
                one.server, one.looks = replace(one.server, task="powering-off"), 1
                one.ends = "SHUTOFF"

    def start(self, order: MoveOrder) -> None:
        """As `Ends` says."""
        with self._here.call("start"), self._near.work() as state:
            self._near.start(state, (order.server,))

    def remove(self, order: MoveOrder) -> None:
        """As `Ends` says."""
        with self._here.call("remove"), self._near.work() as state:
            self._near.delete(state, (order.server,))

    def snapshots(self, order: MoveOrder) -> tuple[Copy, ...]:
        """As `Ends` says."""
        return self._images(self._here, order)

    def snapshot(self, order: MoveOrder) -> None:
        """As `Ends` says; its bytes depend on the server alone."""
        with self._here.call("snapshot") as state:
            made = self._image(state, self._here.name, order, "active")
            state.images[made.id] = replace(made, size=SIZE, hash=f"sha512:{order.server}")

    def copies(self, order: MoveOrder) -> tuple[Copy, ...]:
        """As `Ends` says."""
        return self._images(self._there, order)

    def make_copy(self, order: MoveOrder, like: str) -> None:
        """As `Ends` says."""
        with self._there.call("make_copy") as state:
            made = self._image(state, self._there.name, order, "queued")
            state.images[made.id] = made

    def fill(self, order: MoveOrder, source: Copy, target: str) -> int:
        """As `Ends` says."""
        with self._there.call("fill") as state:
            state.images[target] = replace(state.images[target], status="active", size=source.size, hash=source.hash)
        return source.size

    def stage(self, order: MoveOrder, source: Copy) -> int:
        """As `Ends` says."""
        with self._there.call("stage") as state:
            state.staged.append(order.tag)
        return source.size

    def unstage(self, order: MoveOrder) -> None:
        """As `Ends` says."""
        if order.tag in self._there.state.staged:
            with self._there.call("unstage") as state:
                state.staged = [tag for tag in state.staged if tag != order.tag]

    def drop(self, image: str, *, at_target: bool) -> None:
        """As `Ends` says."""
        with (self._there if at_target else self._here).call("drop") as state:
            state.images.pop(image, None)
            state.names.pop(image, None)

    def lacking_ports(self, order: MoveOrder) -> int:
        """As `Ends` says."""
        mine = [name for name in self._there.state.ports if name.startswith(order.tag)]
        return len(order.template.networks) - len(mine)

    def make_port(self, order: MoveOrder) -> None:
        """As `Ends` says."""
        with self._there.call("make_port") as state:
            state.ports.append(f"{order.tag}-{len(state.ports)}")

    def hypervisors(self) -> tuple[str, ...]:
        """As `Ends` says."""
        return tuple(sorted(self._far.state.hypervisors))

    def keep_ports(self, order: MoveOrder, server: str) -> None:
        """As `Ends` says: from now on they are the server's, and none of the move's."""
        with self._there.call("keep_ports"):
            pass

    def drop_ports(self, order: MoveOrder) -> int:
        """As `Ends` says."""
        mine = [name for name in self._there.state.ports if name.startswith(order.tag)]
        if mine:
            with self._there.call("drop_ports") as state:
                state.ports = [name for name in state.ports if name not in mine]
        return len(mine)

    def new(self, order: MoveOrder) -> Standing | None:
        """As `Ends` says."""
        return self._standing(self._far, order.event, lambda one: one.mark.op == order.mark.op)

    def boot(self, order: MoveOrder, image: str) -> None:
        """As `Ends` says; notes a server whose source is not off."""
        with self._there.call("boot") as images:
            old = self.old(order)
            if old is not None and not old.off:
                images.twice_alive.append(order.server)
            source = next(one.server for one in self._all(self._near.state) if one.server.id == order.server)
            with self._far.work() as state:
                used = sum(map(len, state.servers.values()))
                if 0 <= state.quota <= used:
                    raise NoCapacity("the quota of instances is used up", cloud=self._far.name, status=403)
                state.serial += 1
                host = order.hypervisor or sorted(state.hypervisors)[0]
                server = Server(
                    id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._far.name}/{state.serial}/moved")),
                    name=order.name,
                    status="BUILD",
                    mark=order.mark,
                    hypervisor=host,
                    zone=state.hypervisors[host].zone,
                    task="spawning",
                    addresses=source.addresses,
                )
                state.servers.setdefault(order.event, {})[server.id] = FakeServer(server, looks=state.boot_looks)

    def remove_new(self, server: str) -> None:
        """As `Ends` says."""
        with self._there.call("remove_new"), self._far.work() as state:
            self._far.delete(state, (server,))

    @staticmethod
    def _all(state: CloudState) -> Iterator[FakeServer]:
        for servers in state.servers.values():
            yield from servers.values()

    def _one(self, state: CloudState, order: MoveOrder) -> FakeServer:
        for one in self._all(state):
            if one.server.id == order.server:
                return one
        raise Conflict(f"server {order.server} is not there", cloud=self._near.name, status=404)

    @staticmethod
    def _standing(cloud: FakeCloud, event: str, mine: Callable[[Server], bool]) -> Standing | None:
        """A look: it moves on what is at work."""
        with cloud.work() as state:
            found = [one for one in cloud.look(state, event) if mine(one)]
        if not found:
            return None
        one = found[0]
        return Standing(
            id=one.id,
            status=one.status,
            task=one.task,
            off=one.status == "SHUTOFF" and not one.task,
            address=one.addresses[0] if one.addresses else "",
            fault=one.fault,
            hypervisor=one.hypervisor,
        )

    @staticmethod
    def _image(state: State, cloud: str, order: MoveOrder, status: str) -> Copy:
        state.serial += 1
        made = Copy(id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{cloud}/image/{state.serial}")), status=status)
        state.names[made.id] = order.tag
        return made

    @staticmethod
    def _images(place: FakeImages, order: MoveOrder) -> tuple[Copy, ...]:
        with place.call("images") as state:
            return tuple(one for id, one in state.images.items() if state.names[id] == order.tag)
