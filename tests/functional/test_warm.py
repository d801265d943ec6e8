"""`warm` on the lab: a server moves with its disk as it was when it stopped, and most of it had crossed before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from test_migrate import port_of, stand, wide

if TYPE_CHECKING:
    from conftest import Lab, Program

__all__ = ["stand", "wide"]

pytestmark = pytest.mark.lab
BLOCK = 64 * 1024


@pytest.fixture
def hosted(program: Program, tmp_path: Path) -> Program:
    """The program with a clouds.yaml whose public cloud has a conversion host: this machine."""
    clouds = yaml.safe_load(Path(program.env["OS_CLIENT_CONFIG_FILE"]).read_text())
    clouds["clouds"]["public"]["conversion_host"] = "local"
    path = tmp_path / "clouds.yaml"
    path.write_text(yaml.safe_dump(clouds))
    return replace(program, env=program.env | {"OS_CLIENT_CONFIG_FILE": str(path)})


def disk(lab: Lab, cloud: str, server: str) -> Path:
    (found,) = (lab.root / cloud / "state").glob(f"**/instances/{server}/disk")
    return found


def test_a_server_moves_warm_and_only_what_has_changed_crosses_in_its_gap(
    lab: Lab, program: Program, hosted: Program, stand: Callable[[str, int], str]
) -> None:
    name = stand("test-warm", 1)
    (old,) = lab.servers(name)
    was = port_of(lab, "private", old)
    refused = program("migrate", "run", name, old.name, "--to", "osaka", "--mover", "warm", code=1)
    assert "conversion_host" in refused
    content = disk(lab, "private", old.id).read_bytes()
    # The first upload is refused: what had come to the host is not sent again.
    hosted("lab", "fault", "add", "public/glance", "status", "--status", "503", "--method", "PUT", "--path", "/file$",
           "--times", "1")  # fmt: skip
    try:
        (moved,) = hosted.json("migrate", "run", name, old.name, "--to", "osaka", "--mover", "warm")
    finally:
        hosted("lab", "fault", "clear")
    assert (moved["State"], moved["Mover"]) == ("done", "warm")
    memo = hosted.json("migrate", "show", str(moved["Move"]))["memo"]
    assert memo["gap_sent"] == 0, "nothing has changed"
    assert moved["Failures"] == 1
    (new,) = lab.servers(name)
    assert (new.name, new.status, port_of(lab, "public", new)) == (old.name, "ACTIVE", was)
    assert hashlib.sha512(disk(lab, "public", new.id).read_bytes()).digest() == hashlib.sha512(content).digest()
    assert program.json("event", "status", name, "--drift") == []
    assert list(Path("/var/tmp").glob(f"cloudsentry-*/cloudsentry-move-{memo['op']}*")) == []
