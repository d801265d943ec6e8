"""A balancer host by ssh: a real sshd on loopback, keys of the test's own; haproxy, apache and files through it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudsentry.clouds.hosts import host_of
from cloudsentry.clouds.ssh_host import SshHost
from cloudsentry.drivers.balancer.apache import ApacheBalancer
from cloudsentry.drivers.balancer.base import BalancerDriver, BalancerScope
from cloudsentry.drivers.balancer.haproxy import HaproxyBalancer
from cloudsentry.drivers.steering.files import replace_file
from cloudsentry.errors import Denied, Unreachable
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateBalancer, DeleteBalancer, SetMembers
from cloudsentry.records.views import Balancer, Member

from .steering_rig import free_port, until

pytestmark = [pytest.mark.daemons, pytest.mark.enable_socket]
SSHD = "/usr/sbin/sshd"
MARK = Mark(event="koshien", unit="front", op="op1", template="t1")


class Server:
    """An sshd, and an account's folder that has its key and knows its host."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.place = f"ssh://root@127.0.0.1:{self.port}"
        self.home = folder / "home"
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        assert Path(SSHD).exists(), "not installed: openssh-server"
        (self.home / ".ssh").mkdir(parents=True, mode=0o700)
        for path in (self.folder / "host_key", self.folder / "other_key", self.home / ".ssh" / "id_ed25519"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        shutil.copy(self.home / ".ssh" / "id_ed25519.pub", self.folder / "authorized")
        Path("/run/sshd").mkdir(exist_ok=True)
        (self.folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host_key\nUsePAM no\nStrictModes no\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nPasswordAuthentication no\nPermitRootLogin yes\n"
            "PidFile none\n"
        )
        self.trust("host_key")
        self.process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")], stderr=subprocess.PIPE
        )

    def trust(self, key: str) -> None:
        """known_hosts names this key, and no other."""
        public = (self.folder / f"{key}.pub").read_text().rsplit(" ", 1)[0] if key else ""
        line = f"[127.0.0.1]:{self.port} {public}\n" if key else ""
        (self.home / ".ssh" / "known_hosts").write_text(line)

    def end(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server(tmp_path / "ssh")
    made.folder.mkdir()
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("CLOUDSENTRY_BALANCER_DIR", str(tmp_path / "state"))
    try:
        made.begin()
        until(lambda: _reached(made), 20)
        yield made
    finally:
        made.end()


def _reached(server: Server) -> bool:
    try:
        return host_of(server.place).run(["true"]).code == 0
    except Unreachable:
        return False


@pytest.mark.parametrize("kind", [HaproxyBalancer, ApacheBalancer])
def test_a_balancer_is_driven_through_ssh(kind: type[BalancerDriver], server: Server) -> None:
    driver = kind(server.place, connect=lambda name: None)  # type: ignore[call-arg]
    order = CreateBalancer(unit="front", name="koshien-front", address="127.0.0.1", port=free_port(), mark=MARK)

    def balancer() -> Balancer:
        (found,) = driver.observe(BalancerScope(event="koshien")).balancers
        return found

    try:
        driver.act(order)
        until(lambda: order.progress(driver.observe(BalancerScope(event="koshien"))).state == "done", 20)
        for weights in ((10, 10), (10, 2), (0, 7)):
            members = tuple(
                Member(name=f"server-{n}", address=f"192.0.2.{n}", port=80, weight=weight, mark=MARK)
                for n, weight in enumerate(weights, 1)
            )
            driver.act(SetMembers(unit="front", mark=MARK, members=members))
            assert tuple(sorted((one.address, one.weight) for one in balancer().members)) == tuple(
                (f"192.0.2.{n}", weight) for n, weight in enumerate(weights, 1)
            )
    finally:
        for one in driver.observe(BalancerScope(event="koshien")).balancers:
            driver.act(DeleteBalancer(unit="front", id=one.id))
    assert driver.observe(BalancerScope(event="koshien")).balancers == ()


@pytest.mark.parametrize("known", ["", "other_key"], ids=["unknown", "another"])
def test_a_host_whose_key_is_not_the_known_one_is_refused_and_not_learnt(known: str, server: Server) -> None:
    server.trust(known)
    before = (server.home / ".ssh" / "known_hosts").read_text()
    with pytest.raises(Denied):
        host_of(server.place).run(["true"])
    assert (server.home / ".ssh" / "known_hosts").read_text() == before


def test_keys_that_are_known_from_elsewhere_count_and_known_hosts_does_not(server: Server) -> None:
    right, wrong = ((server.folder / f"{key}.pub").read_text().rsplit(" ", 1)[0] for key in ("host_key", "other_key"))
    server.trust("")
    assert host_of(server.place, (right,)).run(["true"]).code == 0
    assert host_of(server.place, (wrong, right, "no key")).run(["true"]).code == 0
    server.trust("host_key")
    with pytest.raises(Denied):
        host_of(server.place, (wrong,)).run(["true"])


def test_an_account_without_the_right_key_is_refused(server: Server) -> None:
    os.replace(server.folder / "other_key", server.home / ".ssh" / "id_ed25519")
    with pytest.raises(Denied):
        host_of(server.place).run(["true"])


def test_a_file_keeps_its_rights_and_a_part_of_it_is_refused(server: Server, tmp_path: Path) -> None:
    host = host_of(server.place)
    assert isinstance(host, SshHost)
    file = tmp_path / "images.html"
    file.write_text("before")
    file.chmod(0o644)
    replace_file(host, str(file), b"x" * 300_000)
    assert (file.stat().st_size, file.stat().st_mode & 0o777) == (300_000, 0o644)

    class Broken(SshHost):
        """Its connection breaks while a text is on its way: half of it arrives."""

        def run(self, argv: list[str], data: bytes = b""):  # type: ignore[no-untyped-def]
            return super().run(argv, data[: len(data) // 2])

    broken = Broken(server.place, user="root", name="127.0.0.1", port=server.port)
    with pytest.raises(Denied):
        replace_file(broken, str(file), b"y" * 300_000)
    with pytest.raises(Exception, match="did not arrive whole"):
        broken.write(str(tmp_path / "state" / "mark.json"), b"z" * 1000)
    assert file.read_bytes() == b"x" * 300_000
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    assert not list((tmp_path / "state").glob("*"))
