"""The chance of liquidation: falls with the cushion, grows with the time, never leaves its interval."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.breach import CUSHIONS, HORIZONS, odds, outlook

cushions = st.floats(0, 500)
horizons = st.sampled_from(HORIZONS)


@pytest.mark.parametrize("hours", HORIZONS)
def test_nothing_left_is_certain(hours: int) -> None:
    assert odds(0.0, hours).chance == 1.0


@given(cushions, horizons)
def test_the_chance_lies_within_its_interval(cushion: float, hours: int) -> None:
    found = odds(cushion, hours)
    assert 0 <= found.low <= found.chance <= found.high <= 1


@given(cushions, cushions, horizons)
def test_more_cushion_is_never_more_dangerous(one: float, other: float, hours: int) -> None:
    near, far = odds(min(one, other), hours), odds(max(one, other), hours)
    assert far.chance <= near.chance * (1 + 1e-12)
    assert far.low <= near.low * (1 + 1e-12)
    assert far.high <= near.high * (1 + 1e-12)


@given(cushions)
def test_more_time_is_never_less_dangerous(cushion: float) -> None:
    chances = [found.chance for found in outlook(cushion)]
    assert chances == sorted(chances)


@pytest.mark.parametrize("hours", HORIZONS)
def test_between_two_known_cushions_it_lies_between_their_chances(hours: int) -> None:
    for near, far in pairwise(CUSHIONS):
        assert odds(far, hours).chance <= odds((near + far) / 2, hours).chance <= odds(near, hours).chance


def test_what_cannot_breach_has_no_odds() -> None:
    assert outlook(None) == ()
