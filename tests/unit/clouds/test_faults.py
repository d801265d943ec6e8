"""What answers mean, with bodies as the services sent them."""

import pytest
import requests
import urllib3.exceptions
from keystoneauth1 import exceptions as ksa

from cloudsentry.clouds.faults import Call, answered, explanation, lost, retry_after
from cloudsentry.errors import (
    Ambiguous,
    Busy,
    Conflict,
    Denied,
    NoCapacity,
    NotSupported,
    Unreachable,
    UserError,
)

from .stub import answer

NOVA_403 = {
    "forbidden": {"code": 403, "message": "Quota exceeded for instances: Requested 4, but already used 8 of 10"}
}
OVER_QUOTA = {"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: ['port'].", "detail": ""}}
IN_USE = {"NeutronError": {"type": "PortInUse", "message": "Unable to complete operation.", "detail": ""}}
IMMUTABLE = {
    "faultcode": "Client",
    "faultstring": "Load Balancer 08b47b28 is immutable and cannot be updated.",
    "debuginfo": None,
}


def call(method="GET", service="compute"):
    return Call(cloud="here", service=service, method=method, path="/servers")


@pytest.mark.parametrize(
    ("method", "service", "status", "body", "kind"),
    [
        ("GET", "compute", 401, {"error": {"code": 401, "message": "The request requires authentication."}}, Denied),
        ("POST", "compute", 403, NOVA_403, Denied),
        ("GET", "compute", 404, {"itemNotFound": {"code": 404, "message": "Instance x could not be found."}}, Conflict),
        ("POST", "compute", 409, {"conflictingRequest": {"code": 409, "message": "in vm_state active"}}, Conflict),
        ("PUT", "load-balancer", 409, IMMUTABLE, Busy),
        ("POST", "network", 409, OVER_QUOTA, NoCapacity),
        ("POST", "network", 409, IN_USE, Conflict),
        ("POST", "compute", 413, {"overLimit": {"code": 413, "message": "full"}}, NoCapacity),
        ("POST", "compute", 429, None, Busy),
        ("POST", "compute", 400, {"badRequest": {"code": 400, "message": "Invalid input."}}, NotSupported),
        (
            "POST",
            "compute",
            406,
            {"computeFault": {"code": 406, "message": "Version 2.99 is not supported."}},
            NotSupported,
        ),
        ("GET", "compute", 501, None, NotSupported),
        ("GET", "compute", 500, {"computeFault": {"code": 500, "message": "Unexpected API Error."}}, Busy),
        ("POST", "compute", 500, {"computeFault": {"code": 500, "message": "Unexpected API Error."}}, Ambiguous),
        ("POST", "compute", 502, None, Ambiguous),
        ("POST", "compute", 503, None, Busy),
        ("DELETE", "compute", 504, None, Ambiguous),
        ("GET", "compute", 504, None, Busy),
    ],
)
def test_a_status_has_one_meaning(method, service, status, body, kind):
    error = answered(call(method, service), answer(status, body))
    assert (type(error), error.status, error.cloud) == (kind, status, "here")


def test_the_service_s_own_words_and_the_request_id_reach_people():
    response = answer(403, NOVA_403, headers={"x-openstack-request-id": "req-1"})
    assert str(answered(call("POST"), response)) == (
        "here: POST compute /servers: 403 Quota exceeded for instances: Requested 4, but already used 8 of 10 (req-1)"
    )


def test_words_never_classify():
    quota = {"forbidden": {"code": 403, "message": "Quota exceeded"}}
    policy = {"forbidden": {"code": 403, "message": "Policy doesn't allow it"}}
    assert type(answered(call("POST"), answer(403, quota))) is type(answered(call("POST"), answer(403, policy)))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            {"errors": [{"status": 400, "title": "Bad Request", "detail": "No such trait(s):\n CUSTOM_X."}]},
            "No such trait(s): CUSTOM_X.",
        ),
        (IMMUTABLE, "Load Balancer 08b47b28 is immutable and cannot be updated."),
        ({"message": "x" * 1000}, "x" * 400),
        ({"choices": []}, ""),
        (["not", "a", "fault"], ""),
    ],
)
def test_explanations_of_every_shape(body, text):
    assert explanation(body) == text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17.0),
        ({"Retry-After": "Mon, 23 Nov 2026 10:00:30 GMT", "Date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"Retry-After": "Mon, 23 Nov 2026 09:00:00 GMT", "Date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, 0.0),
        ({"Retry-After": "²"}, 0.0),
        ({}, 0.0),
    ],
)
def test_retry_after_as_a_number_or_a_date(headers, seconds):
    assert retry_after(headers) == seconds
    error = answered(call("POST"), answer(503, headers=headers))
    assert isinstance(error, Busy)
    assert error.after == seconds


def failure(inner, outer=requests.exceptions.ConnectionError):
    """As keystoneauth raises it: from within requests' exception, which carries urllib3's in its arguments."""
    try:
        try:
            raise outer(urllib3.exceptions.MaxRetryError(None, "/servers", inner))
        except requests.exceptions.RequestException:
            raise ksa.ConnectFailure("Unable to establish connection") from None
    except ksa.ConnectFailure as error:
        return error


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_connection_cannot_have_had_an_effect(method):
    inner = urllib3.exceptions.NewConnectionError(None, "Connection refused")
    assert type(lost(call(method), failure(inner))) is Unreachable


@pytest.mark.parametrize(("method", "kind"), [("GET", Unreachable), ("POST", Ambiguous), ("DELETE", Ambiguous)])
def test_a_reset_connection_may_have_had_one(method, kind):
    reset = urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "reset by peer"))
    assert type(lost(call(method), failure(reset))) is kind
    assert type(lost(call(method), ksa.ConnectTimeout("Request to x timed out"))) is kind
    assert type(lost(call(method), ksa.UnknownConnectionError("IncompleteRead", ValueError()))) is kind


def test_the_identity_service_s_answers():
    assert type(lost(call("POST"), ksa.Unauthorized("no", http_status=401))) is Denied
    assert type(lost(call("POST"), ksa.InternalServerError("no", http_status=500))) is Busy
    assert type(lost(call("POST"), ksa.EndpointNotFound())) is NotSupported
    assert type(lost(call("POST"), ksa.MissingRequiredOptions([]))) is UserError
