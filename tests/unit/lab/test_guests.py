"""What a server of the lab runs, and what is kept of its ports."""

import base64

import pytest

from cloudsentry.lab.inside import guests


def vif(gateway="10.1.0.1"):
    return {
        "id": "11111111-2222-3333-4444-555555555555",
        "address": "fa:16:3e:00:00:01",
        "network": {
            "id": "net",
            "subnets": [
                {
                    "cidr": "10.1.0.0/22",
                    "gateway": {"address": gateway} if gateway else None,
                    "ips": [{"address": "10.1.0.20"}],
                },
                {
                    "cidr": "fd00:1::/64",
                    "gateway": {"address": "fd00:1::1"},
                    "ips": [{"address": "fd00:1::20"}],
                },
            ],
        },
    }


def test_a_port_keeps_its_mac_and_every_address_with_its_gateway():
    port = guests.port_of(vif())
    assert (port["mac"], port["network"]) == ("fa:16:3e:00:00:01", "net")
    assert port["addresses"] == [
        {"address": "10.1.0.20/22", "gateway": "10.1.0.1"},
        {"address": "fd00:1::20/64", "gateway": "fd00:1::1"},
    ]
    assert port["gateways"] == ["10.1.0.1/22", "fd00:1::1/64"]


def test_a_subnet_without_gateway_gives_none():
    port = guests.port_of(vif(gateway=None))
    assert port["addresses"][0]["gateway"] is None
    assert port["gateways"] == ["fd00:1::1/64"]


@pytest.fixture
def guest(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_DIR", str(tmp_path))
    monkeypatch.setenv("LAB_RUN", str(tmp_path / "private" / "run"))
    return guests.Guest("private", "private-xeon1", str(tmp_path / "guest"), "0" * 36, "koshien-1")


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def test_by_default_a_server_serves_its_name_and_an_image_of_25_kb(guest, tmp_path):
    assert not guest.prepared()
    guest.prepare(None)
    assert guest.prepared()
    assert (tmp_path / "guest/www/name").read_text() == "koshien-1\n"
    assert (tmp_path / "guest/www/image").stat().st_size == 25 * 1024
    assert "bin/web" in (tmp_path / "guest/run").read_text()
    assert guest.console() == b""


def test_a_script_is_the_servers_program(guest, tmp_path):
    guest.prepare(encoded("#!/bin/sh\nexec sleep 1\n"))
    assert (tmp_path / "guest/run").read_text() == "#!/bin/sh\nexec sleep 1\n"


def test_cloud_config_is_ignored_and_the_console_says_so(guest, tmp_path):
    guest.prepare(encoded("#cloud-config\npackages: [apache2]\n"))
    assert "bin/web" in (tmp_path / "guest/run").read_text()
    assert b"ignored" in guest.console()
