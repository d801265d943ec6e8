"""Courses over the day that the journal has not: what a Prometheus kept of sessions, traffic and CPU, for the report.

A file is the answer of Prometheus's ``/api/v1/query_range`` as it came (``curl … > sessions.json``): no other format
keeps both the labels and the step, and no report needs a password of a monitor.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloudsentry.errors import UserError
from cloudsentry.records.history import Curve, Figure

NAMES = ("hypervisor", "host", "instance", "name", "__name__")
"""Labels that a line is called by, the first that it has."""
MOST = 24
"""Lines of one figure: more can be told apart by nobody."""
POINTS = 200_000
"""Points of one figure."""


def read(title: str, path: Path) -> Figure:
    """One figure. Raises `UserError` for a file that is no answer with ranges, or that has too many."""
    try:
        answer = json.loads(path.read_text("utf-8"))
        series = answer["data"]["result"]
        curves = tuple(sorted((_curve(one) for one in series), key=lambda curve: curve.name))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(f"{path} is no answer of Prometheus's query_range ({type(error).__name__}: {error})") from error
    if len(curves) > MOST or sum(len(curve.points) for curve in curves) > POINTS:
        raise UserError(f"{path} has {len(curves)} lines; {MOST} with {POINTS} points together are the most: aggregate")
    return Figure(title=title, curves=curves, source=f"From {path.name}, in the form of a Prometheus's answer.")


def written(figure: Figure, path: Path) -> None:
    """Write a figure down so that `read` gives its lines back."""
    series = [
        {"metric": {"name": curve.name}, "values": [[at.timestamp(), repr(value)] for at, value in curve.points]}
        for curve in figure.curves
    ]
    told = {"status": "success", "data": {"resultType": "matrix", "result": series}}
    path.write_text(json.dumps(told) + "\n", "utf-8")


def _curve(series: Mapping[str, Any]) -> Curve:
    labels = series["metric"]
    name = next((str(labels[label]) for label in NAMES if label in labels), "")
    points = [(dt.datetime.fromtimestamp(float(at), dt.UTC), float(value)) for at, value in series["values"]]
    # Prometheus says NaN where it divided by nothing: that is no measurement.
    return Curve(name=name, points=tuple(point for point in sorted(points) if math.isfinite(point[1])))
