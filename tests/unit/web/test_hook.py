"""The hook as its callers meet it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scale.stage import START, Stage

from cloudsentry.conf import HookSettings
from cloudsentry.errors import UserError
from cloudsentry.executor.clock import Clock
from cloudsentry.journal.ownership import owned
from cloudsentry.web.app import make_app
from cloudsentry.web.gate import SIGNATURE, checked, sign
from cloudsentry.web.keystone import Vouched
from cloudsentry.web.refused import Refused
from cloudsentry.web.worker import Worker

TOKEN, OTHER, SECRET = "alertmanagers-token", "aodhs-token", "s" * 40
SETTINGS = HookSettings(
    alertmanager_token=hashlib.sha256(TOKEN.encode()).hexdigest(),
    aodh_token=hashlib.sha256(OTHER.encode()).hexdigest(),
    generic_secret=SECRET,
    rate="10000/minute",
    body_most=4096,
)
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Door:
    """The hook over a stage, with the event applied."""

    def __init__(self, folder: Path, hook: HookSettings = SETTINGS) -> None:
        self.stage = Stage(folder, hook=hook)
        self.stage.wall.now = START
        self.stage.applied()
        self.worker = Worker(self.stage.scaler, Clock(), expiry=60)
        self.client = TestClient(make_app(self.stage.scaler, self.worker, wall=self.stage.wall))

    def signed(self, body: Any, *, ago: float = 0, secret: str = SECRET) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = sign(secret, content, self.stage.wall().timestamp() - ago)
        headers = {SIGNATURE: signature, "Content-Type": "application/json"}
        return self.client.post("/v1/hooks/generic", content=content, headers=headers)

    def servers(self) -> int:
        assert self.worker.settle()
        return sum(self.stage.active().values())


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    with made.client:
        yield made
    made.stage.scaler.close()


def alert(fingerprint: str = "f1", status: str = "firing", **labels: str) -> dict[str, Any]:
    words = {"alertname": "Slow", "cloudsentry_event": "summer", "cloudsentry_pool": "front", "cloudsentry_scale": "+1"}
    return {
        "status": status,
        "labels": {**words, **labels},
        "annotations": {},
        "startsAt": "2026-08-21T04:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": fingerprint,
    }


def delivery(*alerts: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": "{}:{alertname='Slow'}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "cloudsentry",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": list(alerts),
    }


def post(door: Door, *alerts: dict[str, Any]) -> Any:
    return door.client.post("/v1/hooks/alertmanager", json=delivery(*alerts), headers=BEARER)


def test_an_alert_scales_the_pool_and_its_answer_says_what_and_why(door: Door) -> None:
    answer = post(door, alert(cloudsentry_scale="7"))
    assert answer.status_code == 202
    (said,) = answer.json()["decisions"]
    assert (said["state"], said["current"], said["wanted"], said["rule"]) == ("queued", 2, 7, "asked")
    assert said["why"][0] == "alert Slow asks for 7 in all, 7 servers"
    assert door.servers() == 7
    assert door.stage.members() == 7
    later = door.client.get(said["href"], headers=BEARER).json()
    assert (later["state"], later["run"]) == ("done", 2)


def test_a_hundred_equal_alarms_are_one_action(door: Door) -> None:
    answers = [post(door, alert()) for _ in range(100)]
    assert {answer.json()["decisions"][0]["decision"] for answer in answers} == {1}
    assert [answer.json()["decisions"][0]["repeated"] for answer in answers] == [False] + 99 * [True]
    assert door.servers() == 5, "one more than two, but the match has begun and its timetable wants five"


def test_many_alerts_of_a_delivery_for_a_pool_are_one_action(door: Door) -> None:
    answer = post(door, *(alert(f"f{n}", instance=str(n), cloudsentry_scale="6") for n in range(3)))
    assert len(answer.json()["decisions"]) == 1
    assert door.servers() == 6


def test_a_resolved_alert_takes_nothing_away(door: Door) -> None:
    answer = post(door, alert(status="resolved"))
    assert answer.status_code == 200
    assert answer.json()["decisions"][0]["state"] == "ignored"
    assert door.servers() == 2


def test_an_alert_beyond_the_bounds_is_bounded(door: Door) -> None:
    (said,) = post(door, alert(cloudsentry_scale="+100")).json()["decisions"]
    assert (said["wanted"], said["rule"]) == (8, "bounds")
    assert door.servers() == 8


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({"cloudsentry_event": "winter"}, "there is no event 'winter'"),
        ({"cloudsentry_pool": "static"}, "it scales: front"),
        ({"cloudsentry_scale": "more"}, "expected +N, -N or N servers"),
        ({"cloudsentry_scale": "1e9"}, "expected +N"),
        ({"cloudsentry_pool": ""}, "names no event and pool"),
        ({"cloudsentry_event": "../../etc/passwd.yaml"}, "there is no event '../../etc/passwd.yaml' in the journal"),
    ],
)
def test_an_alert_that_cannot_be_understood_is_refused_with_the_reason(
    door: Door, labels: dict[str, str], why: str
) -> None:
    answer = post(door, alert(**labels))
    assert answer.status_code == 422
    assert why in answer.json()["decisions"][0]["why"][0]
    assert door.servers() == 2


def aodh(current: str = "alarm") -> dict[str, Any]:
    return {
        "alarm_id": "0ca2845e",
        "alarm_name": "cpu high",
        "severity": "critical",
        "current": current,
        "previous": "ok",
        "reason": "Transition to alarm due to 1 samples outside threshold",
        "reason_data": {"type": "threshold", "most_recent": 95.0},
    }


def test_aodh_calls_with_the_token_in_the_actions_address(door: Door) -> None:
    basic = {"Authorization": "Basic " + base64.b64encode(f"cloudsentry:{OTHER}".encode()).decode()}
    address = "/v1/hooks/aodh?event=summer&pool=front&scale=%2B5"
    answer = door.client.post(address, json=aodh(), headers=basic)
    assert (answer.status_code, answer.json()["decisions"][0]["wanted"]) == (202, 7)
    assert door.servers() == 7
    assert door.client.post(address, json=aodh(), headers=basic).json()["decisions"][0]["repeated"]
    assert door.client.post(address, json=aodh("ok"), headers=basic).json()["decisions"][0]["state"] == "ignored"


def test_a_signed_call_scales(door: Door) -> None:
    answer = door.signed({"event": "summer", "pool": "front", "scale": 6, "reason": "the band is late", "id": "x"})
    assert answer.status_code == 202
    assert door.servers() == 6


def test_a_signature_is_good_once(door: Door) -> None:
    body = {"event": "summer", "pool": "front", "scale": "6"}
    assert door.signed(body).status_code == 202
    again = door.signed(body)
    assert (again.status_code, again.json()["detail"]) == (401, "the signature was used before")
    door.stage.wall.forward(seconds=5)
    assert door.signed(body).json()["decisions"][0]["repeated"]


@pytest.mark.parametrize("ago", [301, -301])
def test_a_signature_of_another_time_is_refused(door: Door, ago: float) -> None:
    assert door.signed({"event": "summer", "pool": "front", "scale": 3}, ago=ago).status_code == 401


def test_another_secret_or_another_body_is_refused(door: Door) -> None:
    assert door.signed({"event": "summer", "pool": "front", "scale": 3}, secret="t" * 40).status_code == 401
    headers = {SIGNATURE: sign(SECRET, b"{}", door.stage.wall().timestamp())}
    assert door.client.post("/v1/hooks/generic", content=b'{"event":"x"}', headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/hooks/alertmanager", {}),
        ("/v1/hooks/alertmanager", {"Authorization": f"Bearer {OTHER}"}),
        ("/v1/hooks/alertmanager", {"Authorization": "Bearer "}),
        ("/v1/hooks/alertmanager", {"Authorization": "Basic !!!"}),
        ("/v1/hooks/aodh?event=summer&pool=front&scale=9", BEARER),
        ("/v1/hooks/generic", {SIGNATURE: "t=1,v1=zz"}),
        ("/v1/hooks/elsewhere", BEARER),
        ("/v1/hooks/alertmanager/", {}),
    ],
)
def test_who_is_not_known_is_not_let_in(door: Door, path: str, headers: dict[str, str]) -> None:
    answer = door.client.post(path, json=delivery(alert()), headers=headers, follow_redirects=False)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert door.servers() == 2


def test_decisions_are_not_for_everybody(door: Door) -> None:
    post(door, alert())
    assert door.client.get("/v1/decisions/1").status_code == 401
    assert door.client.get("/v1/decisions/1", headers=BEARER).status_code == 200
    assert door.client.get("/v1/decisions/99", headers=BEARER).status_code == 404
    assert door.client.get(f"/v1/decisions/{10**30}", headers=BEARER).status_code == 422


def test_a_large_body_is_refused(door: Door) -> None:
    answer = door.client.post("/v1/hooks/alertmanager", content=b"x" * 5000, headers=BEARER)
    assert answer.status_code == 413


def test_a_body_that_is_none_is_told_without_being_repeated(door: Door) -> None:
    answer = door.client.post("/v1/hooks/alertmanager", json={"version": "planted-secret"}, headers=BEARER)
    assert answer.status_code == 422
    assert "planted-secret" not in answer.text


def test_nobody_may_call_until_the_configuration_says_who(tmp_path: Path) -> None:
    with Door(tmp_path, HookSettings()).client as client:
        for path in ("alertmanager", "aodh?event=e&pool=p&scale=1", "generic"):
            answer = client.post(f"/v1/hooks/{path}", json={}, headers={"Authorization": "Bearer "})
            assert answer.status_code == 401
        assert client.get("/v1/decisions/1", headers={SIGNATURE: sign("", b"", START.timestamp())}).status_code == 401


def test_too_many_calls_are_told_when_to_come_again(tmp_path: Path) -> None:
    with Door(tmp_path, HookSettings(rate="3/minute")).client as client:
        codes = [client.post("/v1/hooks/generic").status_code for _ in range(5)]
        assert codes == [401, 401, 401, 429, 429]
        assert 1 <= int(client.post("/v1/hooks/generic").headers["Retry-After"]) <= 60
        assert client.get("/healthz").json() == {"status": "ok"}


def test_what_was_accepted_is_carried_out_by_the_next_process(tmp_path: Path) -> None:
    door = Door(tmp_path)
    with owned("summer", door.stage.settings.ownership.backend_url), door.client:
        assert post(door, alert(cloudsentry_scale="7")).status_code == 202
    assert sum(door.stage.active().values()) == 2
    second = Worker(door.stage.scaler, Clock(), expiry=60)
    second.resume()
    assert second.settle()
    assert sum(door.stage.active().values()) == 7


def test_metrics_count_what_was_done(door: Door) -> None:
    post(door, alert())
    post(door, alert())
    text = door.client.get("/metrics").text
    assert 'cloudsentry_hook_calls_total{source="alertmanager",state="queued"} 1.0' in text
    assert 'cloudsentry_hook_calls_total{source="alertmanager",state="repeated"} 1.0' in text


def test_the_description_names_every_door_and_how_to_get_in(door: Door) -> None:
    found = door.client.get("/openapi.json").json()
    assert set(found["paths"]) == {
        "/v1/hooks/alertmanager",
        "/v1/hooks/aodh",
        "/v1/hooks/generic",
        "/v1/decisions/{number}",
        "/healthz",
        "/metrics",
    }
    assert found["paths"]["/v1/hooks/generic"]["post"]["security"] == [{"APIKeyHeader": []}]


@pytest.mark.parametrize(
    "wrong",
    [HookSettings(alertmanager_token="clear-text"), HookSettings(generic_secret="short"), HookSettings(rate="often")],
)
def test_wrong_settings_are_told_before_the_port_is_open(wrong: HookSettings) -> None:
    with pytest.raises(UserError, match=r"\[hook\]"):
        checked(wrong)


def test_no_secret_is_in_the_settings_repr() -> None:
    assert SECRET not in repr(SETTINGS)
    assert str(SETTINGS.aodh_token) not in repr(SETTINGS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
near_misses = st.fixed_dictionaries(
    {"version": st.just("4"), "status": st.just("firing"), "alerts": st.lists(json_values, max_size=3)}
) | st.fixed_dictionaries({"event": st.text(), "pool": st.text(), "scale": st.text() | st.integers()})


@given(body=json_values | near_misses, raw=st.binary(max_size=50) | st.none(), query=st.text(max_size=20))
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_is_answered_without_a_fault_of_ours(
    door: Door, body: Any, raw: bytes | None, query: str
) -> None:
    content = raw if raw is not None else json.dumps(body).encode()
    door.stage.wall.forward(seconds=1)
    token = {"Authorization": f"Bearer {OTHER}"}
    params = {"event": query, "pool": query, "scale": query}
    answers = [
        door.client.post("/v1/hooks/alertmanager", content=content, headers=BEARER),
        door.client.post("/v1/hooks/aodh", params=params, content=content, headers=token),
        door.signed(content),
    ]
    assert all(answer.status_code < 500 for answer in answers)


def test_a_token_that_keystone_knows_scales_as_a_signature_does(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[str] = []

    def check(self: Vouched, token: str) -> None:
        known.append(token)
        if token != "good":
            raise Refused(401, "Keystone does not know this token")

    monkeypatch.setattr(Vouched, "check", check)
    body = {"event": "summer", "pool": "front", "scale": 6}
    bad = door.client.post("/v1/hooks/generic", json=body, headers={"X-Auth-Token": "bad"})
    assert (bad.status_code, bad.json()["detail"]) == (401, "Keystone does not know this token")
    assert door.client.post("/v1/hooks/generic", json=body, headers={"X-Auth-Token": "good"}).status_code == 202
    assert (known, door.servers()) == (["bad", "good"], 6)


def test_a_token_lets_nobody_in_where_no_cloud_is_named(door: Door) -> None:
    body = {"event": "summer", "pool": "front", "scale": 3}
    answer = door.client.post("/v1/hooks/generic", json=body, headers={"X-Auth-Token": "any"})
    assert answer.status_code == 401
    assert "keystone_cloud" in answer.json()["detail"]
