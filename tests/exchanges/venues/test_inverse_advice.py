"""Advice for coin-margined positions, followed at the venues' own books, lands on its target within half a per cent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marginbot.domain.margin import Pool, Snapshot
from marginbot.domain.rescue_sheet import CLOSING_FEE, Sheet, rescue_sheet
from marginbot.domain.shortfall import Target
from marginbot.domain.volatility import Volatility
from marginbot.exchanges.venues import bybit, deribit
from marginbot.exchanges.venues.deribit_growth import CHORD
from tests.builders import T0, D
from tests.exchanges.venues import test_bybit as bybit_rows
from tests.exchanges.venues.deribit_payloads import book_of, holding, payloads
from tests.exchanges.venues.kit import NOTHING, NOW, pool_named
from tests.servers.bybit_book import BybitAccount, BybitMarket
from tests.servers.deribit_book import DeribitAccount, DeribitPosition

WITHIN = D("0.005")
CALM = {name: Volatility(0.0001, 5000) for name in ("BTC", "ETH", "SOL")}


def sheet(pool: Pool, target: str) -> Sheet:
    return rescue_sheet(pool, Target(ratio=float(target)), CALM, sources=(), now=T0)


def on_target(ratio: Decimal, target: str) -> bool:
    return D(target) * (1 - WITHIN) <= ratio <= D(target) * (1 + D("1e-6"))


# -- Deribit: a wallet of bitcoin behind an inverse perpetual


def wallet(size: str, balance: str) -> DeribitAccount:
    held = DeribitPosition(instrument="BTC-PERPETUAL", size=D(size), average_price=D(60_000))
    return holding("segregated_sm", held, balances={"BTC": D(balance)})


def ratio_of(account: DeribitAccount) -> Decimal:
    return book_of(account).segregated("BTC").canonical


@pytest.mark.parametrize(("size", "balance"), [("60000", "0.015"), ("-60000", "0.015")])
def test_a_coin_margined_wallet(size: str, balance: str) -> None:
    pool = pool_named(deribit.VENUE.parse(payloads(wallet(size, balance)), NOTHING, NOW), "cross:BTC")
    found = sheet(pool, "0.40")
    [deposit] = found.deposits
    assert deposit.asset == "BTC"
    assert deposit.amount is not None
    assert on_target(ratio_of(wallet(size, str(D(balance) + deposit.amount))), "0.40")
    [close] = found.closes
    assert 0 < close.share < 1
    fee = CLOSING_FEE * close.share * abs(D(size)) / 60_000
    left = wallet(str(D(size) * (1 - close.share)), str(D(balance) - fee))
    assert on_target(ratio_of(left), "0.40"), ratio_of(left)


@pytest.mark.parametrize(("size", "balance"), [("300000", "0.07"), ("-300000", "0.07"), ("6000000", "2.5")])
def test_a_rate_that_grows_with_the_size(size: str, balance: str) -> None:
    """Five bitcoins, and a hundred: closing a part lowers the rate of what is left, as chords follow it."""
    pool = pool_named(deribit.VENUE.parse(payloads(wallet(size, balance)), NOTHING, NOW), "cross:BTC")
    [close] = sheet(pool, "0.40").closes
    fee = CLOSING_FEE * close.share * abs(D(size)) / 60_000
    ratio = ratio_of(wallet(str(D(size) * (1 - close.share)), str(D(balance) - fee)))
    assert abs(ratio / D("0.40") - 1) <= WITHIN
    assert ratio <= D("0.40") * (1 + CHORD)


def test_a_rate_of_unknown_growth_asks_for_a_little_more_to_be_closed_and_never_less() -> None:
    """A leverage chosen by hand hides the base: what is advised for five bitcoins leads one per cent too far."""
    told = payloads(wallet("300000", "0.07"))
    told["positions"]["result"][0]["initial_margin"] *= 2
    [close] = sheet(pool_named(deribit.VENUE.parse(told, NOTHING, NOW), "cross:BTC"), "0.40").closes
    fee = CLOSING_FEE * close.share * 5
    ratio = ratio_of(wallet(str(300_000 * (1 - close.share)), str(D("0.07") - fee)))
    assert D("0.395") <= ratio <= D("0.40")


# -- Bybit: an inverse position of its own, and one among others in a unified account


def read(account: BybitAccount) -> Snapshot:
    return bybit.VENUE.parse(bybit_rows.payloads(account), bybit_rows.MARKETS, NOW)


def isolated(size: str) -> BybitAccount:
    """Tiers of ten coins: 900 000 dollars are fifteen."""
    held = BybitAccount(BybitMarket(), {"BTC": D(1)}, mode="ISOLATED_MARGIN")
    held.open("BTCUSD", D(size), leverage=D(80))
    return held


@pytest.mark.parametrize("size", ["300000", "-300000", "900000"])
def test_an_isolated_inverse_position(size: str) -> None:
    account = isolated(size)
    [position] = account.positions
    found = sheet(pool_named(read(account), f"isolated:BTC/USD:BTC:{'long' if position.sign > 0 else 'short'}"), "0.30")
    [deposit] = found.deposits
    assert deposit.amount is not None
    position.margin += deposit.amount
    assert on_target(account.isolated_ratio(position), "0.30")


def unified() -> BybitAccount:
    held = BybitAccount(BybitMarket(), {"USDT": D(1_500), "BTC": D("0.05")})
    held.open("BTCUSD", D(240_000))
    held.open("ETHUSDT", D(-20))
    return held


def test_an_inverse_position_among_others_in_a_unified_account() -> None:
    found = sheet(pool_named(read(unified()), "cross"), "0.20")
    for deposit in found.deposits:
        account = unified()
        assert deposit.amount is not None
        account.wallets[deposit.asset] += deposit.amount
        assert on_target(account.margin_ratio, "0.20"), deposit
    assert "BTC/USD:BTC" in [close.symbol for close in found.closes]
    for close in found.closes:
        account = unified()
        position = next(p for p in account.positions if bybit_rows.LISTED[p.contract.symbol].symbol == close.symbol)
        account.wallets[position.contract.settle] -= CLOSING_FEE * close.share * account.value(position)
        position.size *= 1 - close.share
        assert on_target(account.margin_ratio, "0.20"), (close, account.margin_ratio)
