"""Load as Gnocchi keeps it: the newest measure of one metric or aggregate."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlsplit

import requests

from cloudsentry.drivers.signal.base import SignalDriver, measured
from cloudsentry.errors import SentryError
from cloudsentry.records.scaling import Missing, Reading

STALE = 3
"""Granularities after which the newest measure says nothing of now."""
BACK = dt.timedelta(hours=1)


class GnocchiSignal(SignalDriver):
    """``query`` is a metric's id, or ``ID?aggregation=rate:mean&granularity=60``; on a ``cloud``, or at a ``url``."""

    def read(self) -> Reading | Missing:
        """One call: the newest measure, unless it is older than three granularities."""
        source = f"gnocchi {self.options.cloud or urlsplit(self.options.url).netloc}"
        metric, _, rest = self.options.query.partition("?")
        params = dict(part.split("=", 1) for part in rest.split("&") if "=" in part)
        params["start"] = (dt.datetime.now(dt.UTC) - BACK).strftime("%Y-%m-%dT%H:%M:%S")
        try:
            body = self._asked(f"/v1/metric/{metric}/measures", params)
        except requests.Timeout:
            return Missing(why=f"no answer in {self.options.timeout:g} s", source=source)
        except requests.JSONDecodeError:
            return Missing(why="the answer is no JSON", source=source)
        except requests.HTTPError as error:
            return Missing(why=f"HTTP {error.response.status_code}", source=source)
        except (requests.RequestException, SentryError) as error:
            return Missing(why=str(error)[:200] or type(error).__name__, source=source)
        return _newest(body, self.options.unit, source)

    def _asked(self, path: str, params: dict[str, str]) -> Any:
        if self.options.cloud and self.options.connect:
            return self.options.connect(self.options.cloud).get("metric", path.removeprefix("/v1"), params=params)
        url = self.options.url.rstrip("/")
        answer = requests.get(url + path, params=params, timeout=self.options.timeout, allow_redirects=False)
        answer.raise_for_status()
        return answer.json()


def _newest(body: Any, unit: str, source: str) -> Reading | Missing:
    """The last of ``[[timestamp, granularity, value], ...]``, as Gnocchi's API documents measures."""
    try:
        if not body:
            return Missing(why="no measures of the last hour", source=source)
        moment, granularity, value = max(body, key=lambda row: str(row[0]))
        at = dt.datetime.fromisoformat(str(moment))
        at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
        age = (dt.datetime.now(dt.UTC) - at).total_seconds()
        if age > STALE * float(granularity):
            return Missing(why=f"the newest measure is {age:.0f} s old", source=source)
        return measured(value, unit, source)
    except (ValueError, TypeError, KeyError, IndexError):
        return Missing(why="not the answer of a Gnocchi", source=source)
