"""Load as Prometheus knows it: one instant query of its HTTP API."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests

from cloudsentry.drivers.signal.base import SignalDriver, measured
from cloudsentry.records.scaling import Missing, Reading


class PrometheusSignal(SignalDriver):
    """PromQL that gives one series, or a scalar, in the unit that the options say."""

    def read(self) -> Reading | Missing:
        """One query. No series (Prometheus' answer to a target that is down) is missing, as is more than one."""
        source = f"prometheus {urlsplit(self.options.url).netloc}"
        try:
            answer = requests.get(
                f"{self.options.url.rstrip('/')}/api/v1/query",
                params={"query": self.options.query, "timeout": f"{self.options.timeout:g}s"},
                timeout=self.options.timeout,
                allow_redirects=False,
            )
            body = answer.json()
        except requests.Timeout:
            return Missing(why=f"no answer in {self.options.timeout:g} s", source=source)
        except requests.JSONDecodeError:
            return Missing(why=f"HTTP {answer.status_code}, and no JSON", source=source)
        except requests.RequestException as error:
            return Missing(why=type(error).__name__, source=source)
        if answer.status_code != 200:
            return Missing(why=f"HTTP {answer.status_code}: {_error(body)}", source=source)
        return _read(body, self.options.unit, source)


def _error(body: Any) -> str:
    return str(body.get("error", ""))[:200] if isinstance(body, dict) else ""


def _read(body: Any, unit: str, source: str) -> Reading | Missing:
    """The one sample of an answer (``resultType`` vector or scalar, as Prometheus' HTTP API documents them)."""
    try:
        kind, result = body["data"]["resultType"], body["data"]["result"]
        samples = [result] if kind == "scalar" else [series["value"] for series in result]
        if kind not in ("scalar", "vector"):
            return Missing(why=f"the query gives a {kind}, not one number", source=source)
        if len(samples) != 1:
            told = "no series" if not samples else f"{len(samples)} series: sum() them"
            return Missing(why=f"the query gives {told}", source=source)
        return measured(samples[0][1], unit, source)
    except (KeyError, IndexError, TypeError):
        return Missing(why="not the answer of a Prometheus", source=source)
