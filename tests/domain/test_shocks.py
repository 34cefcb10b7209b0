"""What people write after /stress, and what they mean by it."""

from __future__ import annotations

import pytest

from marginbot.domain.errors import RequestError
from marginbot.domain.shocks import Funding, Shock, parse_shock


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("-20", Shock(market=-0.2), id="everything"),
        pytest.param("+10%", Shock(market=0.1), id="upwards"),
        pytest.param("−7.5", Shock(market=-0.075), id="a typographer's minus"),
        pytest.param("BTC -15 eth -25", Shock(moves={"BTC": -0.15, "ETH": -0.25}), id="coins"),
        pytest.param("BTC-15, ETH+2.5%", Shock(moves={"BTC": -0.15, "ETH": 0.025}), id="without spaces"),
        pytest.param("1000PEPE -40", Shock(moves={"1000PEPE": -0.4}), id="a coin that begins with digits"),
        pytest.param("-20 BTC -5", Shock(market=-0.2, moves={"BTC": -0.05}), id="everything, one coin less"),
        pytest.param("USDT=0.97", Shock(pegs={"USDT": 0.97}), id="peg"),
        pytest.param("USDC -3", Shock(pegs={"USDC": 0.97}), id="peg as a move"),
        pytest.param("IV +50", Shock(volatility=0.5), id="volatility"),
        pytest.param("vol-30%", Shock(volatility=-0.3), id="volatility falls"),
        pytest.param("funding 8h", Shock(funding=Funding(0.0001, 1.0, known=False)), id="usual funding"),
        pytest.param("funding 2d", Shock(funding=Funding(0.0001, 6.0, known=False)), id="two days"),
        pytest.param("funding 0.01%x3", Shock(funding=Funding(0.0001, 3.0, known=True)), id="stated funding"),
        pytest.param("funding -0.02% x3", Shock(funding=Funding(-0.0002, 3.0, known=True)), id="shorts pay"),
        pytest.param(
            "BTC -15 USDT=0.97 IV +50 funding 8h",
            Shock(moves={"BTC": -0.15}, pegs={"USDT": 0.97}, volatility=0.5, funding=Funding(0.0001, 1.0, known=False)),
            id="all together",
        ),
    ],
)
def test_a_shock_is_understood(words: str, expected: Shock) -> None:
    found = parse_shock(words.split())
    assert found.market == pytest.approx(expected.market)
    assert dict(found.moves) == pytest.approx(dict(expected.moves))
    assert dict(found.pegs) == pytest.approx(dict(expected.pegs))
    assert found.volatility == pytest.approx(expected.volatility)
    assert (found.funding is None) == (expected.funding is None)
    if found.funding and expected.funding:
        assert (found.funding.rate, found.funding.payments) == pytest.approx(
            (expected.funding.rate, expected.funding.payments)
        )
        assert found.funding.known is expected.funding.known


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param("", "nothing", id="nothing"),
        pytest.param("20", "its sign", id="no sign: up or down?"),
        pytest.param("BTC", "BTC", id="a coin without a move"),
        pytest.param("BTC 15", "BTC", id="a coin's move without a sign"),
        pytest.param("BTC=40000", "no stablecoin", id="a price"),
        pytest.param("USD=0.9", "no stablecoin", id="the dollar itself"),
        pytest.param("USDT=9", "between", id="a peg out of bounds"),
        pytest.param("-100", "between -99", id="a fall of all"),
        pytest.param("+501", "between -99", id="a rise beyond what is searched"),
        pytest.param("funding", "funding", id="no period"),
        pytest.param("funding 8", "funding 8", id="a period without a unit"),
        pytest.param("funding 31d", "30 days", id="too long"),
        pytest.param("IV 50", "IV", id="volatility without a sign"),
        pytest.param("<b>", "<B>", id="markup"),
    ],
)
def test_what_is_no_shock_is_named(words: str, said: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse_shock(words.split())
    assert said in refused.value.advice


def test_a_part_of_a_shock_is_that_part_of_each_move() -> None:
    whole = Shock(
        market=-0.2, moves={"BTC": 0.1}, pegs={"USDT": 0.9}, volatility=0.5, funding=Funding(0.01, 3, known=True)
    )
    half = whole.part(0.5)
    assert (half.market, half.moves["BTC"], half.pegs["USDT"]) == pytest.approx((-0.1, 0.05, 0.95))
    assert half.volatility == 0.5  # comes first, in full
    assert half.funding == Funding(0.01, 1.5, known=True)


def test_stablecoins_do_not_move_with_the_market() -> None:
    assert Shock(market=-0.5).move_of("USDC") == 0
    assert Shock(market=-0.5).move_of("SOL") == -0.5
