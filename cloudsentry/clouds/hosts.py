"""A balancer host: where a balancer's own daemon runs, and how to reach it.

``local``                        this machine
``netns:NAME``                   a network namespace of this machine
``ssh://user@host[:port]``       another machine, which needs a shell, coreutils and python3

Files and processes are reached by argument vectors, never by text that a shell would read twice.
"""

from __future__ import annotations

import abc
import base64
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cloudsentry.clouds.namespaces import inside
from cloudsentry.errors import Ambiguous, Denied, DriverError, NotSupported, Unreachable

ANSWER = 20.0
"""Seconds that a command or a daemon on a host may take to answer."""

PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
"""Daemons live in sbin, which ordinary accounts do not search."""

_PLACE = re.compile(r"(local)|netns:([\w.-]{1,64})|ssh://(?:([\w.-]+)@)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?")

# A connection that breaks while the data is on its way ends the input early: a part of a file is no file.
_WRITE = """umask 077; mkdir -p "$(dirname "$1")" && cat >"$1.draft" || exit
[ "$(wc -c <"$1.draft")" -eq "$2" ] || { rm -f "$1.draft"; echo "it did not arrive whole" >&2; exit 9; }
mv -f "$1.draft" "$1"
"""
# Ends when the process has, as a daemon's own `stop` would. One that nobody has reaped yet has an empty command line.
_STOP = """kill -TERM "$1"; i=0
while [ $i -lt 60 ] && [ -n "$(tr -d '\\0' <"/proc/$1/cmdline")" ]; do sleep 0.05; i=$((i+1)); done 2>/dev/null
"""
# 3: the kernel says that nobody listens there. A socket that one may not use, or that is slow, is not nobody's.
_LISTENED = """import errno, socket, sys
stream = socket.socket(socket.AF_UNIX)
stream.settimeout(5)
try:
    stream.connect(sys.argv[1])
except OSError as error:
    sys.exit(3 if error.errno in (errno.ENOENT, errno.ECONNREFUSED) else 1)
"""
_EACH = 'for f in "$1"/*/"$2"; do if [ -f "$f" ]; then printf "%s %s\\n" "$f" "$(base64 -w0 "$f")"; fi; done'


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended; ``out`` and ``err`` are what it wrote."""

    code: int
    out: bytes = b""
    err: str = ""


class Stream(Protocol):
    """What a TCP connection on a host can do: a socket's or an SSH channel's common part."""

    def sendall(self, data: bytes, /) -> Any:
        """Send all of it."""

    def makefile(self, mode: Any = ..., buffering: Any = ...) -> Any:
        """A file to read from."""

    def close(self) -> None:
        """Hang up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipe:
    """A program that runs: what it reads, and what it writes."""

    input: Any
    output: Any


def state_folder() -> str:
    """Where balancers on a host keep their state: $CLOUDSENTRY_BALANCER_DIR, or below /var/lib."""
    return os.environ.get("CLOUDSENTRY_BALANCER_DIR") or "/var/lib/cloudsentry/balancers"


def host_of(place: str, keys: tuple[str, ...] = ()) -> Host:
    """The host that a place names. Raises `NotSupported` where it names none; connects to nothing.

    ``keys`` are SSH host keys (``TYPE BASE64``) that are known from elsewhere: then these count, and not known_hosts.
    """
    found = _PLACE.fullmatch(place)
    if found is None:
        raise NotSupported(f"{place!r} is no host: expected local, netns:NAME or ssh://user@host[:port]")
    local, netns, user, name, port = found.groups()
    if local:
        return LocalHost(place)
    if netns:
        return LocalHost(place, netns=netns)
    # Here, not above: that file builds on this one.
    from cloudsentry.clouds.ssh_host import SshHost

    return SshHost(place, user=user or "", name=name.strip("[]"), port=int(port or 0), keys=keys)


