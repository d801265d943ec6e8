"""A load is a number in a unit; everything else is missing, and says why."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from cloudsentry.drivers.signal.base import SignalOptions
from cloudsentry.drivers.signal.fake import FakeSignal
from cloudsentry.drivers.signal.prometheus import PrometheusSignal
from cloudsentry.records.scaling import Missing, Reading

OPTIONS = SignalOptions(url="http://prometheus:9090/", query="sum(rate(requests[1m]))", timeout=2.0)


class Answer:
    def __init__(self, body: Any, status: int = 200) -> None:
        self.status_code, self._body = status, body

    def json(self) -> Any:
        if self._body is None:
            raise requests.JSONDecodeError("no", "", 0)
        return self._body


def vector(*values: object) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": [{"value": [0, v]} for v in values]}}


def read(monkeypatch: pytest.MonkeyPatch, answer: Any, options: SignalOptions = OPTIONS) -> Reading | Missing:
    asked: list[Any] = []

    def get(url: str, **kwargs: Any) -> Any:
        asked.append((url, kwargs))
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(requests, "get", get)
    found = PrometheusSignal(options).read()
    assert asked[0][0] == "http://prometheus:9090/api/v1/query"
    assert asked[0][1]["timeout"] == 2.0
    return found


def test_one_series_is_a_load(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, Answer(vector("812.5")))
    assert found == Reading(value=812.5, unit="requests/s", source="prometheus prometheus:9090")


def test_zero_is_a_load(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(read(monkeypatch, Answer(vector("0"))), Reading)


def test_a_scalar_is_a_load(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"status": "success", "data": {"resultType": "scalar", "result": [0, "7"]}}
    assert getattr(read(monkeypatch, Answer(body)), "value", None) == 7


def test_units_are_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    options = SignalOptions(url=OPTIONS.url, query="q", unit="requests/min", timeout=2.0)
    found = read(monkeypatch, Answer(vector("120")), options)
    assert found == Reading(value=2.0, unit="requests/s", source="prometheus prometheus:9090")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(vector()), "no series"),
        (Answer(vector("1", "2")), "2 series"),
        (Answer(vector("NaN")), "nan is no load"),
        (Answer(vector("+Inf")), "inf is no load"),
        (Answer(vector("-1")), "-1.0 is no load"),
        (Answer(vector("many")), "expected a number"),
        (Answer({"error": "parse error"}, 400), "HTTP 400: parse error"),
        (Answer(None, 502), "HTTP 502"),
        (Answer([]), "not the answer of a Prometheus"),
        (Answer({"data": {"resultType": "matrix", "result": []}}), "matrix"),
        (requests.ConnectionError("http://secret@host"), "ConnectionError"),
        (requests.ReadTimeout(), "no answer in 2 s"),
    ],
)
def test_everything_else_is_missing(monkeypatch: pytest.MonkeyPatch, answer: Any, why: str) -> None:
    found = read(monkeypatch, answer)
    assert isinstance(found, Missing)
    assert why in found.why
    assert "secret" not in found.why


def test_the_fake_says_what_it_is_told() -> None:
    assert FakeSignal(SignalOptions(query="120")).read() == Reading(value=120, unit="requests/s", source="fake")
    assert FakeSignal(SignalOptions(query="missing: blind")).read() == Missing(why="blind", source="fake")
