"""Markets by the list or by their name, and the value of contracts."""

from __future__ import annotations

import pytest

from marginbot.exchanges.listing import Listing, contract, larger_value, listing_of, value_of
from marginbot.exchanges.venue import Instrument, Reference
from tests.builders import D

KNOWN = Reference(
    instruments={
        "XBTUSDTM": Instrument(symbol="BTC/USDT:USDT", underlying="BTC", settle="USDT", contract_size=D("0.001")),
        "ODD": Instrument(symbol="ODD/USDT:USDT", underlying="ODD", settle="USDT", contract_size=D(0)),
    }
)
LINEAR = contract("BTC", "USDT", size=D("0.001"))
INVERSE = contract("BTC", "BTC", size=D(100))


def test_the_market_list_comes_before_the_name() -> None:
    warnings: list[str] = []
    found = listing_of("XBTUSDTM", KNOWN, lambda _: None, warnings)
    assert (found.symbol, found.contract_size, warnings) == ("BTC/USDT:USDT", D("0.001"), [])
    assert listing_of("ODD", KNOWN, lambda _: None, warnings).contract_size is None


def test_a_name_taken_apart_is_told_and_one_that_cannot_be_stands_for_itself() -> None:
    warnings: list[str] = []
    assert listing_of("A-B", KNOWN, lambda _: contract("A", "B"), warnings).symbol == "A/B:B"
    strange = listing_of("???", KNOWN, lambda _: None, warnings)
    assert (strange.symbol, strange.underlying, strange.contract_size) == ("???", "???", None)
    assert len(warnings) == 2


def test_settled_in_its_coin_a_contract_is_inverse() -> None:
    assert (INVERSE.symbol, INVERSE.settle, INVERSE.is_inverse) == ("BTC/USD:BTC", "BTC", True)
    assert contract("ETH", "USD", quote="USD", dated="261225").symbol == "ETH/USD:USD-261225"


@pytest.mark.parametrize(
    ("listing", "mark", "expected"),
    [(LINEAR, "50000", "250"), (INVERSE, "50000", "0.01"), (LINEAR, None, None), (contract("A", "B"), "5", None)],
)
def test_the_value_of_five_contracts(listing: Listing, mark: str | None, expected: str | None) -> None:
    found = value_of(listing, D(5), None if mark is None else D(mark))
    assert found == (None if expected is None else D(expected))


@pytest.mark.parametrize(
    ("ours", "told", "expected", "warned"),
    [
        pytest.param("100", "101", "101", False, id="much the same"),
        pytest.param("100", "-120", "120", True, id="a short's value is negative"),
        pytest.param("120", "100", "120", True, id="ours is larger"),
        pytest.param(None, "100", "100", False, id="only the venue's"),
        pytest.param("100", None, "100", False, id="only ours"),
        pytest.param("100", "0", "100", False, id="zero says nothing"),
        pytest.param(None, None, None, True, id="neither"),
    ],
)
def test_of_two_values_the_larger_counts(
    ours: str | None, told: str | None, expected: str | None, warned: bool
) -> None:
    warnings: list[str] = []
    own, theirs = (None if value is None else D(value) for value in (ours, told))
    found = larger_value(LINEAR, own, theirs, warnings)
    assert found == (None if expected is None else D(expected))
    assert bool(warnings) is warned
