"""Planted secrets: after a whole life of an event, crash and bad input included, none is in anything written."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.daemons

COMMANDS = """
import json, sys, traceback
from cloudsentry.osc.shell import main
codes = []
for args in json.load(sys.stdin):
    try:
        codes.append(main(args))
    except SystemExit as ended:
        codes.append(ended.code)
    except BaseException:
        traceback.print_exc()
        codes.append(1)
with open(sys.argv[1], "w") as told:
    json.dump(codes, told)
"""
"""One command after the other as the program runs them, and what an interpreter tells of one that crashes."""

PLANTED = {
    "cloud password": "planted-cloud-password-1f0c",
    "database password": "planted-database-password-2e1d",
    "database option": "planted-database-option-3d2e",
    "lock password": "planted-lock-password-4c3f",
    "hmac key": "planted-hmac-key-of-thirty-two-or-more-5b4a",
    "hook token": "planted-hook-token-6a5b",
    "pre-shared key": "planted-pre-shared-key-795c",
}
USER_DATA = "planted-user-data-886d"
EVENT = f"""
event: planted
sites: {{nara: {{cloud: planted-cloud}}}}
pools:
  front:
    site: nara
    driver: fake
    image: tiny
    flavor: nano
    networks: [front]
    user_data: |
      #!/bin/sh
      echo {USER_DATA}
    pins: [{{hypervisor: xeon1, count: 2, weight: 10}}]
balancers:
  web: {{site: nara, driver: fake, network: front, members: [{{pool: front}}]}}
"""
CLOUDS = f"""
clouds:
  planted-real:
    auth: {{auth_url: "http://127.0.0.1:9/v3", username: u, password: {PLANTED["cloud password"]}, project_name: p}}
    region_name: r
"""


class House:
    """The program in a folder of its own, and everything that it told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder, ""
        (folder / "state").mkdir(mode=0o700)
        (folder / "clouds.yaml").write_text(CLOUDS)
        (folder / "event.yaml").write_text(EVENT)
        self.env = {
            **os.environ,
            "CLOUDSENTRY_STATE_DIR": str(folder / "state" / "own"),
            "CLOUDSENTRY_FAKE_DIR": str(folder),
            "CLOUDSENTRY_PSK_DEMO": PLANTED["pre-shared key"],
            "OS_CLIENT_CONFIG_FILE": str(folder / "clouds.yaml"),
            "HOME": str(folder),
        }

    def configured(self, text: str) -> str:
        path = self.folder / "cloudsentry.conf"
        path.write_text(
            text + f"\n[hook]\ngeneric_secret = {PLANTED['hmac key']}\nalertmanager_token = {PLANTED['hook token']}\n"
        )
        return str(path)

    def __call__(self, conf: str, *commands: tuple[str, ...]) -> list[int]:
        """How each ended; with every line of debugging that there is."""
        log, codes = str(self.folder / "state" / "full.log"), self.folder / "state" / "codes.json"
        before = ("-vv", "--debug", "--log-file", log, "--config-file", conf)
        asked = json.dumps([[*before, *command] for command in commands])
        program = [sys.executable, "-c", COMMANDS, str(codes)]
        ended = subprocess.run(program, env=self.env, capture_output=True, text=True, input=asked)
        self.told += f"{ended.stdout}{ended.stderr}"
        found: list[int] = json.loads(codes.read_text())
        return found

    def written(self) -> dict[str, bytes]:
        """Every file that the program wrote, and what it told."""
        given = {"clouds.yaml", "event.yaml", "cloudsentry.conf"}
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.name not in given]
        found = {str(path.relative_to(self.folder)): path.read_bytes() for path in files}
        return found | {"stdout and stderr": self.told.encode()}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def assert_nothing_leaked(house: House) -> None:
    for place, content in house.written().items():
        for what, secret in PLANTED.items():
            assert secret.encode() not in content, f"the {what} is in {place}"


