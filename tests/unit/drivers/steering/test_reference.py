"""k of n fronts and their weights, for all shares; and a file that names another image server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsentry.drivers.steering.reference.proportions import WEIGHT_MOST, spread
from cloudsentry.drivers.steering.reference.wording import authority, names, plain, rewritten
from cloudsentry.errors import NotSupported
from cloudsentry.records.steering import Target


@given(share=st.floats(0, 100), fronts=st.integers(2, 60), size=st.integers(1, 256))
def test_every_share_is_met_within_one_percent_by_integer_weights(share: float, fronts: int, size: int) -> None:
    made = spread([share, 100 - share], [size] * fronts, weighed=True)
    assert made is not None
    assert made.given[0] == pytest.approx(share, abs=1.0)
    assert all(0 < weight <= WEIGHT_MOST for weight in made.weights)
    total = sum(made.weights)
    mine = sum(weight for weight, target in zip(made.weights, made.targets, strict=True) if target == 0)
    assert 100 * mine / total == pytest.approx(made.given[0])
    if 1 <= share <= 99 and fronts <= 40:
        assert made.given[0] == pytest.approx(share, rel=0.01)
        assert made.given[1] == pytest.approx(100 - share, rel=0.01)


@given(
    parts=st.lists(st.integers(0, 100), min_size=3, max_size=4).filter(lambda parts: sum(parts) > 0),
    fronts=st.integers(4, 30),
)
def test_several_targets_too(parts: list[int], fronts: int) -> None:
    shares = [100 * part / sum(parts) for part in parts]
    made = spread(shares, [100] * fronts, weighed=True)
    assert made is not None
    assert list(made.given) == pytest.approx(shares, abs=1.0)


def test_the_source_s_one_of_nine() -> None:
    made = spread([100 / 9, 800 / 9], [10] * 9, weighed=False)
    assert made is not None
    assert made.targets == (1,) * 8 + (0,)
    assert made.weights == (10,) * 9


@given(share=st.floats(0, 100), fronts=st.integers(2, 20))
def test_without_weights_the_nearest_count(share: float, fronts: int) -> None:
    made = spread([share, 100 - share], [1] * fronts, weighed=False)
    assert made is not None
    assert abs(made.given[0] - share) <= 100 / fronts


def test_a_front_without_weight_stays_so_and_too_few_fronts_are_none() -> None:
    made = spread([50.0, 50.0], [10, 0, 10], weighed=True)
    assert made is not None
    assert made.weights[1] == 0
    assert made.given == (50.0, 50.0)
    assert spread([30.0, 30.0, 40.0], [1, 1], weighed=True) is None


HOME, NARA = "images.example.net", "nara.example.net:8080"


@pytest.mark.parametrize(
    "text",
    [
        'var server = "http://images.example.net/live/";',
        "src='//images.example.net/1.jpg'",
        "`https://images.example.net`",
        r'{"base": "http:\/\/images.example.net\/"}',
        "url(http://images.example.net)",
        "${scheme}://images.example.net/{{ path }}",
        "IMAGES=images.example.net",
        "see images.example.net.",
    ],
)
def test_a_name_is_rewritten_in_any_quoting_and_comes_back(text: str) -> None:
    made = rewritten(text.encode(), HOME, NARA)
    assert made == text.replace(HOME, NARA).encode()
    assert plain(made, HOME, [NARA]) == text.encode()
    assert rewritten(made, HOME, NARA) == made


@pytest.mark.parametrize(
    "text",
    [
        "http://old-images.example.net/",
        "http://images.example.net.test/",
        "http://images.example.net:8080/",
        "http://images.example.network/",
        "mail images@images.example.net",
        "http://my.images.example.net/",
    ],
)
def test_other_names_are_left_alone(text: str) -> None:
    assert not names(text.encode(), HOME)
    assert rewritten(text.encode(), HOME, NARA) == text.encode()


@given(before=st.binary(max_size=40), after=st.binary(max_size=40))
def test_whatever_is_around_it_stays_to_the_byte(before: bytes, after: bytes) -> None:
    text = before + b' "images.example.net" ' + after
    made = rewritten(text, HOME, NARA)
    assert made == before + b' "nara.example.net:8080" ' + after or names(before + after, HOME)


def test_addresses_of_balancers_are_named_as_urls_have_them() -> None:
    assert authority(Target(name="a", share=1, to=("192.0.2.1",), balancer="b")) == "192.0.2.1"
    assert authority(Target(name="a", share=1, to=("2001:db8::1",), balancer="b", port=8080)) == "[2001:db8::1]:8080"
    text = b'"http://images.example.net/"'
    made = rewritten(text, HOME, "[2001:db8::1]:8080")
    assert made == b'"http://[2001:db8::1]:8080/"'
    assert plain(made, HOME, ["[2001:db8::1]:8080"]) == text


@pytest.mark.parametrize("to", ['x"; alert(1); "', "a b", "http://x", "a\n", "", "x'", "a/b", "<x>"])
def test_what_could_leave_a_quoting_is_refused(to: str) -> None:
    with pytest.raises(NotSupported):
        authority(Target(name="a", share=1, to=(to,)))
