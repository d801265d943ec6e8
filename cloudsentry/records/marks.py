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


def port_tag(server: str) -> str:
    """The tag of a port that was made for a server beforehand: Nova leaves it when the server goes."""
    return f"{PREFIX}-server={server}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Whose a resource is, and what it was made from.

    ``unit`` lives or dies together; ``op`` names the one call that made it; ``template`` is a digest
    of what it was made like, so that a changed image or flavor is seen as drift.
    """

    event: str
    unit: str
    op: str = ""
    template: str = ""

    def _fields(self) -> tuple[tuple[str, str], ...]:
        return (("event", self.event), ("unit", self.unit), ("op", self.op), ("template", self.template))

    def tags(self) -> tuple[str, ...]:
        """As tags, sorted: for Octavia and Neutron, whose tags hold 255 characters."""
        return tuple(sorted((PREFIX, *(f"{PREFIX}-{key}={value}" for key, value in self._fields() if value))))

    def metadata(self) -> dict[str, str]:
        """As Nova server metadata."""
        return {f"{PREFIX}.{key}": value for key, value in self._fields() if value}

    @classmethod
    def from_tags(cls, tags: Iterable[str]) -> Mark | None:
        """Read back from tags; None where the event's tag is missing."""
        ours = (tag[len(PREFIX) + 1 :] for tag in tags if tag.startswith(f"{PREFIX}-") and "=" in tag)
        return cls._of(dict(tag.split("=", 1) for tag in ours))

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Mark | None:
        """Read back from server metadata; None where the event's key is missing."""
        dotted = f"{PREFIX}."
        return cls._of({key[len(dotted) :]: value for key, value in metadata.items() if key.startswith(dotted)})

    @classmethod
    def _of(cls, found: Mapping[str, str]) -> Mark | None:
        if "event" not in found:
            return None
        known = {key: found.get(key, "") for key in ("unit", "op", "template")}
        return cls(event=found["event"], **known)
