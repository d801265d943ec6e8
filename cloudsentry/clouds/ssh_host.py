"""A balancer host that is another machine: its shell, its files and its sockets over one SSH connection."""

from __future__ import annotations

import os
import shlex
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

from cloudsentry.clouds.hosts import ANSWER, PATH, Done, Host, Pipe, Stream
from cloudsentry.errors import Ambiguous, Denied, NotSupported, Unreachable

SILENCE = 60_000
"""Milliseconds after which what a host has not acknowledged will not be."""

# Carries a Unix socket over a command's input and output; runs on the host, so it is the oldest Python's.
_RELAY = """import socket,sys
s=socket.socket(socket.AF_UNIX)
s.settimeout(20)
try:
    s.connect(sys.argv[1])
except OSError:
    sys.exit(7)
s.sendall(sys.stdin.buffer.read())
while True:
    d=s.recv(65536)
    if not d: break
    sys.stdout.buffer.write(d)
"""
_NOBODY = 7


class SshHost(Host):
    """Another machine, by the keys and the known hosts of the account that runs this; one connection is kept."""

    def __init__(self, place: str, *, user: str, name: str, port: int, keys: tuple[str, ...] = ()) -> None:
        super().__init__(place)
        self._user, self._name, self._port, self._keys = user, name, port, keys
        self._lock = threading.Lock()
        self._client: Any = None

    def run(self, argv: list[str], data: bytes = b"") -> Done:
        """As promised."""
        with self._answers(argv[0]):
            channel = self._transport().open_session(timeout=ANSWER)
            channel.settimeout(ANSWER)
            channel.exec_command(f"PATH={PATH} {shlex.join(argv)}")
            channel.sendall(data)
            channel.shutdown_write()
            out = b"".join(iter(lambda: channel.recv(65536), b""))
            err = b"".join(iter(lambda: channel.recv_stderr(65536), b""))
            return Done(code=channel.recv_exit_status(), out=out, err=err.decode(errors="replace"))

    @contextmanager
    def piped(self, argv: list[str], data: bytes) -> Iterator[Pipe]:
        """As promised."""
        with self._answers(argv[0]):
            transport = self._transport()
            # Long silences are in order here; a peer that acknowledges nothing for so long is gone.
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE)
            transport.set_keepalive(15)
            channel = transport.open_session(timeout=ANSWER)
            channel.exec_command(f"PATH={PATH} {shlex.join(argv)}")
            pipe = Pipe(input=channel.makefile_stdin("wb", 65536), output=channel.makefile("rb", 65536))
            try:
                pipe.input.write(data)
                pipe.input.flush()
                yield pipe
            finally:
                with suppress(OSError):
                    pipe.input.close()
                channel.close()

    def ask(self, path: str, data: bytes) -> bytes:
        """As promised."""
        done = self.run(["python3", "-c", _RELAY, path], data)
        if done.code == 127:
            raise NotSupported("python3 is not installed on the balancer host", cloud=self.place)
        if done.code == _NOBODY:
            raise Unreachable(f"nobody answers on {path}", cloud=self.place)
        if done.code:
            raise Ambiguous(f"no answer on {path}", cloud=self.place)
        return done.out

    def connect(self, address: str, port: int) -> Stream:
        """As promised: a channel that the host's SSH daemon connects."""
        with self._answers(f"{address} port {port}"):
            transport, here = self._transport(), ("127.0.0.1", 0)
            return cast(Stream, transport.open_channel("direct-tcpip", (address, port), here, timeout=ANSWER))

    @contextmanager
    def _answers(self, what: str) -> Iterator[None]:
        """Whatever SSH raises, in the project's words."""
        paramiko = _paramiko()
        try:
            yield
        except (paramiko.AuthenticationException, paramiko.BadHostKeyException) as error:
            raise Denied(f"SSH: {error}", cloud=self.place) from error
        except paramiko.ChannelException as error:
            raise Unreachable(f"{what}: the host refused the channel", cloud=self.place) from error
        except TimeoutError as error:
            raise Ambiguous(f"{what} did not answer in {ANSWER:.0f} s", cloud=self.place) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise Unreachable(f"SSH: {error or type(error).__name__}", cloud=self.place) from error

    def _transport(self) -> Any:
        with self._lock:
            transport = self._client.get_transport() if self._client else None
            if transport is None or not transport.is_active():
                self._client = self._open()
                transport = self._client.get_transport()
            return transport

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        """Paramiko's question about a host that is not known: never trusted at first sight."""
        raise Denied(f"SSH: {hostname} is not in known_hosts", cloud=self.place)

    def _open(self) -> Any:
        paramiko = _paramiko()
        told = _ssh_config(self._name)
        client = paramiko.SSHClient()
        if self._keys:
            _trust(client, self._name if self._port in (0, 22) else f"[{self._name}]:{self._port}", self._keys)
        else:
            client.load_system_host_keys()
        client.set_missing_host_key_policy(self)
        client.connect(
            told.get("hostname", self._name),
            port=self._port or int(told.get("port", 22)),
            username=self._user or told.get("user"),
            key_filename=told.get("identityfile"),
            timeout=ANSWER,
            banner_timeout=ANSWER,
            auth_timeout=ANSWER,
        )
        return client


def _paramiko() -> Any:
    try:
        import paramiko
    except ImportError as error:
        raise NotSupported("a host by ssh needs paramiko: install cloudsentry[ssh]") from error
    return paramiko


def _trust(client: Any, name: str, keys: tuple[str, ...]) -> None:
    """These keys, and no others, are the host's; lines that are none are left out."""
    entries = _paramiko().hostkeys.HostKeyEntry
    for line in keys:
        with suppress(ValueError, _paramiko().hostkeys.InvalidHostKey):
            entry = entries.from_line(f"{name} {line}")
            if entry is not None:
                client.get_host_keys().add(name, entry.key.get_name(), entry.key)


def _ssh_config(name: str) -> dict[str, Any]:
    """What the account's SSH configuration says of a host: name, port, user and identity files."""
    config = _paramiko().SSHConfig()
    with suppress(OSError), open(os.path.expanduser("~/.ssh/config"), encoding="utf-8") as stream:
        config.parse(stream)
    return dict(config.lookup(name))
