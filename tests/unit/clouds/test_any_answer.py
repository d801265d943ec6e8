"""Whatever a cloud answers, one of the project's errors comes out."""

import json

from hypothesis import given
from hypothesis import strategies as st

from cloudsentry.clouds.faults import TEXT_MAX, Call, answered
from cloudsentry.errors import Ambiguous, DriverError

from .stub import answer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=10,
)
SHAPED = st.builds(
    lambda key, inner: {key: inner},
    st.sampled_from(["forbidden", "NeutronError", "faultstring", "errors", "error", "message", "badRequest"]),
    JSON | st.builds(lambda value: {"message": value, "type": value}, JSON) | st.builds(lambda value: [value], JSON),
)
BODIES = st.binary(max_size=60) | (JSON | SHAPED).map(lambda body: json.dumps(body).encode())
SERVICES = ["compute", "network", "load-balancer", "placement"]


@given(
    status=st.integers(300, 599),
    raw=BODIES,
    service=st.sampled_from(SERVICES),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    after=st.text(st.characters(codec="latin-1"), max_size=30),
)
def test_any_answer_is_one_of_our_errors(status, raw, service, method, after):
    call = Call(cloud="here", service=service, method=method, path="/x")
    response = answer(status, raw=raw, headers={"Retry-After": after, "Date": after})
    error = answered(call, response)
    assert isinstance(error, DriverError)
    assert (error.status, error.cloud) == (status, "here")
    assert len(str(error)) < TEXT_MAX + 100
    assert not (method == "GET" and isinstance(error, Ambiguous))


def test_a_page_of_html_is_not_passed_on():
    response = answer(502, raw=b"<html><body>Bad gateway</body></html>")
    error = answered(Call(cloud="here", service="compute", method="GET", path="/x"), response)
    assert str(error) == "here: GET compute /x: 502 Because"
