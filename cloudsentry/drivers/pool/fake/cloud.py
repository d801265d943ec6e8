"""A Nova in memory. Time passes by being looked at: a boot takes ``boot_looks`` looks, never seconds."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from cloudsentry.clouds.fake import FakePlace, FakeState, FaultRule
from cloudsentry.drivers.pool.fake import scheduling
from cloudsentry.drivers.pool.fake.scheduling import FakeGroup, FakeHypervisor
from cloudsentry.errors import Conflict, Denied, NoCapacity, NotSupported
from cloudsentry.records.ground import Size
from cloudsentry.records.orders import (
    CreateServerGroup,
    CreateServers,
    DeleteServerGroups,
    DeleteServers,
    PoolOrder,
    RestServers,
    StartServers,
)
from cloudsentry.records.views import Server, ServerGroup

WAKING = {"SHUTOFF": "powering-on", "PAUSED": "unpausing", "SHELVED_OFFLOADED": "unshelving"}
"""What Nova does with a server that is called back, by its state."""
FALLING = {
    "stopped": ("powering-off", "SHUTOFF"),
    "paused": ("pausing", "PAUSED"),
    "shelved": ("shelving", "SHELVED_OFFLOADED"),
}
"""Nova's task, and the state it ends in."""


@dataclass(slots=True)
class FakeServer:
    """A server, and how many looks its present work still takes."""

    server: Server
    looks: int = 0
    ends: str = "ACTIVE"
    group: str = ""


@dataclass(slots=True)
class State(FakeState):
    """Everything there is on a fake cloud. A set of names that is None knows every name."""

    hypervisors: dict[str, FakeHypervisor] = field(default_factory=dict)
    images: list[str] | None = None
    flavors: list[str] | None = None
    networks: list[str] | None = None
    key_names: list[str] | None = None
    security_groups: list[str] | None = None
    admin: bool = True
    quota: int = -1
    """Most servers of all events; -1 is no limit."""
    limits: dict[str, int] = field(default_factory=dict)
    """Further quotas by kind (``cores``, ``ports``, …), told and not enforced."""
    sizes: dict[str, Size] = field(default_factory=dict)
    """What flavors take; one VCPU and no memory where absent."""
    needs: dict[str, Size] = field(default_factory=dict)
    """What images need at the least."""
    addresses: dict[str, int] = field(default_factory=dict)
    """Free addresses by network; no bound where absent."""
    skew: float = 0.0
    until: str = ""
    boot_looks: int = 1
    delete_looks: int = 1
    servers: dict[str, dict[str, FakeServer]] = field(default_factory=dict)
    """By event and id."""
    groups: dict[str, FakeGroup] = field(default_factory=dict)


def four() -> dict[str, FakeHypervisor]:
    """The two kinds of the source's hypervisors, two of each, in two zones."""
    return {
        f"{kind}{number}": FakeHypervisor(zone=kind, aggregates=(kind,), traits=(f"CUSTOM_{kind.upper()}",))
        for kind in ("xeon", "opteron")
        for number in (1, 2)
    }


