"""The venue's own arithmetic, against figures the venue published."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marginbot.sim.book import Account
from marginbot.sim.instruments import INSTRUMENTS, Market, truncated
from tests.sim.books import wallets

D = Decimal


def market(**marks: str) -> Market:
    return Market(marks={symbol: D(price) for symbol, price in marks.items()})


@pytest.mark.parametrize(
    ("notional", "rate", "deduction"),
    [
        pytest.param("49999.99", "0.004", "0", id="first tier"),
        pytest.param("50000", "0.005", "50", id="a cap belongs to the next tier"),
        pytest.param("600000", "0.0065", "950", id="third"),
        pytest.param("3000000", "0.01", "11450", id="fourth"),
        pytest.param("9000000000", "0.5", "421481450", id="past the last cap"),
    ],
)
def test_bitcoin_brackets_are_the_published_ones(notional: str, rate: str, deduction: str) -> None:
    bracket = INSTRUMENTS["BTCUSDT"].bracket(D(notional))
    assert (bracket.rate, bracket.deduction) == (D(rate), D(deduction))


@pytest.mark.parametrize("symbol", INSTRUMENTS)
def test_maintenance_margin_does_not_jump_between_tiers(symbol: str) -> None:
    for lower, upper in zip(INSTRUMENTS[symbol].brackets, INSTRUMENTS[symbol].brackets[1:], strict=False):
        assert lower.maintenance_margin(lower.cap) == upper.maintenance_margin(upper.floor)


def test_published_isolated_long_is_liquidated_at_5930_78() -> None:
    account = Account(market(BTCUSDT="6679.50671178"), wallets(USDT="0"), hedge=True)
    wallet = D("15517.54150468") - D("2316.8342356")  # isolated margin less its profit
    position = account.open("BTCUSDT", D(20), D("6563.665"), isolated_wallet=wallet)

    assert account.unrealized_pnl(position) == D("2316.83423560")
    assert account.maintenance_margin_of(position) == D("617.95067117")
    price = account.liquidation_price(position)
    assert price is not None
    assert round(price, 4) == D("5930.7836")


def test_published_short_keeps_the_published_maintenance_margin() -> None:
    account = Account(market(WLDUSDT="2.3468325"), wallets(USDT="72.72317863"))
    position = account.open("WLDUSDT", D(-849), D("2.36"))

    assert account.notional(position) == D("-1992.4607925")
    assert account.maintenance_margin_of(position) == D("11.95476475")
    pool = account.pool("cross:USDT")
    assert pool.equity == D("83.90238613")
    assert round(pool.margin_ratio, 4) == D("0.1425")


def test_multi_assets_mode_judges_dollars_not_one_asset() -> None:
    prices = market(WLDUSDT="2.3468325")
    prices.set_asset_index("USDT", D("0.999880785"))
    account = Account(prices, wallets(USDT="72.72317863", USDC="27.13879242"), multi_assets=True)
    account.open("WLDUSDT", D(-849), D("2.36"))

    pool = account.pool("cross:USD")
    assert truncated(pool.maintenance_margin) == D("11.95453485")
    assert round(pool.equity, 8) == D("111.02007243")
    assert round(pool.margin_ratio, 4) == D("0.1077")


def test_a_coin_as_collateral_counts_for_less_and_falls_with_its_price() -> None:
    prices = market(BTCUSDT="60000")
    account = Account(prices, wallets(BTC="1"), multi_assets=True)
    assert account.pool("cross:USD").equity == D(57_000)
    prices.set_price("BTCUSDT", D(30_000))
    assert account.pool("cross:USD").equity == D(28_500)


def test_a_negative_asset_costs_its_ask_rate() -> None:
    account = Account(market(), wallets(USDT="-1000", USDC="5000"), multi_assets=True)
    assert account.pool("cross:USD").equity == D(5000) * D("0.9999") - D(1000) * D("1.0001")


def test_each_margin_asset_is_its_own_pool_in_single_asset_mode() -> None:
    account = Account(market(), wallets(USDT="3000", USDC="9000"))
    account.open("BTCUSDT", D("0.5"))
    account.open("BTCUSDC", D("0.5"))
    ratios = {pool.name: pool.margin_ratio for pool in account.pools()}
    assert ratios == {"cross:USDT": D(120) / D(3000), "cross:USDC": D(120) / D(9000)}


def test_hedged_legs_both_need_margin_and_share_a_liquidation_price() -> None:
    account = Account(market(), wallets(USDT="5000"), hedge=True)
    long = account.open("BTCUSDT", D(1))
    short = account.open("BTCUSDT", D("-0.4"))

    assert account.pool("cross:USDT").maintenance_margin == D("250") + D("96")
    assert account.liquidation_price(long) == account.liquidation_price(short)


@pytest.mark.parametrize("side", [D(1), D(-1)])
@pytest.mark.parametrize("collateral", ["USDT", "USDC"])
@pytest.mark.parametrize("amount", ["0.5", "1.2", "11"])
def test_the_pool_ratio_is_one_at_the_liquidation_price(side: D, collateral: str, amount: str) -> None:
    prices = market()
    account = Account(prices, {collateral: D(amount) * 9000}, multi_assets=collateral == "USDC")
    account.open("ETHUSDT", D(-2))
    position = account.open("BTCUSDT", side * D(amount))

    price = account.liquidation_price(position)
    assert price is not None
    prices.set_price("BTCUSDT", price)
    assert abs(account.margin_ratio(account.pool_name(position)) - 1) < D("1e-6")


def test_a_well_funded_short_position_has_a_price_and_a_covered_long_has_none() -> None:
    account = Account(market(), wallets(USDT="100000"))
    assert account.liquidation_price(account.open("BTCUSDT", D(1))) is None
    short = account.liquidation_price(account.open("SOLUSDT", D(-1)))
    assert short is not None and short > 90_000


def test_a_pool_with_nothing_left_is_infinitely_bad() -> None:
    account = Account(market(), wallets(USDT="-1"))
    assert account.margin_ratio("cross:USDT") == 0
    account.open("BTCUSDT", D("0.1"))
    assert account.margin_ratio("cross:USDT") == D("Infinity")


def test_liquidation_takes_the_pool_and_leaves_the_others() -> None:
    prices = market()
    account = Account(prices, wallets(USDT="3000", USDC="1000"), hedge=True)
    account.open("BTCUSDT", D("0.5"))
    account.open("SOLUSDT", D(-10))
    isolated = account.open("ETHUSDT", D(1), isolated_wallet=D(600))
    price = D(54_100)

    prices.set_price("BTCUSDT", price)
    account.settle(1_000, "BTCUSDT", price)

    assert [(one.at_ms, one.symbol, one.price) for one in account.liquidations] == [
        (1_000, "BTCUSDT", price),
        (1_000, "SOLUSDT", D(150)),
    ]
    assert account.positions == [isolated]
    assert account.wallets == wallets(USDT="0", USDC="1000")


def test_an_isolated_liquidation_spares_the_cross_wallet() -> None:
    prices = market()
    account = Account(prices, wallets(USDT="3000"))
    account.open("ETHUSDT", D(1), isolated_wallet=D(300))
    prices.set_price("ETHUSDT", D(2700))
    account.settle(1, "ETHUSDT", D(2700))
    assert [one.pool for one in account.liquidations] == ["isolated:ETHUSDT:BOTH"]
    assert account.wallets == wallets(USDT="3000")


@pytest.mark.parametrize(("price", "closed"), [("2709.84", 0), ("2709.83", 1)])
def test_liquidation_starts_exactly_at_a_ratio_of_one(price: str, closed: int) -> None:
    # 301 + (p - 3000) = 0.004 p at 2709.8394
    prices = market()
    account = Account(prices, wallets(), multi_assets=False)
    account.open("ETHUSDT", D(1), isolated_wallet=D("301"))
    prices.set_price("ETHUSDT", D(price))
    account.settle(1, "ETHUSDT", D(price))
    assert len(account.liquidations) == closed


def test_liquidation_can_be_switched_off() -> None:
    prices = market(BTCUSDT="1000")
    account = Account(prices, wallets(USDT="10"), liquidates=False)
    account.open("BTCUSDT", D(1), D(60_000))
    account.settle(1, "BTCUSDT", D(1000))
    assert account.margin_ratio("cross:USDT") == D("Infinity")
    assert account.liquidations == []


def test_closing_realises_the_profit() -> None:
    prices = market()
    account = Account(prices, wallets(USDT="100"))
    position = account.open("BTCUSDT", D("0.1"), isolated_wallet=D(500))
    prices.set_price("BTCUSDT", D(61_000))
    account.close(position)
    assert account.wallets == wallets(USDT="700")


def test_impossible_positions_are_refused() -> None:
    account = Account(market(), wallets(USDT="100"))
    account.open("BTCUSDT", D("0.1"))
    with pytest.raises(ValueError, match="open already"):
        account.open("BTCUSDT", D("0.2"))
    with pytest.raises(ValueError, match="cross margin only"):
        Account(market(), {}, multi_assets=True).open("BTCUSDT", D(1), isolated_wallet=D(1))
    with pytest.raises(ValueError, match="needs an amount"):
        account.open("ETHUSDT", D(0))
    with pytest.raises(KeyError, match="not listed"):
        account.market.set_price("DOGEUSDT", D(1))
