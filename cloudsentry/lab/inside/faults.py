"""Faults on order: at the HTTP edge of an API, and in a hypervisor.

A file of faults is {"faults": [fault, ...]}; each fault has "id", "hits", and optionally "times" (it strikes so often
and no more) and "probability". A count is exact under many threads and processes. An API's fault has further
    role, method ("*" = any), path (regular expression over the whole path), delay (seconds), after (the
    application is called first), caller (the id of the one process whose requests are meant), skip (so many requests
    pass before the first that is struck; "passed" counts them),
    what: status (with "status", "retry_after") | drop | reset | truncate | garbage | delay
        | kill (the caller, by SIGKILL; its request is not carried out) | leave (the caller is killed, and its request
        carried out `delay` seconds later all the same)
and a hypervisor's is described in hypervisor.py. Only the standard library: cloudsentry writes the files that
OpenStack's processes read.
"""

import ctypes
import errno
import json
import os
import random
import re
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator

if __package__:
    from . import wires
else:  # in the lab, where this folder is on PYTHONPATH
    import wires  # type: ignore[import-not-found,no-redef]


class Store:
    """The faults of one file."""

    def __init__(self, path: str):
        self.path = path
        self._lock = threading.Lock()
        self._seen: tuple[object, list[dict]] = (None, [])

    def __repr__(self) -> str:
        return f"Store({self.path!r})"

    def all(self) -> list[dict]:
        """Every fault, spent ones included; cheap when nothing was changed."""
        try:
            status = os.stat(self.path)
        except OSError:
            return []
        key = (status.st_ino, status.st_mtime_ns)
        with self._lock:
            if self._seen[0] != key:
                self._seen = (key, wires.read(self.path).get("faults", []))
            return self._seen[1]

    def add(self, fault: dict) -> None:
        with wires.locked(f"{self.path}.lock"):
            self._write([*self._read(), {"hits": 0} | fault])

    def remove(self, wanted: Callable[[dict], bool]) -> list[dict]:
        """The wanted faults are gone; they come back as they were last, with their hits."""
        with wires.locked(f"{self.path}.lock"):
            faults = self._read()
            gone = [fault for fault in faults if wanted(fault)]
            if gone:
                self._write([fault for fault in faults if not wanted(fault)])
        return gone

    def strike(self, meets: Callable[[dict], bool]) -> dict | None:
        """The first fault that meets the case, is not spent and wins its draw; its hit is on the file before this
        returns.
        """
        if not any(_live(fault) and meets(fault) for fault in self.all()):
            return None
        with wires.locked(f"{self.path}.lock"):
            faults = self._read()
            struck = next((fault for fault in faults if _live(fault) and meets(fault) and _turn(fault)), None)
            self._write(faults)
        return dict(struck) if struck else None

    def _read(self) -> list[dict]:
        return wires.read(self.path).get("faults", [])

    def _write(self, faults: list[dict]) -> None:
        wires.replace(self.path, json.dumps({"faults": faults}, indent=1))


def _live(fault: dict) -> bool:
    times = fault.get("times")
    return times is None or fault["hits"] < times


def _turn(fault: dict) -> bool:
    """Whether it is the fault's turn, now that it is met: those to be passed are counted, and so are hits."""
    if fault.get("passed", 0) < fault.get("skip", 0):
        fault["passed"] = fault.get("passed", 0) + 1
        return False
    if random.random() >= fault.get("probability", 1.0):
        return False
    fault["hits"] += 1
    return True


