"""The mark: how everything that cloudsentry makes says whose it is.

Nova carries it as one server tag (for the filtered list) and as metadata (for the
rest); Octavia and Neutron carry it as tags. What has no mark is somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PREFIX = "cloudsentry"
NAME_MAX = 40
"""Longest event name: a Nova server tag holds 60 characters, the prefix takes the rest."""


def event_tag(event: str) -> str:
    """The tag that one filtered list call asks for."""
    return f"{PREFIX}-event={event}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Whose a resource is: the event, the unit that lives or dies together, and the call that made it."""

    event: str
    unit: str
    op: str

    def tags(self) -> tuple[str, ...]:
        """As tags, sorted: for Octavia and Neutron, whose tags hold 255 characters."""
        return tuple(sorted((PREFIX, event_tag(self.event), f"{PREFIX}-unit={self.unit}", f"{PREFIX}-op={self.op}")))

    def metadata(self) -> dict[str, str]:
        """As Nova server metadata."""
        return {f"{PREFIX}.event": self.event, f"{PREFIX}.unit": self.unit, f"{PREFIX}.op": self.op}

    @classmethod
    def from_tags(cls, tags: Iterable[str]) -> Mark | None:
        """Read back from tags; None where the event's tag is missing."""
        found = dict(
            tag[len(PREFIX) + 1 :].split("=", 1) for tag in tags if tag.startswith(f"{PREFIX}-") and "=" in tag
        )
        if "event" not in found:
            return None
        return cls(event=found["event"], unit=found.get("unit", ""), op=found.get("op", ""))

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Mark | None:
        """Read back from server metadata; None where the event's key is missing."""
        event = metadata.get(f"{PREFIX}.event")
        if event is None:
            return None
        return cls(event=event, unit=metadata.get(f"{PREFIX}.unit", ""), op=metadata.get(f"{PREFIX}.op", ""))
