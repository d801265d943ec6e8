"""What to do with a pin's servers that cannot be had where they are pinned."""

from __future__ import annotations

from pydantic import Field

from cloudsentry.spec.parts import CloudName, Count, Name, Part


class Spill(Part):
    """One place to turn to. Exactly one of ``aggregate``, ``trait`` and ``pool`` is named."""

    aggregate: CloudName | None = Field(None, description="Other hypervisors of this host aggregate.")
    trait: CloudName | None = Field(None, description="Other hypervisors that have this Placement trait.")
    pool: Name | None = Field(None, description="Another of `pools`, of this site or of another one.")
    most: Count | None = Field(None, description="At most this many servers of one pin; no bound where absent.")

    @property
    def kind(self) -> tuple[str, str]:
        """(kind, value) of the place that is named."""
        for kind in ("aggregate", "trait", "pool"):
            value = getattr(self, kind)
            if value is not None:
                return kind, value
        return "", ""
