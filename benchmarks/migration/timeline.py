"""When what happened in one migration: QEMU's own events at both sites, and what a client's network shows of them."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.migration.sites import CLIENT, NAMES, Sites

_EVENT = re.compile(r"^(\S+ \S+): event (\S+) for domain '[^']*': (.*)$")
_ARP = re.compile(r"^(\d+\.\d+) (R?ARP|ARP, Reverse)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. ``at`` in seconds of the clock, ``where`` a site or the client."""

    at: float
    where: str
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds. ``first``: the first round; ``memory``: from the first byte to the last, QEMU's own total. Then the gap,
    piece by piece: ``paused``: from the source's stop till all is at the target (till the target runs, where it was
    post-copy); ``handed``: till the hypervisors have agreed that it runs; ``announced``: till the client's network
    hears of it; ``answered``: from there to the first answer. ``busy`` is the part of the machine's processors that
    worked meanwhile, ``relay`` the part of one that the relay had.
    """

    first: float | None
    memory: float | None
    paused: float | None
    handed: float | None
    announced: float | None
    answered: float | None
    busy: float
    relay: float


class Watching:
    """Listens from its making to `ended`. ``address`` is the guest's."""

    def __init__(self, sites: Sites, address: str) -> None:
        self._events: list[Event] = []
        self._processes: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []
        for site in NAMES:
            command = ["virsh", "-c", sites.uri(site), "qemu-monitor-event", "--loop", "--timestamp"]
            self._listen(command, lambda line, site=site: _of_qemu(line, site))  # type: ignore[misc]
        shown = f"rarp or (arp and arp[14:4] = {_number(address)})"
        self._listen(sites.inside(CLIENT, "tcpdump", "-l", "-n", "-tt", "-i", "eth0", shown), _of_network)
        self._relay = sites.relay
        self.restart()

    def restart(self) -> None:
        """From now on it counts."""
        self._began, self._worked, self._relayed = time.time(), _processors(), _spent(self._relay)

    def _listen(self, command: list[str], read: Callable[[str], Event | None]) -> None:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        reader = threading.Thread(target=self._read, args=(process, read), daemon=True)
        reader.start()
        self._processes.append(process)
        self._readers.append(reader)

    def _read(self, process: subprocess.Popen[str], read: Callable[[str], Event | None]) -> None:
        for line in process.stdout or ():
            event = read(line)
            if event is not None:
                self._events.append(event)

    @property
    def events(self) -> tuple[Event, ...]:
        """What has been heard since it counts, in order."""
        heard = [event for event in list(self._events) if event.at >= self._began]
        return tuple(sorted(heard, key=lambda event: event.at))

    def busy(self) -> tuple[float, float]:
        """Since it counts: the part of the machine's processors that worked, and of one of them for the relay."""
        worked, all_ = _processors()
        share = (worked - self._worked[0]) / max(1, all_ - self._worked[1])
        return share, (_spent(self._relay) - self._relayed) / max(1e-3, time.time() - self._began)

    def ended(self, answered: float | None, busy: tuple[float, float]) -> Times:
        """All of it. ``answered`` is the clock's time of the first answer after the gap."""
        for process in self._processes:
            process.terminate()
            process.wait()
        for reader in self._readers:
            reader.join()
        return times(self.events, answered, busy)


def times(events: tuple[Event, ...], answered: float | None, busy: tuple[float, float]) -> Times:
    """What the events of a migration from the first site to the second say."""
    home, away = NAMES
    # An attempt that was given up leaves the same events before those of the one that ended.
    begun = max((event.at for event in events if (event.where, event.detail) == (home, "setup")), default=0.0)
    last = tuple(event for event in events if event.at >= begun)
    passes = [event.at for event in last if (event.where, event.name) == (home, "MIGRATION_PASS")]
    bytes_from = first(last, home, "MIGRATION", "active")
    whole = first(last, home, "MIGRATION", "completed")
    stopped, runs = first(last, home, "STOP"), first(last, away, "RESUME")
    late = first(last, home, "MIGRATION", "postcopy-active") is not None
    there = runs if late else first(last, away, "MIGRATION", "completed")
    told = next((event.at for event in last if event.where == CLIENT and runs and event.at >= runs - 0.05), None)
    share, relay = busy
    return Times(
        first=_between(passes[0], passes[1]) if len(passes) > 1 else None,
        memory=_between(bytes_from, whole),
        paused=_between(stopped, there),
        handed=_between(there, runs),
        announced=_between(runs, told),
        answered=_between(told, answered),
        busy=round(share, 2),
        relay=round(relay, 2),
    )


def first(events: tuple[Event, ...], where: str, name: str, detail: str = "") -> float | None:
    """When such an event came first."""
    found = (event for event in events if (event.where, event.name) == (where, name))
    return next((event.at for event in found if detail in ("", event.detail)), None)


def _between(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(max(0.0, other - one), 3)


def _of_qemu(line: str, site: str) -> Event | None:
    found = _EVENT.match(line)
    if found is None:
        return None
    told = json.loads(found[3]) if found[3].startswith("{") else {}
    at = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S.%f%z").timestamp()
    return Event(at=at, where=site, name=found[2], detail=str(told.get("status", told.get("pass", ""))))


def _of_network(line: str) -> Event | None:
    found = _ARP.match(line)
    return Event(at=float(found[1]), where=CLIENT, name="announced") if found else None


def _number(address: str) -> str:
    return "0x" + "".join(f"{int(part):02x}" for part in address.split("."))


def _processors() -> tuple[int, int]:
    fields = [int(word) for word in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def _spent(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100
