"""Faults at the HTTP edge: what a client gets, what the application has done, and that counts are exact."""

import errno
import json
import signal
import subprocess
import threading

import pytest

from cloudsentry.lab.inside import faults


class Application:
    """Counts its calls and answers the same each time."""

    def __init__(self):
        self.calls = 0

    def __call__(self, environ, start_response):
        self.calls += 1
        start_response("202 Accepted", [("Content-Type", "application/json"), ("Content-Length", "18")])
        return [b'{"server": ', b'"made"}']


class Edge:
    """An application behind the middleware, with one file of faults."""

    def __init__(self, path):
        self.application = Application()
        self.store = faults.Store(str(path))
        self.middleware = faults.Middleware(self.application, path=str(path), role="nova-api")

    def order(self, what, **more):
        self.store.add({"id": "f", "role": "nova-api", "what": what} | more)

    def request(self, method="POST", path="/v2.1/servers"):
        answer = {}

        def start_response(status, headers, exc_info=None):
            answer.update(status=status, headers=dict(headers))

        environ = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path}
        parts = iter(self.middleware(environ, start_response))
        answer["body"] = b""
        for part in parts:
            answer["body"] += part
        return answer

    @property
    def hits(self):
        return [fault["hits"] for fault in self.store.all()]


@pytest.fixture
def edge(tmp_path):
    return Edge(tmp_path / "faults.json")


def test_without_a_fault_the_application_answers(edge):
    assert edge.request()["status"] == "202 Accepted"


def test_a_refused_request_has_no_effect_and_says_when_to_come_back(edge):
    edge.order("status", status=429, retry_after=7)
    answer = edge.request()
    assert answer["status"].startswith("429 ")
    assert answer["headers"]["Retry-After"] == "7"
    assert edge.application.calls == 0


def test_401_names_the_scheme_that_clients_log_in_again_for(edge):
    edge.order("status", status=401)
    assert "WWW-Authenticate" in edge.request()["headers"]


@pytest.mark.parametrize("kind", ["drop", "reset"])
@pytest.mark.parametrize("after", [False, True])
def test_a_lost_answer_closes_the_connection_after_or_before_the_effect(edge, kind, after):
    edge.order(kind, after=after)
    with pytest.raises(OSError) as caught:
        edge.request()
    assert caught.value.errno == errno.ECONNRESET
    assert edge.application.calls == int(after)


def test_a_truncated_answer_promises_more_than_it_sends(edge):
    edge.order("truncate", after=True)
    with pytest.raises(OSError):
        edge.request()
    answer = {}
    whole = b'{"server": "made"}'
    parts = faults.answer(
        {"what": "truncate"}, {}, lambda status, headers: answer.update(dict(headers)), "202 Accepted", [], whole
    )
    assert next(iter(parts)) == whole[:9]
    assert int(answer["Content-Length"]) > len(whole)


def test_garbage_is_no_json(edge):
    edge.order("garbage", after=True)
    answer = edge.request()
    assert int(answer["headers"]["Content-Length"]) == len(answer["body"])
    with pytest.raises(ValueError):
        json.loads(answer["body"])


def test_only_the_named_role_method_and_path_are_struck(edge):
    edge.order("status", status=503, method="POST", path="/servers$")
    assert edge.request("GET")["status"] == "202 Accepted"
    assert edge.request(path="/v2.1/servers/1/action")["status"] == "202 Accepted"
    other = faults.Middleware(edge.application, path=edge.store.path, role="neutron")
    seen = []
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/servers"}
    list(other(environ, lambda status, headers, exc_info=None: seen.append(status)))
    assert seen == ["202 Accepted"]
    assert edge.request()["status"].startswith("503")
    assert edge.hits == [1]


def test_a_count_is_exact_under_threads(edge):
    edge.order("status", status=503, times=17)
    seen = []
    threads = [
        threading.Thread(target=lambda: seen.extend(edge.request()["status"][:3] for _ in range(10))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.count("503") == 17
    assert seen.count("202") == 63
    assert edge.hits == [17]


def test_a_spent_fault_lets_the_next_one_strike(edge):
    edge.order("status", status=503, times=1)
    edge.order("status", status=500)
    assert [edge.request()["status"][:3] for _ in range(3)] == ["503", "500", "500"]


def test_removed_faults_come_back_with_their_hits(edge):
    edge.order("status", status=503)
    edge.request()
    (gone,) = edge.store.remove(lambda fault: fault["id"] == "f")
    assert gone["hits"] == 1
    assert edge.request()["status"] == "202 Accepted"


def test_those_to_be_passed_are_passed_and_counted(edge):
    edge.order("status", status=503, skip=2, times=1)
    assert [edge.request()["status"][:3] for _ in range(4)] == ["202", "202", "503", "202"]
    assert edge.store.all()[0]["passed"] == 2


@pytest.fixture
def caller():
    """A process that waits to be killed."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(("what", "after", "calls"), [("kill", False, 0), ("kill", True, 1), ("leave", False, 1)])
def test_the_caller_is_killed_before_or_after_its_request_or_leaves_it_behind(
    edge, caller, what, after, calls, monkeypatch
):
    monkeypatch.setattr(faults, "calls", lambda process, port: process == caller.pid)
    edge.order(what, after=after, caller=caller.pid)
    with pytest.raises(OSError):
        edge.request()
    assert caller.wait(timeout=10) == -signal.SIGKILL
    assert edge.application.calls == calls


def test_another_processes_requests_are_not_meant(edge, caller, monkeypatch):
    monkeypatch.setattr(faults, "calls", lambda process, port: False)
    edge.order("kill", caller=caller.pid)
    assert edge.request()["status"] == "202 Accepted"
    assert caller.poll() is None
