"""Signals on what really answers: Debian's snmpd, and an HTTP server that speaks as Gnocchi does."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from cloudsentry.drivers.signal.base import SignalOptions
from cloudsentry.drivers.signal.gnocchi import GnocchiSignal
from cloudsentry.drivers.signal.snmp import SnmpSignal
from cloudsentry.records.scaling import Missing, Reading

pytestmark = [pytest.mark.daemons, pytest.mark.enable_socket]
OUT_64, OUT_32, UPTIME = "1.3.6.1.2.1.31.1.1.1.10.1", "1.3.6.1.2.1.2.2.1.16.1", "1.3.6.1.2.1.1.3.0"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    snmpd = shutil.which("snmpd") or "/usr/sbin/snmpd"
    port = free_port()
    (tmp_path / "snmpd.conf").write_text("rocommunity public 127.0.0.1\nincludeAllDisks no\n")
    command = [snmpd, "-f", "-Lo", "-C", "-c", str(tmp_path / "snmpd.conf"), "-p", str(tmp_path / "pid")]
    process = subprocess.Popen(
        [*command, f"udp:127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    yield f"snmp://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


def read(url: str, oids: str, before: Any = (), unit: str = "bytes/s") -> Any:
    return SnmpSignal(SignalOptions(url=url, query=oids, unit=unit, timeout=4.0, before=before)).read()


def first_look(url: str, oids: str) -> Any:
    deadline = time.monotonic() + 30
    while True:
        found = read(url, oids)
        if found.counts or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


@pytest.mark.parametrize("oid", [OUT_64, OUT_32])
def test_an_interface_s_counter_is_a_rate_after_two_looks(agent: str, oid: str) -> None:
    first = first_look(agent, oid)
    assert isinstance(first, Missing)
    assert "two looks" in first.why
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(200):
            sender.sendto(b"x" * 8000, ("127.0.0.1", 9))
    deadline = time.monotonic() + 60
    while True:  # snmpd keeps what it read of the kernel for some seconds
        found = read(agent, oid, first.counts)
        assert isinstance(found, Reading)
        span = (found.counts[0].at - first.counts[0].at).total_seconds()
        if found.value * span / 8e-6 >= 1_600_000:
            break
        assert time.monotonic() < deadline
        time.sleep(1)
    assert found.unit == "Mbit/s"


def test_what_is_no_counter_or_not_there_or_not_allowed_is_missing(agent: str) -> None:
    assert first_look(agent, OUT_64).counts
    assert "no counter, but TimeTicks" in read(agent, UPTIME).why
    assert "no counter" in read(agent, "1.3.6.1.2.1.99.1").why
    stranger = SnmpSignal(SignalOptions(url=agent, query=OUT_64, timeout=1.0, community="wrong")).read()
    assert isinstance(stranger, Missing)


class Gnocchi(BaseHTTPRequestHandler):
    """Answers as Gnocchi's API describes measures."""

    def do_GET(self) -> None:
        now = dt.datetime.now(dt.UTC).isoformat()
        body: Any = [[now, 60.0, 120.5]]
        status = 200
        if "unknown" in self.path:
            status, body = 404, {"code": 404, "title": "Not Found"}
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def test_gnocchi_over_http() -> None:
    server = HTTPServer(("127.0.0.1", 0), Gnocchi)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    found = GnocchiSignal(SignalOptions(url=url, query="m-1?aggregation=rate:mean&granularity=60")).read()
    gone = GnocchiSignal(SignalOptions(url=url, query="unknown")).read()
    server.shutdown()
    assert isinstance(found, Reading)
    assert found.value == 120.5
    assert isinstance(gone, Missing)
    assert gone.why == "HTTP 404"
