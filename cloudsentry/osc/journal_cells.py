"""Cells of what the journal tells: one way in a table, another way to a program."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from cliff.columns import FormattableColumn


class When(FormattableColumn):
    """A time, or None: UTC to the second in a table, ISO 8601 to a program."""

    def human_readable(self) -> str:
        """``2010-08-21 13:00:05Z``, or nothing."""
        return "" if self._value is None else f"{self._value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%SZ}"

    def machine_readable(self) -> str | None:
        """ISO 8601 with its offset, or None."""
        return None if self._value is None else str(self._value.isoformat())


class Tree(FormattableColumn):
    """Nested data: indented JSON in a table, itself to a program."""

    def human_readable(self) -> str:
        """Indented JSON."""
        return json.dumps(self._value, indent=2, ensure_ascii=False)

    def machine_readable(self) -> Any:
        """The data."""
        return self._value


class Lines(FormattableColumn):
    """Several lines of text."""

    def human_readable(self) -> str:
        """One below the other."""
        return "\n".join(self._value)

    def machine_readable(self) -> list[str]:
        """A list of strings."""
        return list(self._value)
