"""Real servers of Debian's packages for tests and benchmarks, each in a folder of its own and gone with it.

PostgreSQL and MariaDB listen on a socket in the folder alone, Redis and etcd on a port of the loopback.
"""

from __future__ import annotations

import contextlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

READY = 60.0
"""Seconds that a server is given to answer."""


@contextlib.contextmanager
def folder(user: str) -> Iterator[Path]:
    """A folder with a short name (a socket's path has at most 107 bytes), owned by ``user``."""
    made = Path(tempfile.mkdtemp(prefix="cs-", dir="/tmp"))
    shutil.chown(made, user, pwd.getpwnam(user).pw_gid)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def running(command: list[str], ready: Callable[[], bool], log: Path, user: str = "root") -> Iterator[subprocess.Popen]:
    """A server until the block ends; raises with its log where it does not answer."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=log.parent, **_as(user)
        )
    try:
        end = time.monotonic() + READY
        while not ready():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{command[0]} does not answer:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _as(user: str) -> dict[str, object]:
    return {} if user == "root" else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def free_port() -> int:
    """A port of the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _program(name: str, *places: str) -> str:
    found = shutil.which(name, path=":".join((*places, "/usr/sbin", "/usr/bin", "/sbin", "/bin")))
    if not found:
        raise RuntimeError(f"{name} is not installed: `cloudsentry lab install agents`")
    return found


@contextlib.contextmanager
def redis(password: str = "") -> Iterator[str]:
    """A Redis without persistence; gives the URL for `[ownership] backend_url`."""
    port = free_port()
    with folder("root") as place:
        secret = ["--requirepass", password] if password else []
        command = [_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", *secret]
        with running([*command, "--dir", str(place)], lambda: _listens(port), place / "log"):
            yield f"redis://{f':{password}@' if password else ''}127.0.0.1:{port}"


@contextlib.contextmanager
def etcd() -> Iterator[str]:
    """One member of etcd; gives the URL for `[ownership] backend_url`."""
    client, peer = free_port(), free_port()
    here, there = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    with folder("root") as place:
        command = [_program("etcd"), "--data-dir", str(place / "data"), "--listen-client-urls", here]
        command += ["--advertise-client-urls", here, "--listen-peer-urls", there]
        command += ["--initial-advertise-peer-urls", there, "--initial-cluster", f"default={there}"]
        with running(command, lambda: _listens(client), place / "log"):
            yield f"etcd3+http://127.0.0.1:{client}"


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL with one empty database; gives its URL for `[journal] connection`."""
    newest = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), default=None)
    programs = str(newest) if newest else ""
    with folder("postgres") as place:
        data, user = place / "data", _as("postgres")
        made = [_program("initdb", programs), "-D", str(data), "-A", "trust", "-N", "--locale=C.UTF-8", "-E", "UTF8"]
        subprocess.run(made, check=True, capture_output=True, cwd=place, **user)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={place}", "-c", "shared_buffers=16MB"]
        command = [_program("postgres", programs), "-D", str(data), *options]

        def ready() -> bool:
            asked = [_program("createdb", programs), "-h", str(place), "journal"]
            return subprocess.run(asked, capture_output=True, cwd=place, **user).returncode == 0

        with running(command, ready, place / "log", "postgres"):
            yield f"postgresql://postgres@/journal?host={place}"


@contextlib.contextmanager
def mariadb() -> Iterator[str]:
    """A MariaDB with one empty database; gives its URL for `[journal] connection`."""
    with folder("mysql") as place:
        user = _as("mysql")
        data, door = place / "data", place / "door"
        made = [_program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        made += ["--auth-root-authentication-method=normal"]
        subprocess.run(made, check=True, capture_output=True, cwd=place, **user)
        command = [_program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--socket={door}", "--skip-networking"]
        command += ["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", f"--pid-file={place / 'pid'}"]

        def ready() -> bool:
            asked = [
                _program("mariadb"),
                "--no-defaults",
                f"--socket={door}",
                "-uroot",
                "-e",
                "CREATE DATABASE journal",
            ]
            return subprocess.run(asked, capture_output=True, cwd=place).returncode == 0

        with running(command, ready, place / "log", "mysql"):
            yield f"mysql://root@localhost/journal?unix_socket={door}"
