"""Prefix tables and the maps that come of them."""

from __future__ import annotations

import ipaddress
import random

import pytest

from cloudsentry.drivers.steering.prefix.maps import chosen
from cloudsentry.drivers.steering.prefix.table import parse
from cloudsentry.errors import NotSupported
from cloudsentry.records.steering import Target


def targets(share: float, *rules: str) -> tuple[Target, ...]:
    return (
        Target(name="farm", share=100 - share, to=("stay",), home=True),
        Target(name="nara", share=share, to=("cloud",), rules=rules),
    )


def backend(client: str, entries: dict[str, str]) -> str:
    """The longest match, as HAProxy finds it."""
    address = ipaddress.ip_address(client)
    fitting = [ipaddress.ip_network(key) for key in entries]
    fitting = [network for network in fitting if address in network]
    return entries[str(max(fitting, key=lambda network: network.prefixlen))] if fitting else "stay"


def test_lines_of_both_kinds_are_read() -> None:
    rows = parse(
        ["# a comment", "192.0.2.0/24 AS64500 17", "198.51.100.0\t24\t64501_64502", "2001:db8::/32 {64503,1}"], "t"
    )
    assert [(str(row), row.asn, row.clients) for row in rows] == [
        ("192.0.2.0/24", 64500, 17),
        ("198.51.100.0/24", 64501, -1),
        ("2001:db8::/32", 64503, -1),
    ]


@pytest.mark.parametrize(
    "line", ["192.0.2.1/24 1", "192.0.2.0/33 1", "x 1", "192.0.2.0/24", "192.0.2.0/24 x", "::/0/0 1"]
)
def test_a_line_that_is_none_is_told_with_its_number(line: str) -> None:
    with pytest.raises(NotSupported, match="table:2"):
        parse(["192.0.2.0/24 1", line], "table")


def test_shares_count_each_address_at_its_most_specific_network() -> None:
    rows = parse(["10.0.0.0/8 1", "10.128.0.0/9 2", "11.0.0.0/8 3"], "t")
    made = chosen(rows, targets(0, "AS1"))
    assert made.given["nara"] == pytest.approx(25)
    assert made.entries == {"10.0.0.0/8": "cloud", "10.128.0.0/9": "stay"}
    assert backend("10.1.1.1", made.entries) == "cloud"
    assert backend("10.200.1.1", made.entries) == "stay"


def test_a_network_of_the_event_s_own_wins_and_what_is_within_it_keeps_its_as() -> None:
    rows = parse(["10.0.0.0/8 1", "10.1.2.0/24 2"], "t")
    made = chosen(rows, targets(0, "10.1.0.0/16"))
    assert backend("10.1.9.9", made.entries) == "cloud"
    assert backend("10.1.2.9", made.entries) == "stay"
    assert backend("10.2.0.1", made.entries) == "stay"


@pytest.mark.parametrize("share", [1, 12.5, 33.3, 50, 90])
def test_shares_are_met_within_one_percent_and_small_changes_move_few(share: float) -> None:
    chance = random.Random(2010)
    lines = [f"10.{high}.{low}.0/24 {int(3000 * chance.random() ** 2)}" for high in range(64) for low in range(256)]
    rows = parse(lines, "t")
    made = chosen(rows, targets(share))
    assert made.given["nara"] == pytest.approx(share, abs=1.0)
    assert made == chosen(rows, targets(share))
    near = chosen(rows, targets(share + 1))
    moved = set(made.entries.items()) ^ set(near.entries.items())
    assert len(moved) < 0.15 * len(rows)


def test_clients_that_were_counted_come_before_address_space() -> None:
    rows = parse(["10.0.0.0/8 1 10", "11.0.0.0/24 2 30"], "t")
    assert chosen(rows, targets(0, "AS2")).given["nara"] == pytest.approx(75)
