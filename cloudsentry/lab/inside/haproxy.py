"""One HAProxy in one namespace: its configuration on disk, its process, and its socket.

`apply` makes all three agree with a new configuration. What only adds, removes, weighs, drains or disables servers
goes through the socket and drops nothing; any other change starts a new process, which takes the listening sockets
over. The file is written first, so what is on disk is always what is meant. Only the standard library.
"""

import contextlib
import csv
import os
import re
import signal
import socket

if __package__:
    from . import wires
else:  # in the lab, where this folder is on PYTHONPATH
    import wires  # type: ignore[import-not-found,no-redef]

SERVER = re.compile(r"^\s*server (?P<name>\S+) (?P<address>\S+) weight (?P<weight>\d+)(?P<options>.*)$")
BACKEND = re.compile(r"^backend (?P<name>\S+)")
ANSWER_S = 5.0
# Words of a server line that `add server` of HAProxy 2.6 takes; with others a server is added by a reload.
DYNAMIC = re.compile(
    r"( (check|inter \d+s?|fall \d+|rise \d+|addr \S+|port \d+|backup|disabled|send-proxy|send-proxy-v2))*"
)


class Refused(Exception):
    """The socket did not do what it was told."""


class Haproxy:
    """`folder` holds the configuration, the socket and the pid."""

    def __init__(self, folder: str, netns: str):
        self.folder, self.netns = folder, netns
        self.config, self.socket, self.pid = (f"{folder}/{name}" for name in ("haproxy.cfg", "sock", "pid"))

    def running(self) -> list[int]:
        """The pids that the pid file names and that still are HAProxy with this configuration."""
        try:
            with open(self.pid, encoding="ascii") as file:
                pids = [int(word) for word in file.read().split()]
        except (OSError, ValueError):
            return []
        return [pid for pid in pids if self._is_ours(pid)]

    def _is_ours(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return self.config.encode() in file.read().split(b"\0")
        except OSError:
            return False

    def apply(self, text: str) -> str:
        """The configuration is `text`, on disk and at work. Says how: "nothing", "socket", "reload" or "start"."""
        old = ""
        with contextlib.suppress(OSError), open(self.config, encoding="utf-8") as file:
            old = file.read()
        wires.replace(self.config, text)
        if not self.running():
            self.start()
            return "start"
        if text == old:
            return "nothing"
        orders = changes(old, text)
        if orders is not None:
            try:
                for order in orders:
                    self.order(order)
            except (Refused, OSError):
                pass
            else:
                return "socket"
        self.start()
        return "reload"

    def start(self) -> None:
        """A process with the configuration on disk serves; one before it finishes what it has and ends."""
        old = self.running()
        command = ["ip", "netns", "exec", self.netns, "haproxy", "-D", "-f", self.config, "-p", self.pid]
        if old:
            command += ["-x", self.socket, "-sf", *map(str, old)]
        # Nothing of OpenStack's environment goes with it: it lives as long as its namespace, not as its worker.
        wires.run("env", "-i", f"PATH={os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}", *command)

    def stop(self) -> None:
        """No process; the configuration stays."""
        for pid in self.running():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.pid)

    def ask(self, command: str) -> str:
        """What the socket answers."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(self.socket)
            connection.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode().strip()

    def order(self, command: str) -> None:
        """Have it done. Refused with HAProxy's words; a server that still has connections is left for `sweep`."""
        answer = self.ask(command)
        fine = not answer or answer.startswith(("New server registered", "Server deleted"))
        if fine or (command.startswith("del server") and "connection" in answer):
            return
        raise Refused(f"{command}: {answer}")

    def rows(self) -> list[dict[str, str]]:
        """`show stat`, a row for each frontend, backend and server."""
        return list(csv.DictReader(self.ask("show stat").removeprefix("# ").splitlines()))

    def sweep(self) -> None:
        """Servers that are out of the configuration and have no connection left are gone."""
        with open(self.config, encoding="utf-8") as file:
            meant = servers(file.read())[1]
        for row in self.rows():
            if row["svname"] in ("FRONTEND", "BACKEND") or (row["pxname"], row["svname"]) in meant:
                continue
            if row["status"].startswith("MAINT"):
                self.order(f"del server {row['pxname']}/{row['svname']}")


def servers(text: str) -> tuple[list[str], dict[tuple[str, str], re.Match[str]]]:
    """A configuration without its server lines, and those by (backend, server)."""
    rest, found, backend = [], {}, ""
    for line in text.splitlines():
        if start := BACKEND.match(line):
            backend = start["name"]
        if entry := SERVER.match(line):
            found[backend, entry["name"]] = entry
        else:
            rest.append(line)
    return rest, found


def changes(old: str, new: str) -> list[str] | None:
    """The socket's orders that turn `old` into `new`; None when only a reload can."""
    (before, had), (after, wants) = servers(old), servers(new)
    if before != after:
        return None
    orders: list[str] = []
    for key, entry in wants.items():
        step = _added(key, entry) if key not in had else _changed(key, had[key], entry)
        if step is None:
            return None
        orders += step
    for backend, name in had.keys() - wants.keys():
        orders += [f"set server {backend}/{name} state maint", f"del server {backend}/{name}"]
    return orders


def _added(key: tuple[str, str], entry: re.Match[str]) -> list[str] | None:
    name, options = "/".join(key), entry["options"]
    if not DYNAMIC.fullmatch(options):
        return None
    plain = options.replace(" disabled", "")
    orders = [f"add server {name} {entry['address']} weight {entry['weight']}{plain}"]
    if " check" in plain:
        orders.append(f"enable health {name}")
    if " disabled" not in options:
        orders.append(f"enable server {name}")
    return orders


def _changed(key: tuple[str, str], had: re.Match[str], wants: re.Match[str]) -> list[str] | None:
    name = "/".join(key)
    if had["address"] != wants["address"]:
        return None
    if had["options"].replace(" disabled", "") != wants["options"].replace(" disabled", ""):
        return None
    orders = []
    if had["weight"] != wants["weight"]:
        orders.append(f"set server {name} weight {wants['weight']}")
    if (" disabled" in had["options"]) != (" disabled" in wants["options"]):
        orders.append(f"set server {name} state {'maint' if ' disabled' in wants['options'] else 'ready'}")
    return orders
