"""A guest of an event moves live between two sites from the user's door, and comes back after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.migration.clients import Session, asked, verified
from benchmarks.migration.sites import Sites, until

from .conftest import Door

pytestmark = pytest.mark.migration


def _running(sites: Sites) -> list[str]:
    """The sites at which a guest runs now."""
    from benchmarks.migration.sites import run

    listed = {site: run("virsh", "-c", sites.uri(site), "list", "--name").split() for site in ("home", "away")}
    return [site for site, names in listed.items() if names]


def test_an_event_on_hypervisors_without_openstack_moves_live_and_goes(sites: Sites, door: Door, event: Path) -> None:
    door.run("event", "apply", str(event))
    door.run("event", "apply", str(event))
    [name] = [name for name in sites.domains("home") if name]
    address = "10.98.0.10"
    until(lambda: asked(sites, address, "/", 5), "the guest's web server", 240)
    assert asked(sites, address, "/cgi-bin/work?32,random,5", 120) == "filled"
    server = name.rsplit(".", 1)[0]

    [plan] = door.json("migrate", "plan", "cup", server, "--to", "away")
    assert plan["Mover"] == "libvirt"
    assert "clients wait" in plan["Why"]
    assert plan["Estimate s"] > 1
    assert not plan["Refused because"]
    assert _running(sites) == ["home"]

    session = Session(sites, address)
    door.run("migrate", "run", "cup", server, "--to", "away")
    assert session.survived()
    assert verified(sites, address).wrong == 0
    assert _running(sites) == ["away"]
    assert sites.domains("home") == []
    door.run("event", "status", "cup")

    # Killed under way, and finished by another process.
    before = {move["Move"] for move in door.json("migrate", "list")}
    process = door.start("migrate", "run", "cup", server, "--to", "home")
    heard = []
    for line in process.stderr or ():
        heard.append(line)
        if " copy" in line:
            break
    assert any(" copy" in line for line in heard), heard
    process.kill()
    process.wait()
    [number] = {move["Move"] for move in door.json("migrate", "list")} - before
    door.run("migrate", "retry", str(number))
    assert _running(sites) == ["home"]
    assert sites.domains("away") == []
    assert verified(sites, address).wrong == 0

    door.run("event", "destroy", "cup", "--yes")
    assert (sites.domains("home"), sites.domains("away")) == ([], [])


def test_what_cannot_move_is_refused_with_every_reason(sites: Sites, door: Door, event: Path) -> None:
    text = sites.config.read_text(encoding="utf-8")
    door.run("event", "apply", str(event))
    server = sites.domains("home")[0].rsplit(".", 1)[0]
    try:
        head, tail = text.split("away:", 1)
        sites.config.write_text(f"{head}away:{tail.replace('segment: front', 'segment: apart', 1)}", encoding="utf-8")
        [plan] = door.json("migrate", "plan", "cup", server, "--to", "away", code=1)
        assert any("not one segment" in line for line in plan["Refused because"])
        door.run("migrate", "run", "cup", server, "--to", "away", code=1)
        assert _running(sites) == ["home"]
    finally:
        sites.config.write_text(text, encoding="utf-8")
        door.run("event", "destroy", "cup", "--yes")