class FakeCloud(FakePlace[State]):
    """One fake cloud: its hypervisors, and the servers on them."""

    FAMILY = "pool"
    STATE = State
    ORDERS = (CreateServers, CreateServerGroup, DeleteServers, StartServers, RestServers, DeleteServerGroups)

    @classmethod
    def blank(cls) -> State:
        """A cloud with four hypervisors."""
        return State(hypervisors=four())

    def play(self, state: State, order: PoolOrder, due: list[FaultRule]) -> None:
        """As the driver's contract says."""
        match order:
            case CreateServers():
                self.create(state, order, sum(rule.count for rule in due if rule.kind == "error_server"))
            case CreateServerGroup():
                self.create_group(state, order)
            case DeleteServers():
                self.delete(state, order.ids)
            case StartServers():
                self.start(state, order.ids)
            case RestServers():
                self.rest(state, order.ids, order.rest)
            case DeleteServerGroups():
                self.delete_groups(state, order.ids)

    def look(self, state: State, event: str) -> tuple[Server, ...]:
        """An event's (every event's) servers, sorted by name and id; a look at one moves those on that are at work."""
        if not event:
            everybody = [one.server for servers in state.servers.values() for one in servers.values()]
            return tuple(sorted(everybody, key=lambda server: (server.name, server.id)))
        mine = state.servers.get(event, {})
        moving = [id for id, one in mine.items() if one.looks or one.server.task]
        for id in moving:
            self._move_on(mine, id)
        return tuple(sorted((one.server for one in mine.values()), key=lambda server: (server.name, server.id)))

    @staticmethod
    def _move_on(servers: dict[str, FakeServer], id: str) -> None:
        one = servers[id]
        if one.looks > 0:
            one.looks -= 1
        elif one.server.task == "deleting":
            del servers[id]
        else:
            fault = "No valid host was found." if one.ends == "ERROR" and not one.server.fault else one.server.fault
            one.server = replace(one.server, status=one.ends, task="", fault=fault)

    def create(self, state: State, order: CreateServers, broken: int) -> None:
        """Nova's multi-create: all or nothing at the door, each on its own afterwards. ``broken`` end in ERROR."""
        self._admit(state, order)
        hosts = scheduling.place(state.hypervisors, self.load(state), order, self._group(state, order))
        mine = state.servers.setdefault(order.mark.event, {})
        for index, host in enumerate(hosts):
            name = order.name if order.count == 1 else f"{order.name}-{index + 1}"
            one = self._boot(state, order, name, host)
            if index < broken:
                one.ends, one.server = "ERROR", replace(one.server, fault="fake fault: spawn failed")
            mine[one.server.id] = one

    def _admit(self, state: State, order: CreateServers) -> None:
        """Refuse what Nova's API would refuse."""
        template = order.template
        known: list[tuple[str, Iterable[str], list[str] | None]] = [
            ("image", (template.image,), state.images),
            ("flavor", (template.flavor,), state.flavors),
            ("network", template.networks, state.networks),
        ]
        for kind, names, there in known:
            for name in names:
                if there is not None and name not in there:
                    raise NotSupported(f"there is no {kind} {name!r}", cloud=self.name)
        if order.hypervisor and not state.admin:
            raise Denied("only an administrator may name a hypervisor", cloud=self.name, status=403)
        if order.hypervisor and order.hypervisor not in state.hypervisors:
            raise NotSupported(f"there is no hypervisor {order.hypervisor!r}", cloud=self.name, status=400)
        if order.zone and order.zone not in {host.zone for host in state.hypervisors.values()}:
            raise NotSupported(f"there is no zone {order.zone!r}", cloud=self.name, status=400)
        used = sum(map(len, state.servers.values()))
        if 0 <= state.quota < used + order.count:
            text = f"the quota of instances is {state.quota}, {used} are used and {order.count} more are asked for"
            raise NoCapacity(text, cloud=self.name, status=403)

    @staticmethod
    def load(state: State) -> dict[str, int]:
        """Servers by hypervisor, other events' included."""
        load = dict.fromkeys(state.hypervisors, 0)
        for servers in state.servers.values():
            for one in servers.values():
                if one.server.hypervisor in load:
                    load[one.server.hypervisor] += 1
        return load

    def _group(self, state: State, order: CreateServers) -> tuple[FakeGroup, list[str]] | None:
        """The order's server group, and the hypervisors its members are on."""
        if not order.group:
            return None
        found = next((group for group in state.groups.values() if group.name == order.group), None)
        if found is None:
            raise Conflict(f"server group {order.group!r} is not there", cloud=self.name)
        mine = state.servers.get(order.mark.event, {}).values()
        return found, [one.server.hypervisor for one in mine if one.group == found.name]

    def _boot(self, state: State, order: CreateServers, name: str, host: str) -> FakeServer:
        serial = self._serial(state)
        server = Server(
            id=self._id(serial),
            name=name,
            status="BUILD",
            mark=order.mark,
            hypervisor=host if state.admin else "",
            zone=state.hypervisors[host].zone if host else order.zone,
            task="spawning",
            addresses=tuple(_address(serial, index) for index, _ in enumerate(order.template.networks)),
            created=f"{serial:08d}",
        )
        return FakeServer(server, looks=state.boot_looks, ends="ACTIVE" if host else "ERROR", group=order.group)

    @staticmethod
    def delete(state: State, ids: Iterable[str]) -> None:
        """Servers by id; gone is done."""
        wanted = set(ids)
        for servers in state.servers.values():
            for id in wanted & set(servers):
                one = servers[id]
                if one.server.task != "deleting":
                    one.server, one.looks = replace(one.server, task="deleting"), state.delete_looks

    def start(self, state: State, ids: Iterable[str]) -> None:
        """Servers that rest, by id; one that runs is started."""
        for id in ids:
            one = self._one(state, id)
            if one.server.status in WAKING:
                looks = 0 if one.server.status == "PAUSED" else state.boot_looks
                one.server, one.looks = replace(one.server, task=WAKING[one.server.status]), looks
                one.ends = "ACTIVE"

    def rest(self, state: State, ids: Iterable[str], rest: str) -> None:
        """Servers that run, by id, and how they are to rest; one that rests already does."""
        for id in ids:
            one = self._one(state, id)
            if one.server.active:
                task, one.ends = FALLING[rest]
                one.server, one.looks = replace(one.server, task=task), 0
            elif not one.server.rests:
                raise Conflict(f"server {id} is {one.server.status}", cloud=self.name, status=409)

    def _one(self, state: State, id: str) -> FakeServer:
        one = next((servers[id] for servers in state.servers.values() if id in servers), None)
        if one is None:
            raise Conflict(f"server {id} is not there", cloud=self.name, status=404)
        return one

    def create_group(self, state: State, order: CreateServerGroup) -> None:
        """A server group; Nova allows several of one name."""
        id = self._id(self._serial(state))
        state.groups[id] = FakeGroup(name=order.name, policy=order.policy, max_per_host=order.max_per_host)

    @staticmethod
    def delete_groups(state: State, ids: Iterable[str]) -> None:
        """Server groups by id; gone is done."""
        for id in ids:
            state.groups.pop(id, None)

    @staticmethod
    def groups(state: State, mine: Callable[[str], bool]) -> tuple[ServerGroup, ...]:
        """The server groups whose names are the event's, sorted by name and id."""
        found = [
            ServerGroup(id=id, name=group.name, policy=group.policy)
            for id, group in state.groups.items()
            if mine(group.name)
        ]
        return tuple(sorted(found, key=lambda group: (group.name, group.id)))

    @staticmethod
    def _serial(state: State) -> int:
        state.serial += 1
        return state.serial

    def _id(self, serial: int) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.name}/{serial}"))


def _address(serial: int, network: int) -> str:
    return f"10.{network * 64 + (serial >> 16)}.{serial >> 8 & 255}.{serial & 255}"