def test_a_whole_life_leaves_no_secret_and_only_private_files(house: House) -> None:
    file, state = str(house.folder / "event.yaml"), house.folder / "state"
    plan = state / "plan.json"
    ended = house(
        house.configured(""),
        ("event", "plan", file, "--out", str(plan)),
        ("event", "apply", file),
        ("event", "status", "planted", "-f", "json"),
        ("event", "show", "planted"),
        ("event", "check", file),
        ("run", "show", "1", "-f", "json"),
        ("agent", "--times", "1"),
        ("event", "report", "planted", "--out", str(state / "report")),
        ("event", "destroy", "planted", "--yes"),
    )
    assert ended == [0] * len(ended)
    assert_nothing_leaked(house)
    # user_data is of the event: the journal and a saved plan have it, in private files; nobody is shown it unasked.
    assert USER_DATA not in house.told
    assert USER_DATA.encode() not in (state / "full.log").read_bytes()
    assert stat.S_IMODE(plan.stat().st_mode) == 0o600
    own = state / "own"
    for path in (own, *own.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0, f"{path} is {mode:o}"
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    assert stat.S_IMODE((own / "journal.sqlite").stat().st_mode) == 0o600


def test_a_crash_shows_no_secret(house: House) -> None:
    (house.folder / "state" / "own").mkdir(mode=0o700)
    (house.folder / "state" / "own" / "journal.sqlite").write_bytes(b"not a database, really" * 100)
    assert house(house.configured(""), ("event", "status", "planted")) == [1]
    assert_nothing_leaked(house)


@pytest.mark.parametrize(
    "connection",
    [
        f"postgresql://u:{PLANTED['database password']}@127.0.0.1:9/journal",
        f"postgresql://u@127.0.0.1:9/journal?password={PLANTED['database option']}",
        f"mysql://u:{PLANTED['database password']}@127.0.0.1:9/journal",
        f"postgresql://u:{PLANTED['database password']}/with-a-slash@127.0.0.1:9/journal",
        f"no-such-driver://u:{PLANTED['database password']}@127.0.0.1/journal",
        f"postgresql://u:{PLANTED['database password']}@127.0.0.1:port/journal",
    ],
    ids=["postgresql", "option", "mariadb", "slash", "driver", "port"],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(house: House, connection: str) -> None:
    (code,) = house(house.configured(f"[journal]\nconnection = {connection}"), ("event", "list"))
    assert code in (1, 2)
    assert_nothing_leaked(house)


@pytest.mark.parametrize("scheme", ["etcd3+http", "carrier-pigeon"])
def test_a_lock_service_that_cannot_be_used_is_told_without_its_password(house: House, scheme: str) -> None:
    url = f"{scheme}://u:{PLANTED['lock password']}@127.0.0.1:9"
    conf = house.configured(f"[ownership]\nbackend_url = {url}")
    (code,) = house(conf, ("event", "apply", str(house.folder / "event.yaml")))
    assert code in (1, 2)
    assert_nothing_leaked(house)


def test_a_cloud_that_cannot_be_reached_is_told_without_its_password(house: House) -> None:
    conf = house.configured("[executor]\nattempts = 1\nretry_first = 0.01\nbalancer_timeout = 1")
    body = EVENT.replace("planted-cloud", "planted-real").replace("driver: fake", "driver: nova").split("balancers:")[0]
    (house.folder / "event.yaml").write_text(body)
    file = str(house.folder / "event.yaml")
    assert house(conf, ("event", "check", file), ("event", "apply", file)) == [1, 1]
    assert "planted-real" in house.told
    assert_nothing_leaked(house)


def test_settings_show_no_secret(house: House) -> None:
    from cloudsentry import conf

    url = f"postgresql://u:{PLANTED['database password']}@h/j"
    read = conf.load(house.configured(f"[journal]\nconnection = {url}"))
    assert not [what for what, secret in PLANTED.items() if secret in repr(read)]
    assert json.dumps(str(read)).count("planted-") == 0