class Broken(OSError):
    """Tells the server to close the connection without an answer: it does so for this errno, and logs nothing."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "fault: connection dropped")


class Middleware:
    """WSGI in front of one API. `path` is the cloud's file of faults; the role is the API's name in it."""

    def __init__(self, app, path: str, role: str | None = None):  # type: ignore[no-untyped-def]
        self.app, self.role, self.store = app, role or _role(), Store(path)

    def __call__(self, environ: dict, start_response) -> Iterable[bytes]:  # type: ignore[no-untyped-def]
        fault = self.store.strike(lambda known: self.meets(known, environ))
        if fault is None:
            return self.app(environ, start_response)
        if fault["what"] == "leave":
            os.kill(fault["caller"], signal.SIGKILL)
        if not fault.get("after"):
            time.sleep(fault.get("delay") or 0)
            if fault["what"] == "delay":
                return self.app(environ, start_response)
            if fault["what"] != "leave":
                return answer(fault, environ, start_response, "200 OK", [], _EMPTY)
        status, headers, body = call(self.app, environ)
        if fault.get("after"):
            time.sleep(fault.get("delay") or 0)
        return answer(fault, environ, start_response, status, headers, body)

    def meets(self, fault: dict, environ: dict) -> bool:
        if fault["role"] != self.role or fault.get("method", "*") not in ("*", environ["REQUEST_METHOD"]):
            return False
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        if re.search(fault.get("path", ""), path) is None:
            return False
        caller = fault.get("caller")
        return caller is None or calls(caller, int(environ.get("REMOTE_PORT") or 0))


_EMPTY = b'{"error": {"code": 200, "message": "lab fault: an answer cut short"}}'


def _role() -> str:
    """The role that this process of the lab has, by the file that it says it is ready with."""
    return os.path.basename(os.environ.get("LAB_READY", "")).removesuffix(".ready")


def calls(process: int, port: int) -> bool:
    """Whether a process holds the connection that comes from a port of this machine's loopback."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        inodes = {f"socket:[{line.split()[9]}]" for line in table if line.split()[1].endswith(f":{port:04X}")}
    folder = f"/proc/{process}/fd"
    try:
        return any(_link(f"{folder}/{name}") in inodes for name in os.listdir(folder))
    except OSError:
        return False  # it has ended


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""  # closed meanwhile


def call(app, environ: dict) -> tuple[str, list[tuple[str, str]], bytes]:  # type: ignore[no-untyped-def]
    """What the application answers, to the last byte: its effect has happened."""
    caught: list = []
    written: list[bytes] = []

    def start(status, headers, exc_info=None):  # type: ignore[no-untyped-def]
        caught[:] = [status, headers]
        return written.append

    parts = app(environ, start)
    try:
        written.extend(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    return caught[0], caught[1], b"".join(written)


def answer(fault: dict, environ: dict, start_response, status: str, headers: list, body: bytes) -> Iterable[bytes]:  # type: ignore[no-untyped-def]
    """What the client gets instead of the application's answer."""
    what = fault["what"]
    if what in ("kill", "leave"):
        os.kill(fault["caller"], signal.SIGKILL)
    if what in ("drop", "reset", "kill", "leave"):
        if what == "reset":
            _abort(environ.get("lab.socket"))
        raise Broken
    if what == "status":
        status, headers, body = _refusal(fault)
    elif what == "garbage":
        headers, body = [("Content-Type", "application/json")], b'{"servers": [{"id": "' + bytes(8) + b"<html>"
    if what == "truncate":
        start_response(
            status, [*_without_length(headers), ("Content-Length", str(len(body) + 1000)), ("Connection", "close")]
        )
        return _cut(body)
    start_response(status, [*_without_length(headers), ("Content-Length", str(len(body)))])
    return [body]


def _refusal(fault: dict) -> tuple[str, list[tuple[str, str]], bytes]:
    code = fault["status"]
    headers = [("Content-Type", "application/json")]
    if fault.get("retry_after") is not None:
        headers.append(("Retry-After", str(fault["retry_after"])))
    if code == 401:
        headers.append(("WWW-Authenticate", 'Keystone uri="lab"'))
    return f"{code} Lab Fault", headers, json.dumps({"error": {"code": code, "message": "lab fault"}}).encode()


def _without_length(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() not in ("content-length", "connection")]


def _cut(body: bytes) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    raise Broken


def _abort(connection: socket.socket | None) -> None:
    """The client sees a reset. connect(2) to "nowhere" is the one way to it that leaves the descriptor to its owner."""
    if connection is not None:
        nowhere = struct.pack("H14x", socket.AF_UNSPEC)
        ctypes.CDLL(None).connect(connection.fileno(), nowhere, len(nowhere))
