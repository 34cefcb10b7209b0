"""The chance of liquidation: falls with the cushion, grows with the time, never leaves its interval."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.breach import CUSHIONS, HORIZONS, odds, outlook

cushions = st.floats(0, 500)
kinds = st.booleans()
horizons = st.sampled_from(HORIZONS)


@pytest.mark.parametrize("hours", HORIZONS)
def test_nothing_left_is_certain(hours: int) -> None:
    assert [odds(0.0, hours, major=major).chance for major in (True, False)] == [1.0, 1.0]


@given(cushions, horizons, kinds)
def test_the_chance_lies_within_its_interval(cushion: float, hours: int, major: bool) -> None:
    found = odds(cushion, hours, major=major)
    assert 0 <= found.low <= found.chance <= found.high <= 1


@given(cushions, cushions, horizons, kinds)
def test_more_cushion_is_never_more_dangerous(one: float, other: float, hours: int, major: bool) -> None:
    near, far = (odds(choose(one, other), hours, major=major) for choose in (min, max))
    assert far.chance <= near.chance * (1 + 1e-12)
    assert far.low <= near.low * (1 + 1e-12)
    assert far.high <= near.high * (1 + 1e-12)


@given(cushions, st.sampled_from(["BTC", "ETH + volatility", "SOL", "market", None]))
def test_more_time_is_never_less_dangerous(cushion: float, scenario: str | None) -> None:
    chances = [found.chance for found in outlook(cushion, scenario)]
    assert chances == sorted(chances)


@given(cushions)
def test_a_smaller_coin_is_never_safer(cushion: float) -> None:
    for large, small in zip(outlook(cushion, "BTC"), outlook(cushion, "SOL"), strict=True):
        assert small.chance >= large.chance
        assert small.high >= large.high


@pytest.mark.parametrize(
    ("scenario", "as_large"),
    [("BTC", True), ("ETH + volatility", True), ("SOL", False), ("market", False), ("BTCDOM", False), (None, False)],
)
def test_what_is_not_a_large_coin_alone_goes_further(scenario: str | None, as_large: bool) -> None:
    assert (outlook(3.0, scenario) == outlook(3.0, "BTC")) is as_large
    assert as_large or outlook(3.0, scenario) == outlook(3.0, "SOL")


@pytest.mark.parametrize("hours", HORIZONS)
def test_between_two_known_cushions_it_lies_between_their_chances(hours: int) -> None:
    for near, far in pairwise(CUSHIONS):
        chances = [odds(at, hours, major=True).chance for at in (far, (near + far) / 2, near)]
        assert chances == sorted(chances)


def test_what_cannot_breach_has_no_odds() -> None:
    assert outlook(None) == ()
