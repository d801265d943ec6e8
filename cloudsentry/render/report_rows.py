"""A history as tables: what HTML and Markdown have in common."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from cloudsentry.records.history import Figure, History, LeadLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One section. ``none`` is said where there are no rows; ``numbers`` are the columns set to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    none: str
    numbers: frozenset[int] = frozenset()


def when(moment: dt.datetime | None) -> str:
    """A moment in UTC, to the second."""
    return "" if moment is None else f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"


def span(seconds: float | None) -> str:
    """``42 s``, ``12 min 5 s``, ``3 h 20 min``; a sign where it is negative."""
    if seconds is None:
        return ""
    sign, whole = ("-" if seconds < 0 else ""), abs(round(seconds))
    if whole < 60:
        return f"{sign}{whole} s" if whole >= 10 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{sign}{whole // 60} min {whole % 60} s"
    return f"{sign}{whole // 3600} h {whole % 3600 // 60} min"


def headline(history: History) -> tuple[str, ...]:
    """The few sentences that a reader in a hurry wants."""
    done, larger = (sum(run.outcome == word for run in history.runs) for word in ("done", "gave way"))
    judged = [line for line in history.leads if line.kept is not None]
    kept = sum(bool(line.kept) for line in judged)
    hours = ", ".join(f"{cloud.hours:.1f} on {cloud.cloud}" for cloud in history.clouds)
    gave = f"; {larger} more gave way to a larger one" if larger else ""
    lines = [*history.notes, f"{done} of {len(history.runs) - larger} runs reached their end as wanted{gave}."]
    if judged:
        lines.append(f"Capacity was there in time for {kept} of {len(judged)} crowds.")
    if hours:
        lines.append(f"{history.hours:.1f} server-hours: {hours}.")
    lines.append(f"{len(history.incidents)} incidents." if history.incidents else "No incident.")
    return tuple(lines)


def tables(history: History) -> tuple[Table, ...]:
    """Every section, in the order of the questions: in time? where? how shared? what went wrong? who decided?"""
    figures = map(_figure, history.figures)
    return (_leads(history), _clouds(history), _shares(history), *figures, _incidents(history), *_logs(history))


def _figure(figure: Figure) -> Table:
    rows = (
        (
            curve.name or "all",
            when(curve.points[0][0]),
            when(curve.points[-1][0]),
            f"{min(values):.4g}",
            f"{sum(values) / len(values):.4g}",
            f"{max(values):.4g}",
        )
        for curve in figure.curves
        if (values := [value for _, value in curve.points])
    )
    columns = ("Line", "From", "Until", "Least", "Mean", "Most")
    return _table(figure.title, columns, rows, "Nothing was measured.", {3, 4, 5})


def _leads(history: History) -> Table:
    rows = (
        (
            line.match,
            line.pool,
            when(line.start),
            f"{line.crowd:g}",
            str(line.needed),
            when(line.ready) or "never",
            span(line.lead),
            span(line.promised),
            _kept(line),
        )
        for line in history.leads
    )
    columns = ("Match", "Pool", "Start", "Requests/s", "Servers needed", "There since", "Lead", "Promised", "Kept")
    none = "The event has no timetable, or scales no pool."
    return _table("Lead times", columns, rows, none, {3, 4, 6, 7})


def _kept(line: LeadLine) -> str:
    return "to come" if line.kept is None else "yes" if line.kept else "no"


def _clouds(history: History) -> Table:
    rows = ((line.cloud, str(line.most), f"{line.hours:.2f}") for line in history.clouds)
    columns = ("Cloud", "Servers at most", "Server-hours")
    return _table("Servers by cloud", columns, rows, "No run made any server.", {1, 2})


def _shares(history: History) -> Table:
    rows = (
        (
            line.balancer,
            line.unit,
            line.cloud,
            str(line.servers),
            str(line.weight),
            "" if line.share is None else f"{line.share:.1f}",
        )
        for line in history.shares
    )
    columns = ("Balancer", "Unit", "Cloud", "Servers", "Weight", "Share %")
    title = f"Weights and shares, revision {history.revision}"
    return _table(title, columns, rows, "The event has no balancer.", {3, 4, 5})


def _incidents(history: History) -> Table:
    rows = ((when(one.at), one.kind, one.what, one.cause or "unknown to the journal") for one in history.incidents)
    return _table("Incidents", ("When", "Kind", "What", "Cause"), rows, "Nothing went wrong.")


MANY = 300
"""Decisions, above which those that changed nothing are left out of what people read."""


def _logs(history: History) -> tuple[Table, ...]:
    changed = [line for line in history.decisions if line.wanted != line.current or line.state == "failed"]
    told = history.decisions if len(history.decisions) <= MANY else changed
    left = len(history.decisions) - len(told)
    title = f"Decisions that changed something; {left} that did not are left out" if left else "Decisions"
    decisions = (
        (
            when(line.at),
            line.pool,
            f"{line.current} to {line.wanted}" if line.wanted != line.current else f"{line.wanted} held",
            line.rule,
            line.source,
            line.state,
            str(line.times),
            "; ".join(line.why),
        )
        for line in told
    )
    runs = (
        (
            str(line.run),
            when(line.started),
            line.goal,
            str(line.revision),
            line.outcome,
            span(line.seconds),
            *("" if value is None else str(value) for value in (line.active, line.wanted, line.misplaced)),
            str(line.writes),
            str(line.reads),
        )
        for line in history.runs
    )
    moves = (
        (
            str(line.id),
            line.server,
            f"{line.source} to {line.target}",
            line.mover,
            line.state,
            line.phase,
            span(line.predicted),
            span(line.seconds),
            "" if line.predicted_gap is None else f"{1000 * line.predicted_gap:.0f} ms",
            line.error,
        )
        for line in history.moves
    )
    what = ("When", "Pool", "Servers", "Rule", "Source", "State", "Times", "Why")
    ran = ("Run", "Started", "Goal", "Revision", "Outcome", "Took", "Active", "Wanted", "Misplaced", "Writes", "Reads")
    moved = ("Move", "Server", "From, to", "Mover", "State", "Phase", "Predicted", "Took", "Gap predicted", "Error")
    return (
        _table(title, what, decisions, "Nothing was decided by a policy or a call.", {6}),
        _table("Moves", moved, moves, "Nothing was moved.", {0, 6, 7, 8}),
        _table("Runs", ran, runs, "There was no run.", {0, 3, 5, 6, 7, 8, 9, 10}),
    )


def _table(
    title: str,
    columns: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    none: str,
    numbers: Iterable[int] = (),
) -> Table:
    return Table(title=title, columns=columns, rows=tuple(rows), none=none, numbers=frozenset(numbers))
