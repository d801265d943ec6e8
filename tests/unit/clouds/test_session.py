"""A cloud's session: one token, counted calls, pages, and writes that are never sent twice."""

import threading

import pytest
import requests
from keystoneauth1.identity.generic import Password

from cloudsentry.clouds import Cloud, open_cloud
from cloudsentry.errors import Ambiguous, Busy, Conflict, Denied, NotSupported, Unreachable, UserError

from .stub import HOST, StubRegion, Wire, answer, cloud, token

SERVERS = "/compute/v2.1/servers"
SESAME = {"X-Subject-Token": "sesame"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """keystoneauth's pause between two attempts of a read."""
    monkeypatch.setattr("keystoneauth1.session.time.sleep", lambda seconds: None)


def test_threads_share_one_token_and_every_call_is_counted():
    here, wire = cloud({f"GET {SERVERS}": {"servers": []}, f"POST {SERVERS}": answer(202, {"server": {}})})
    threads = [threading.Thread(target=here.get, args=("compute", "/servers")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    here.post("compute", "/servers", {"server": {}})
    calls = here.calls()
    assert {f"{method} {family}": count for method, family, count in calls.by} == {
        "POST identity/auth/tokens": 1,
        "GET compute": 1,
        "GET compute/servers": 8,
        "POST compute/servers": 1,
    }
    assert (calls.reads, calls.writes) == (10, 1)
    assert {request.headers["X-Auth-Token"] for request in wire.requests if "servers" in request.url} == {"sesame"}


def test_pages_are_followed_by_their_query_whatever_host_they_name():
    first = {"servers": [{"id": 1}], "servers_links": [{"rel": "next", "href": "https://inside/x?marker=1&tags=a"}]}
    here, wire = cloud({f"GET {SERVERS}": [answer(200, first), answer(200, {"servers": [{"id": 2}]})]})
    assert here.listed("compute", "/servers", "servers", params={"tags": "a"}) == [{"id": 1}, {"id": 2}]
    assert [query for _, path, query, _ in wire.sent if path == SERVERS] == [
        {"tags": ["a"]},
        {"marker": ["1"], "tags": ["a"]},
    ]


def test_a_page_that_links_to_itself_ends():
    loop = {"servers": [{"id": 1}], "servers_links": [{"rel": "next", "href": "/servers?marker=1"}]}
    here, _ = cloud({f"GET {SERVERS}": loop})
    assert len(here.listed("compute", "/servers", "servers")) == 2


def test_a_list_whose_marker_has_gone_is_to_be_asked_for_again():
    first = {"servers": [{"id": 1}], "servers_links": [{"rel": "next", "href": "/servers?marker=1"}]}
    here, _ = cloud({f"GET {SERVERS}": [answer(200, first), answer(400, {"badRequest": {"message": "marker"}})]})
    with pytest.raises(Busy):
        here.listed("compute", "/servers", "servers")
    with pytest.raises(NotSupported):
        cloud({f"GET {SERVERS}": answer(400)})[0].listed("compute", "/servers", "servers")


def test_a_read_is_tried_again_and_a_write_is_not():
    lost = requests.exceptions.ConnectionError("reset")
    here, wire = cloud({f"GET {SERVERS}": [lost, answer(503), answer(200, {"servers": []})], f"POST {SERVERS}": lost})
    assert here.get("compute", "/servers") == {"servers": []}
    with pytest.raises(Ambiguous):
        here.post("compute", "/servers", {})
    assert len([path for method, path, _, _ in wire.sent if (method, path) == ("POST", SERVERS)]) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failing_write_is_sent_once(status):
    here, wire = cloud({f"POST {SERVERS}": answer(status)})
    with pytest.raises((Ambiguous, Busy)):
        here.post("compute", "/servers", {})
    assert len(wire.writes()) == 1


def test_half_an_answer_is_no_answer():
    half = answer(200, raw=b'{"servers": [')
    here, _ = cloud({f"GET {SERVERS}": half, f"POST {SERVERS}": half})
    with pytest.raises(Unreachable):
        here.get("compute", "/servers")
    with pytest.raises(Ambiguous):
        here.post("compute", "/servers", {})
    with pytest.raises(Unreachable):
        cloud({f"GET {SERVERS}": {"something": "else"}})[0].listed("compute", "/servers", "servers")


def test_a_stale_token_is_renewed_once():
    here, wire = cloud({f"POST {SERVERS}": [answer(401), answer(202, {"server": {"id": 1}})]})
    assert here.post("compute", "/servers", {}) == {"server": {"id": 1}}
    assert [path for method, path, _, _ in wire.sent if method == "POST"] == [
        "/identity/v3/auth/tokens",
        SERVERS,
        "/identity/v3/auth/tokens",
        SERVERS,
    ]


def test_a_token_that_cannot_be_had_is_about_the_token():
    here, wire = cloud({"POST /identity/v3/auth/tokens": answer(401, {"error": {"code": 401, "message": "no"}})})
    with pytest.raises(Denied, match=r"identity service answers 401: no \(wrong user, password or project .*\)$"):
        here.post("compute", "/servers", {})
    here, wire = cloud({"POST /identity/v3/auth/tokens": requests.exceptions.ReadTimeout("slow")})
    with pytest.raises(Unreachable):
        here.post("compute", "/servers", {})
    assert wire.writes() == []


@pytest.mark.parametrize("body", [b'{"token": {', b"<html>", b"", b"[]"])
def test_a_token_in_an_answer_that_cannot_be_read_is_asked_for_again(body):
    tokens = [answer(201, raw=body, headers=SESAME), answer(201, token(), headers=SESAME)]
    here, wire = cloud({"POST /identity/v3/auth/tokens": tokens, f"POST {SERVERS}": {"server": {"id": 1}}})
    with pytest.raises(Unreachable, match="not JSON"):
        here.post("compute", "/servers", {})
    assert wire.writes() == []
    assert here.post("compute", "/servers", {}) == {"server": {"id": 1}}


def test_a_version_document_that_wants_a_token_does_not_keep_the_token_from_being_had():
    # keystoneauth asks for the document with the token that it is about to fetch, and would wait for itself.
    routes = {"GET /v3": answer(401), "POST /v3/auth/tokens": answer(201, token(), headers=SESAME)}
    region = StubRegion(Wire(routes | {f"GET {SERVERS}": {"servers": []}}))
    names = dict.fromkeys(("username", "password", "project_name", "user_domain_name", "project_domain_name"), "x")
    region.get_session().auth = Password(f"{HOST}/v3", **names)
    here, got = Cloud("here", region), []
    threads = [
        threading.Thread(target=lambda: got.append(here.get("compute", "/servers")), daemon=True) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert got == [{"servers": []}] * 2


def test_deleting_what_is_gone_is_done():
    here, _ = cloud({f"DELETE {SERVERS}/9": answer(204), f"DELETE {SERVERS}/8": answer(409)})
    here.delete("compute", "/servers/9")
    here.delete("compute", "/servers/7")
    with pytest.raises(Conflict):
        here.delete("compute", "/servers/8")


def test_a_service_that_is_not_in_the_catalog_is_named():
    with pytest.raises(NotSupported, match="no dns service"):
        cloud()[0].get("dns", "/zones")


def test_microversions_are_negotiated_and_sent():
    here, wire = cloud({f"GET {SERVERS}": {"servers": []}})
    assert here.newest("compute") == (2, 96)
    here.get("compute", "/servers", microversion="2.74")
    assert wire.requests[-1].headers["OpenStack-API-Version"] == "compute 2.74"


def test_a_version_document_that_cannot_be_had_just_now_is_asked_again_and_is_no_lack_of_versions():
    sick = {f"GET /compute{path}": answer(503) for path in ("/v2.1/", "/", "/v2.1")}
    here, wire = cloud(sick)
    with pytest.raises(Unreachable, match="no version document at the compute endpoint just now"):
        here.newest("compute")
    wire.routes.clear()
    assert here.newest("compute") == (2, 96)


def test_bare_endpoints_get_their_version():
    here, _ = cloud({"GET /network/v2.0/networks": {"networks": []}, "GET /lb/v2.0/lbaas/pools": {"pools": []}})
    assert here.listed("network", "/networks", "networks") == []
    assert here.listed("load-balancer", "/lbaas/pools", "pools") == []


def test_no_secret_in_repr_or_log(caplog):
    caplog.set_level("DEBUG")
    here, _ = cloud({f"POST {SERVERS}": answer(202, {"server": {"adminPass": "swordfish"}})})
    here.post("compute", "/servers", {"server": {"user_data": "c2VjcmV0"}})
    told = caplog.text + repr(here)
    assert "POST compute /servers: 202" in told
    assert not [secret for secret in ("hunter2", "swordfish", "c2VjcmV0", "sesame") if secret in told]


CLOUDS = """
clouds:
  private: {auth_type: password, region_name: r, auth: {auth_url: "http://k.test/v3", username: u, password: p,
            project_name: p, user_domain_name: d, project_domain_name: d}}
  broken: {auth_type: no-such-plugin, auth: {}}
"""


@pytest.fixture
def clouds_yaml(tmp_path, monkeypatch):
    path = tmp_path / "clouds.yaml"
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    monkeypatch.delenv("OS_CLOUD", raising=False)
    return path


def test_a_cloud_of_clouds_yaml_is_opened_without_a_call(clouds_yaml):
    clouds_yaml.write_text(CLOUDS)
    assert repr(open_cloud("private")) == "Cloud('private')"


def test_an_unknown_cloud_is_the_user_s_error_and_names_those_that_are_known(clouds_yaml):
    clouds_yaml.write_text(CLOUDS)
    with pytest.raises(UserError, match=rf"no cloud 'privat' in {clouds_yaml}; it knows broken, private"):
        open_cloud("privat")
    with pytest.raises(UserError, match="'broken'"):
        open_cloud("broken")


def test_a_clouds_yaml_that_is_no_yaml_is_not_told_as_missing(clouds_yaml):
    clouds_yaml.write_text("clouds: [")
    with pytest.raises(UserError, match=rf"cannot be read, or is no YAML: {clouds_yaml}"):
        open_cloud("private")


def test_the_cloud_that_the_sdk_makes_up_is_not_told_as_known(clouds_yaml):
    clouds_yaml.write_text("")
    with pytest.raises(UserError, match=r"it knows none$"):
        open_cloud("private")


@pytest.mark.parametrize("text", ["clouds: [", "clouds: 7", ""])
def test_a_clouds_yaml_that_is_none_is_the_user_s_error(clouds_yaml, text):
    clouds_yaml.write_text(text)
    with pytest.raises(UserError):
        open_cloud("private")


def test_without_clouds_yaml_the_places_that_were_looked_at_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    monkeypatch.setattr("openstack.config.loader.CONFIG_FILES", [str(tmp_path / "clouds.yaml")])
    with pytest.raises(UserError, match=rf"looked at .OS_CLIENT_CONFIG_FILE, {tmp_path}/clouds.yaml$"):
        open_cloud("private")
