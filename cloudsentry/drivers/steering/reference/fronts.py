"""The farm's front servers: the file that each delivers, and what was kept of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from cloudsentry.clouds.hosts import Host
from cloudsentry.drivers.steering.files import replace_file
from cloudsentry.drivers.steering.record import Record, folder_of
from cloudsentry.errors import Conflict, DriverError, NotSupported


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """One front server: where, which file, and its name at the front balancer."""

    host: Host
    file: str
    server: str

    @property
    def place(self) -> str:
        """For people."""
        return f"{self.host.place}:{self.file}"

    def text(self) -> bytes:
        """What it delivers. Raises `Conflict` where the file is not there."""
        content = self.host.read(self.file)
        if content is None:
            raise Conflict(f"there is no file {self.file}", cloud=self.host.place)
        return content

    def replace(self, text: bytes) -> None:
        """It delivers ``text`` from one moment to the next."""
        replace_file(self.host, self.file, text)

    def kept(self, record: Record) -> bytes | None:
        """What it delivered without the event; None where nothing was kept."""
        return self.host.read(self._path(record))

    def keep(self, record: Record, text: bytes) -> None:
        """Keep what it delivers without the event."""
        self.host.write(self._path(record), text)

    def drop(self, record: Record) -> None:
        """Nothing is kept any more."""
        self.host.remove(self._path(record))
        folder = folder_of(record.mark.event, record.mark.unit)
        self.host.prune(folder)
        self.host.prune(folder.rpartition("/")[0])

    def _path(self, record: Record) -> str:
        digest = hashlib.sha256(self.place.encode()).hexdigest()[:12]
        return f"{folder_of(record.mark.event, record.mark.unit)}/{digest}.before"


def fronts_of(options: dict[str, str], hosts: dict[str, Host]) -> tuple[Front, ...]:
    """The fronts of an order; ``hosts`` are opened ones by place. Raises `NotSupported` where there are none."""
    try:
        listed = json.loads(options["fronts"])
        found = tuple(Front(host=hosts[one["host"]], file=one["file"], server=one["server"]) for one in listed)
    except (KeyError, ValueError, TypeError) as error:
        raise NotSupported("no fronts are named") from error
    if not found:
        raise NotSupported("no fronts are named")
    return found


def places_of(options: dict[str, str]) -> tuple[str, ...]:
    """The hosts that the fronts are on."""
    try:
        return tuple(sorted({str(one["host"]) for one in json.loads(options["fronts"])}))
    except (KeyError, ValueError, TypeError):
        return ()


def told(front: Front, error: DriverError) -> str:
    """Why a front could not be looked at, in one line."""
    return str(error) if front.host.place in str(error) else f"{front.host.place}: {error}"
