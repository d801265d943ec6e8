"""Cells: what a value looks like to people; programs (``-f json`` and the like) get the value itself."""

from __future__ import annotations

from typing import Any

from cliff.columns import FormattableColumn


class Cell(FormattableColumn):
    """A value that tables show in people's words."""

    def human_readable(self) -> str:
        """``yes``, ``-`` for nothing, ``wanted 8, active 8`` for named numbers, one line per item of a list."""
        value = self._value
        if value is None:
            return "-"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, dict):
            return ", ".join(f"{name} {number}" for name, number in value.items())
        return "\n".join(str(item) for item in value)


def shown(row: Any) -> tuple[Any, ...]:
    """A row for cliff: values that cliff would print in Python's words become cells."""
    return tuple(Cell(value) if value is None or isinstance(value, bool | dict | list) else value for value in row)
