"""Shares as DNS answers: weights of a LUA record, numbers of addresses, and the mark that carries what stood before."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsentry.drivers.steering.dns.answers import RRset, listed, mark_content, mark_set, same, weighted
from cloudsentry.errors import NotSupported
from cloudsentry.records.steering import Target


def targets(share: float, farm: tuple[str, ...], nara: tuple[str, ...]) -> tuple[Target, ...]:
    return Target(name="farm", share=100 - share, to=farm, home=True), Target(name="nara", share=share, to=nara)


@given(share=st.floats(0.01, 99.99), addresses=st.integers(1, 5))
def test_weights_are_integers_in_the_shares_ratio(share: float, addresses: int) -> None:
    nara = tuple(f"198.51.100.{number}" for number in range(1, addresses + 1))
    (made,) = weighted("images.example.net.", 30, targets(share, ("192.0.2.1",), nara))
    (record,) = made.records
    pairs = re.findall(r"\{(\d+),'([0-9.]+)'\}", record.replace('" "', ""))
    total = sum(int(weight) for weight, _ in pairs)
    mine = sum(int(weight) for weight, address in pairs if address in nara)
    assert 100 * mine / total == pytest.approx(share, abs=0.001)
    assert total * 10 < 2**31
    assert all(len(part) <= 255 for part in re.findall(r'"([^"]*)"', record))


def test_both_families_and_nothing_between() -> None:
    made = weighted("a.", 30, targets(40, ("192.0.2.1", "2001:db8::1"), ("192.0.2.2", "2001:db8::2")))
    assert [record.split(" ", 1)[0] for record in made[0].records] == ["A", "AAAA"]
    with pytest.raises(NotSupported, match="IPv6 address of nara"):
        weighted("a.", 30, targets(40, ("192.0.2.1", "2001:db8::1"), ("192.0.2.2",)))
    everybody = weighted("a.", 30, targets(0, ("192.0.2.1", "2001:db8::1"), ()))
    assert len(everybody[0].records) == 2


def test_without_weights_as_many_addresses_as_come_nearest() -> None:
    farm = tuple(f"192.0.2.{number}" for number in range(1, 10))
    (made,) = listed("a.", 30, targets(25, farm, ("198.51.100.1", "198.51.100.2")), 1.0)
    assert made.records == ("192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.1")
    with pytest.raises(NotSupported, match="nara 50 %"):
        listed("a.", 30, targets(60, ("192.0.2.1",), ("198.51.100.1",)), 1.0)


@given(content=st.binary(max_size=3000))
def test_a_mark_comes_back_as_it_was(content: bytes) -> None:
    made = mark_set("images.example.net.", content)
    assert made.name == "_cloudsentry.images.example.net."
    assert mark_content(made.records[0]) == content


def test_answers_are_alike_whatever_their_order_and_borders() -> None:
    one = RRset(name="a.", type="A", ttl=30, records=("192.0.2.1", "192.0.2.2"))
    assert same([one], [RRset(name="a.", type="A", ttl=30, records=("192.0.2.2", "192.0.2.1"))])
    assert not same([one], [RRset(name="a.", type="A", ttl=31, records=one.records)])
    assert same(
        [RRset(name="a.", type="LUA", ttl=1, records=('A "ab" "cd"',))],
        [RRset(name="a.", type="LUA", ttl=1, records=('A "abcd"',))],
    )
