"""A history as Markdown: tables, no plots."""

from __future__ import annotations

from collections.abc import Iterable

from cloudsentry.records.history import History
from cloudsentry.render.report_rows import Table, headline, tables, when

ESCAPES = str.maketrans({"|": "\\|", "<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " "})


def report(history: History) -> str:
    """One document. What the journal holds is text, never markup."""
    lines = [f"# {_text(history.event)}", ""]
    lines += [_text(history.title), ""] if history.title else []
    lines += [f"{when(history.began)} to {when(history.made)} UTC, revision {history.revision}, {history.state}.", ""]
    lines += [f"- {_text(line)}" for line in headline(history)]
    for table in tables(history):
        lines += ["", f"## {_text(table.title)}", "", *_table(table)]
    return "\n".join(lines) + "\n"


def _table(table: Table) -> list[str]:
    if not table.rows:
        return [table.none]
    rules = ["---:" if column in table.numbers else "---" for column in range(len(table.columns))]
    return [_line(table.columns), _line(rules, plain=True), *(_line(row) for row in table.rows)]


def _line(cells: Iterable[str], *, plain: bool = False) -> str:
    return f"| {' | '.join(cell if plain else _text(cell) for cell in cells)} |"


def _text(text: str) -> str:
    return text.translate(ESCAPES)
