"""The family's contract, and what this driver makes of answers."""

import pytest
import requests
from ticketshop import TicketShopSignal

from cloudsentry.drivers.signal.base import SignalOptions
from cloudsentry.records.scaling import Missing, Reading
from cloudsentry.testing import conformance


def test_it_is_a_signal():
    conformance.signal(TicketShopSignal)


@pytest.mark.parametrize(
    ("body", "load"),
    [
        ('{"waiting": 1200, "per_person": 0.5}', 600),
        ('{"waiting": 0, "per_person": 0.5}', 0),
        ("{}", None),
        ("!", None),
    ],
)
def test_what_the_shop_tells(monkeypatch, body, load):
    answer = requests.Response()
    answer.status_code, answer._content = 200, body.encode()
    monkeypatch.setattr(requests, "get", lambda url, timeout: answer)
    found = TicketShopSignal(SignalOptions(url="http://shop.example.net")).read()
    assert isinstance(found, Missing) if load is None else isinstance(found, Reading) and found.value == load
