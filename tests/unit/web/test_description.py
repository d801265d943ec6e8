"""The published description, tried with whatever it allows and does not: every answer is one that it names."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from web.test_hook import BEARER, SETTINGS, Door

# One token for both, so that every call passes the gate; and as many calls as are made.
DOOR = Door(Path(tempfile.mkdtemp()), dataclasses.replace(SETTINGS, aodh_token=SETTINGS.alertmanager_token))
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", DOOR.client.app)
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: Any) -> None:
    DOOR.stage.wall.forward(seconds=1)
    if case.path == "/v1/hooks/generic":
        assert DOOR.signed(case.body if isinstance(case.body, bytes) else _plain(case.body)).status_code < 500
        return
    response = case.call(headers=BEARER)
    if response.status_code not in (401, 405):  # the gate's, and the framework's: for calls that are none
        case.validate_response(response, checks=CHECKS)
    assert response.status_code < 500


def _plain(body: Any) -> Any:
    return body if isinstance(body, dict | list | str | int | float | bool) else None
