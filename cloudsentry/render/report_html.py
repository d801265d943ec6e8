"""A history as one self-contained HTML file: no script, nothing fetched from anywhere."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from cloudsentry.records.history import History
from cloudsentry.render.report_plots import plots
from cloudsentry.render.report_rows import headline, tables, when


def report(history: History) -> str:
    """The document. What the journal holds is text, never markup: every value is escaped."""
    pages = Environment(
        loader=PackageLoader("cloudsentry.render"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return pages.get_template("report.html").render(
        history=history, headline=headline(history), tables=tables(history), plots=plots(history), when=when
    )
