"""Real means of steering on loopback: nine front servers behind an HAProxy, a PowerDNS, a map in another HAProxy.

What is missing on this machine is a failure.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import shutil
import socket
import sqlite3
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dns.message
import dns.rdatatype
import requests

FRONTS = 9
HOME, AWAY = "images.example.net", "nara.example.net"
FARM_ADDRESS, NARA_ADDRESS = "192.0.2.10", "198.51.100.20"
NAME, ZONE, KEY = "images.example.net", "example.net", "a-key-of-the-tests"
PAGE = """<script>
  var server = "http://images.example.net/live/" + '{{ "quoted" }}';   // not old-images.example.net
</script>
"""
SCHEMA = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
TABLE = (
    "# network, origin AS\n"
    "127.1.0.0/16 64501\n127.1.128.0/17 64502\n127.2.0.0\t16\t64503\n127.3.0.0/16 64504_64505\n127.4.0.0/16 64506\n"
    "127.4.7.0/24 64501\n127.5.0.0/16 64507\n127.6.0.0/16 64508\n127.7.0.0/16 64509\n127.8.0.0/16 64510\n"
    + "".join(f"127.9.{part}.0/24 {64600 + part}\n" for part in range(256))
)


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Rig:
    """Everything of it ends with `end`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.servers: list[ThreadingHTTPServer] = []
        self.port, self.map_port, self.dns_port, self.api_port = (free_port() for _ in range(4))
        self.socket, self.map = folder / "front.sock", folder / "clients.map"
        self.files = [folder / f"koshien{number}" / "images.html" for number in range(1, FRONTS + 1)]
        self.table = folder / "prefixes.txt"
        self.key = folder / "pdns.key"

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def begin(self) -> None:
        lacking = [
            name
            for name in ("haproxy", "pdns_server")
            if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
        ]
        assert not lacking, f"not installed: {', '.join(lacking)}"
        self.reset()
        self.start_haproxy()
        self._powerdns()

    def reset(self) -> None:
        """Files as they are without an event."""
        for file in self.files:
            file.parent.mkdir(exist_ok=True)
            file.write_text(PAGE)
            file.chmod(0o644)
        self.map.write_text("# clients by network\n")
        self.table.write_text(TABLE)
        self.key.write_text(f"{KEY}\n")

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(10)
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def kill_haproxy(self) -> None:
        """It is gone from one moment to the next; what it leaves is a socket where nobody listens."""
        self.haproxy.kill()
        self.haproxy.wait(10)
        self.processes.remove(self.haproxy)

    def start_haproxy(self) -> None:
        """It runs, with nine fronts behind it."""
        self.socket.unlink(missing_ok=True)
        lines = []
        for number, file in enumerate(self.files, 1):
            server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(file.parent)))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.servers.append(server)
            lines.append(f" server koshien{number} 127.0.0.1:{server.server_port} weight 10\n")
        config = self.folder / "front.cfg"
        config.write_text(
            f"global\n stats socket {self.socket} mode 600 level admin\n fd-hard-limit 4096\n"
            "defaults\n mode http\n timeout client 30s\n timeout connect 2s\n timeout server 30s\n"
            f"frontend front\n bind 127.0.0.1:{self.port}\n default_backend farm\n"
            f"backend farm\n balance roundrobin\n http-reuse always\n{''.join(lines)}"
            f"frontend clients\n bind 127.0.0.1:{self.map_port}\n"
            f" use_backend %[src,map_ip({self.map},stay)]\n"
            "backend stay\n http-request return status 200 content-type text/plain string farm\n"
            "backend cloud\n http-request return status 200 content-type text/plain string nara\n"
        )
        self.haproxy = self._start("haproxy", "-db", "-f", str(config))
        until(self.socket.exists, 20)

    def _powerdns(self) -> None:
        with sqlite3.connect(self.folder / "pdns.db") as database:
            database.executescript(Path(SCHEMA).read_text())
        (self.folder / "pdns.conf").write_text(
            f"launch=gsqlite3\ngsqlite3-database={self.folder}/pdns.db\nsocket-dir={self.folder}\n"
            f"local-address=127.0.0.1\nlocal-port={self.dns_port}\nenable-lua-records=yes\n"
            f"api=yes\napi-key={KEY}\nwebserver=yes\nwebserver-address=127.0.0.1\nwebserver-port={self.api_port}\n"
        )
        self._start("pdns_server", f"--config-dir={self.folder}", "--daemon=no", "--guardian=no")
        until(lambda: self._answers(), 30)
        self.ask("POST", "/zones", {"name": f"{ZONE}.", "kind": "Native", "nameservers": ["ns1.example.net."]})
        rrset = {"name": f"{NAME}.", "type": "A", "ttl": 2, "changetype": "REPLACE"}
        records = [{"content": FARM_ADDRESS, "disabled": False}]
        self.ask("PATCH", f"/zones/{ZONE}.", {"rrsets": [{**rrset, "records": records}]})

    def _answers(self) -> bool:
        try:
            return requests.get(self.api, timeout=2).status_code in (200, 401)
        except requests.RequestException:
            return False

    def ask(self, method: str, path: str, body: object = None) -> requests.Response:
        url = f"{self.api}/api/v1/servers/localhost{path}"
        answer = requests.request(method, url, json=body, headers={"X-API-Key": KEY}, timeout=20)
        answer.raise_for_status()
        return answer

    def zone(self) -> dict[tuple[str, str], tuple[int, tuple[str, ...]]]:
        """(name, type) → (TTL, records), SOA aside: its serial counts changes."""
        sets = self.ask("GET", f"/zones/{ZONE}.").json()["rrsets"]
        return {
            (one["name"], one["type"]): (one["ttl"], tuple(sorted(record["content"] for record in one["records"])))
            for one in sets
            if one["type"] != "SOA"
        }

    def _start(self, *argv: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{argv[0]}.log").open("wb")
        env = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        self.processes.append(subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, env=env))
        return self.processes[-1]

    # What clients get

    def references(self, count: int) -> dict[str, float]:
        """Percent of pages, over the front balancer, that name each image server."""
        found = Counter[str]()
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        for _ in range(count):
            client.request("GET", "/images.html")
            page = client.getresponse().read().decode()
            assert "old-images.example.net" in page
            found["nara" if f"http://{AWAY}/" in page or f"http://{NARA_ADDRESS}/" in page else "farm"] += 1
        client.close()
        return {name: 100 * number / count for name, number in found.items()}

    def lookups(self, count: int) -> dict[str, float]:
        """Percent of answers with each address; fifty questions are under way at a time."""
        question = dns.message.make_query(NAME, "A").to_wire()[2:]
        found = Counter[str]()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
            stream.settimeout(30)
            stream.connect(("127.0.0.1", self.dns_port))
            for start in range(0, count, 50):
                for number in range(start, min(start + 50, count)):
                    stream.send(struct.pack("!H", number % 65536) + question)
                for _ in range(start, min(start + 50, count)):
                    answer = dns.message.from_wire(stream.recv(4096)).answer[0]
                    found[answer[0].address] += 1
        names = {FARM_ADDRESS: "farm", NARA_ADDRESS: "nara"}
        return {names[address]: 100 * number / count for address, number in found.items()}

    def sent_to(self, client: str) -> str:
        """Where the map sends a client of this address."""
        connection = http.client.HTTPConnection("127.0.0.1", self.map_port, timeout=30, source_address=(client, 0))
        connection.request("GET", "/")
        told = connection.getresponse().read().decode()
        connection.close()
        return told


def longest(client: str, map: Path) -> str:
    """Where the map file sends a client, by a search of every line."""
    address = ipaddress.ip_address(client)
    best = (-1, "stay")
    for line in map.read_text().splitlines():
        if not line.startswith("#"):
            network, backend = line.split()
            if address in ipaddress.ip_network(network):
                best = max(best, (ipaddress.ip_network(network).prefixlen, backend))
    return {"stay": "farm", "cloud": "nara"}[best[1]]


def until(happened: Callable[[], object], seconds: float) -> None:
    """Return when it has happened; fail after ``seconds``."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not after {seconds} s"
        time.sleep(0.05)


def free_port() -> int:
    """A TCP port of loopback that nobody has."""
    with socket.socket() as stream:
        stream.bind(("127.0.0.1", 0))
        return int(stream.getsockname()[1])