class Host(abc.ABC):
    """One balancer host. Every method raises a `DriverError` where the host does not do it."""

    def __init__(self, place: str) -> None:
        self.place = place

    @abc.abstractmethod
    def run(self, argv: list[str], data: bytes = b"") -> Done:
        """Run a program to its end with ``data`` on its input; a program that is missing ends with code 127."""

    @abc.abstractmethod
    def piped(self, argv: list[str], data: bytes) -> AbstractContextManager[Pipe]:
        """A program that runs as long as the block, with ``data`` first on its input; what breaks is `Unreachable`."""

    @abc.abstractmethod
    def ask(self, path: str, data: bytes) -> bytes:
        """What a Unix socket answers to ``data`` until it hangs up; `Ambiguous` where it broke off."""

    def look(self, path: str, data: bytes) -> bytes:
        """What a Unix socket answers to a question that changes nothing: no answer is `Unreachable`, never a doubt.

        A daemon that dies may still accept a connection and then reset it, or hang up without a word.
        """
        try:
            answer = self.ask(path, data)
        except Ambiguous as error:
            raise Unreachable(str(error), cloud=self.place) from error
        if not answer:
            raise Unreachable(f"{path} hung up without an answer", cloud=self.place)
        return answer

    def listened(self, path: str) -> bool:
        """Whether a daemon has the Unix socket; False only where it certainly has none. Raises as `run`."""
        return self.run(["python3", "-c", _LISTENED, path]).code != 3

    @abc.abstractmethod
    def connect(self, address: str, port: int) -> Stream:
        """A TCP connection as seen from the host."""

    def read(self, path: str) -> bytes | None:
        """A file's content; None where there is none."""
        done = self.run(["cat", "--", path])
        return done.out if done.code == 0 else None

    def write(self, path: str, data: bytes) -> None:
        """The file holds ``data``, readable by the account alone; whoever reads meanwhile gets the old or the new."""
        self._sure(self.run(["sh", "-c", _WRITE, "sh", path, str(len(data))], data), path)

    def each(self, folder: str, name: str) -> dict[str, bytes]:
        """Every file ``folder/*/name`` that is there, by path."""
        lines = self._sure(self.run(["sh", "-c", _EACH, "sh", folder, name]), folder).out.decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines)
        return {path: base64.b64decode(content) for path, content in pairs}

    def remove(self, *paths: str) -> None:
        """Files and folders are gone, with all that is in them."""
        self._sure(self.run(["rm", "-rf", "--", *paths]), paths[0])

    def prune(self, folder: str) -> None:
        """The folder is gone if nothing is in it."""
        self.run(["rmdir", "--ignore-fail-on-non-empty", "--", folder])

    def alive(self, pid: int, word: str) -> bool:
        """Whether process ``pid`` runs with ``word`` as one of its arguments; a number alone proves nothing."""
        found = self.read(f"/proc/{pid}/cmdline") if pid > 1 else None
        return word.encode() in (found or b"").split(b"\0")

    def stop(self, pid: int, word: str) -> None:
        """The process of `alive` is gone: asked to go, and killed where it does not within 3 s."""
        if not self.alive(pid, word):
            return
        self.run(["sh", "-c", _STOP, "sh", str(pid)])
        if self.alive(pid, word):
            # Daemons lead a process group of their own: their children go with them.
            self.run(["kill", "-KILL", "--", f"-{pid}"])

    def _sure(self, done: Done, what: str) -> Done:
        if done.code:
            raise DriverError(f"{what}: {done.err.strip() or f'exit code {done.code}'}", cloud=self.place)
        return done


class LocalHost(Host):
    """This machine, or one of its network namespaces: files and Unix sockets are the same, addresses are not."""

    def __init__(self, place: str, *, netns: str = "") -> None:
        super().__init__(place)
        self._netns = netns

    def run(self, argv: list[str], data: bytes = b"") -> Done:
        """As promised; in the namespace where there is one."""
        line = ["ip", "netns", "exec", self._netns, *argv] if self._netns else argv
        if shutil.which(argv[0], path=PATH) is None:
            return Done(code=127, err=f"{argv[0]} is not installed")
        try:
            env = {"PATH": PATH, "LANG": "C.UTF-8"}
            ended = subprocess.run(line, input=data, capture_output=True, timeout=ANSWER, check=False, env=env)
        except subprocess.TimeoutExpired as error:
            raise Ambiguous(f"{argv[0]} did not end in {ANSWER:.0f} s", cloud=self.place) from error
        except OSError as error:
            raise DriverError(f"{argv[0]}: {error.strerror}", cloud=self.place) from error
        return Done(code=ended.returncode, out=ended.stdout, err=ended.stderr.decode(errors="replace"))

    @contextmanager
    def piped(self, argv: list[str], data: bytes) -> Iterator[Pipe]:
        """As promised."""
        line = ["ip", "netns", "exec", self._netns, *argv] if self._netns else argv
        ends: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        try:
            with subprocess.Popen(line, env={"PATH": PATH, "LANG": "C.UTF-8"}, **ends) as running:
                pipe = Pipe(input=running.stdin, output=running.stdout)
                pipe.input.write(data)
                pipe.input.flush()
                yield pipe
        except (OSError, EOFError) as error:
            raise Unreachable(f"{argv[0]} ended early: {error or 'no answer'}", cloud=self.place) from error

    def ask(self, path: str, data: bytes) -> bytes:
        """As promised."""
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(ANSWER)
            try:
                stream.connect(path)
            except OSError as error:
                raise Unreachable(f"nobody answers on {path}", cloud=self.place) from error
            try:
                stream.sendall(data)
                return b"".join(iter(lambda: stream.recv(65536), b""))
            except OSError as error:
                raise Ambiguous(f"no answer on {path}", cloud=self.place) from error

    def connect(self, address: str, port: int) -> Stream:
        """As promised."""
        try:
            with inside(self._netns):
                stream = socket.create_connection((address, port), timeout=ANSWER)
                # Small questions and answers take turns: waiting for more would cost 40 ms each.
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return stream
        except OSError as error:
            raise Unreachable(f"nobody answers on {address} port {port}", cloud=self.place) from error

    def read(self, path: str) -> bytes | None:
        """As promised."""
        try:
            return Path(path).read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return None
        except OSError as error:
            raise Denied(f"{path}: {error.strerror}", cloud=self.place) from error

    def write(self, path: str, data: bytes) -> None:
        """As promised, also when the machine stops in the middle of it."""
        folder = os.path.dirname(path)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            number, draft = tempfile.mkstemp(dir=folder, prefix=".draft-")
            with os.fdopen(number, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, path)
        except OSError as error:
            raise Denied(f"{path}: {error.strerror}", cloud=self.place) from error

    def each(self, folder: str, name: str) -> dict[str, bytes]:
        """As promised."""
        found = {str(path): self.read(str(path)) for path in sorted(Path(folder).glob(f"*/{name}"))}
        return {path: content for path, content in found.items() if content is not None}
