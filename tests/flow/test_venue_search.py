"""What people type for an exchange: a part of its name, or a slip; never what cannot be watched."""

from __future__ import annotations

import pytest

from marginbot.flow.ports import VenueInfo
from marginbot.flow.registration import MOST_FOUND, search_venues


def venue(id: str, title: str, *, estimates_only: bool = False, refusal: str | None = None) -> VenueInfo:
    return VenueInfo(
        id=id,
        title=title,
        fields=(("key", "API key"),),
        instructions="",
        aliases=(f"my{id}",),
        estimates_only=estimates_only,
        refusal=refusal,
    )


KNOWN = {
    found.id: found
    for found in (
        venue("alpha", "Alpha Futures", estimates_only=True),
        venue("alphapro", "Alpha Pro"),
        venue("beta", "Beta"),
        venue("gamma", "Alpha Spot", refusal="It has no margin."),
    )
}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        pytest.param("alp", ["alphapro", "alpha"], id="one read by its own adapter comes first"),
        pytest.param(" ALPHA P", ["alphapro", "alpha"], id="a part of a title, in any case, then what is like it"),
        pytest.param("beat", ["beta"], id="a slip"),
        pytest.param("mybet", ["beta"], id="a part of another name"),
        pytest.param("beta", [], id="as it is"),
        pytest.param("gamma", [], id="known, but not to be watched: the reason is told instead"),
        pytest.param("spot", [], id="a part of what cannot be watched"),
        pytest.param("zzzzzz", [], id="nothing like it"),
        pytest.param(" ", [], id="nothing"),
    ],
)
def test_found(typed: str, found: list[str]) -> None:
    assert [each.id for each in search_venues(KNOWN, typed)] == found


def test_no_more_than_fit_a_screen() -> None:
    many = {f"venue{number}": venue(f"venue{number}", f"Venue {number}") for number in range(30)}
    assert len(search_venues(many, "venue")) == MOST_FOUND
