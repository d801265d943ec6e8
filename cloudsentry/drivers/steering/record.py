"""What is remembered of a steering at its place: its mark, what was last written, and what stood before the event."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

from cloudsentry.clouds.hosts import Host, state_folder
from cloudsentry.errors import NotSupported
from cloudsentry.records.marks import Mark
from cloudsentry.records.steering import Options, SetShares, Steer, Target, target_of

FILE = "mark.json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One steering. ``until``: seconds since 1970 at which the last old answer ends. ``kept`` is the driver's own."""

    driver: str
    mark: Mark
    targets: tuple[Target, ...]
    options: Options
    until: float = 0.0
    reverted: bool = False
    kept: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, order: SetShares, driver: str, kept: dict[str, Any]) -> Record:
        """As an order wants it."""
        return cls(driver=driver, mark=order.mark, targets=order.targets, options=order.options, kept=kept)

    @classmethod
    def read(cls, content: bytes) -> Record | None:
        """From what `written` gave; None where it is none."""
        try:
            data: dict[str, Any] = json.loads(content)
            mark = Mark(**data.pop("mark"))
            targets = tuple(target_of(one) for one in data.pop("targets"))
            options = tuple((key, value) for key, value in data.pop("options"))
            return cls(mark=mark, targets=targets, options=options, **data)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def written(self) -> bytes:
        """For `read`."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":")).encode()

    def option(self, key: str) -> str:
        """One option, or nothing."""
        return dict(self.options).get(key, "")

    def settling(self, seconds: float) -> Record:
        """The same, with old answers that hold for so long from now on, or for longer if some do already."""
        return dataclasses.replace(self, until=max(self.until, time.time() + seconds))

    @property
    def home(self) -> Target:
        """Where everybody goes without the event."""
        return next(one for one in self.targets if one.home)

    def steer(self, state: str, shares: dict[str, float], detail: str = "") -> Steer:
        """For a view."""
        return Steer(
            mark=self.mark,
            state=state,
            targets=self.targets,
            shares=tuple(sorted((name, round(share, 4)) for name, share in shares.items())),
            settles=max(0.0, self.until - time.time()),
            detail=detail,
        )


def base_of(event: str) -> str:
    """The folder on a host where an event's steerings are remembered; no event's name begins with a dot."""
    return f"{state_folder()}/.steering/{event}"


def folder_of(event: str, unit: str) -> str:
    """The folder of one steering. Raises `NotSupported` for a name that is no name."""
    for name in (event, unit):
        if not name or name.startswith(".") or "/" in name:
            raise NotSupported(f"{name!r} is not fit for a name")
    return f"{base_of(event)}/{unit}"


def records(host: Host, event: str, driver: str) -> tuple[Record, ...]:
    """A driver's steerings of an event on a host, by one read."""
    found = (Record.read(content) for content in host.each(base_of(event), FILE).values())
    return tuple(one for one in found if one is not None and one.driver == driver and one.mark.event == event)


def record_at(host: Host, event: str, unit: str) -> Record | None:
    """The steering of a unit."""
    content = host.read(f"{folder_of(event, unit)}/{FILE}")
    return Record.read(content) if content is not None else None


def remember(host: Host, record: Record) -> None:
    """The record is on the host: from here on it is found."""
    host.write(f"{folder_of(record.mark.event, record.mark.unit)}/{FILE}", record.written())


def forget(host: Host, event: str, unit: str) -> None:
    """Nothing of it is on the host; the record goes with its folder."""
    host.remove(folder_of(event, unit))
    host.prune(base_of(event))
