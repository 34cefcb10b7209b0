"""Advice that is followed at the simulated exchange lands within half a per cent of its target, on the safe side.

Read, advised, done, and judged by the exchange's own ratio. It knows no coin-margined contracts: those are in
`tests/exchanges/venues/test_inverse_advice.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pytest

from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.margin import Pool
from marginbot.domain.rescue_sheet import CLOSING_FEE, Close, Sheet, rescue_sheet
from marginbot.domain.shocks import Shock
from marginbot.domain.shortfall import Target
from marginbot.domain.volatility import Volatility
from marginbot.domain.whatif import Basis, stressed
from marginbot.exchanges.venue import Instrument, Reference
from marginbot.exchanges.venues.binanceusdm import VENUE, parse_tiers
from marginbot.sim import listings, statements
from marginbot.sim.book import Account
from marginbot.sim.instruments import INSTRUMENTS, MARGIN_ASSETS, Market
from marginbot.sim.positions import Position
from tests.builders import T0, snapshot
from tests.sim.books import add_margin, reduce, wallets

D = Decimal
CALM = {name: Volatility(0.0001, 5000) for name in ("BTC", "ETH", "SOL", "WLD")}
WITHIN = D("0.005")
LISTED = {
    listed.symbol: Instrument(
        symbol=f"{listed.base}/{listed.margin_asset}:{listed.margin_asset}",
        underlying=listed.base,
        settle=listed.margin_asset,
        contract_size=D(1),
    )
    for listed in INSTRUMENTS.values()
}
TIERS = parse_tiers([listings.leverage_bracket(instrument) for instrument in INSTRUMENTS.values()], LISTED)
REFERENCE = Reference(instruments=LISTED, tiers=TIERS)


def read(account: Account) -> tuple[Pool, ...]:
    """The account as marginbot reads it."""
    index = [listings.asset_index(account.market, asset, 0) for asset in MARGIN_ASSETS]
    payloads = {
        "account": statements.account_v3(account),
        "positions": [statements.position_risk_v3(account, position) for position in account.positions],
        "config": statements.account_config(account),
        "index": index if account.multi_assets else None,
    }
    return VENUE.parse(payloads, REFERENCE, T0).pools


@dataclass(frozen=True)
class Case:
    """An account, which of its pools is in trouble, and the ratio to bring it to."""

    make: Callable[[], Account]
    ours: str
    venues: str  # the simulated exchange's own name of that pool
    target: str = "0.40"

    def sheet(self, account: Account) -> Sheet:
        pool = next(pool for pool in read(account) if pool.name == self.ours)
        return rescue_sheet(pool, Target(ratio=float(self.target)), CALM, sources=(), now=T0)

    def on_target(self, account: Account) -> bool:
        """By the venue's own ratio, and not short of it."""
        ratio, target = account.margin_ratio(self.venues), D(self.target)
        return target * (1 - WITHIN) <= ratio <= target * (1 + D("1e-6"))


def linear() -> Account:
    held = Account(Market(), wallets(USDT="1500"))
    held.open("BTCUSDT", D("3"))
    held.open("SOLUSDT", D("-100"))
    held.open("ETHUSDT", D("8"))
    return held


def tier_crossing() -> Account:
    """72 000 falls below 50 000, where the rate is lower and the deduction goes."""
    held = Account(Market(), wallets(USDT="450"))
    held.open("BTCUSDT", D("1.2"))
    return held


def isolated() -> Account:
    held = Account(Market(), wallets(USDT="5000"))
    held.open("WLDUSDT", D("-40000"), isolated_wallet=D(1500))
    return held


def isolated_over_tiers() -> Account:
    """Only a lower tier helps here: 4 000 000 of SOL at 2 % falls to where 1 % is asked."""
    held = Account(Market(), wallets(USDT="0"))
    held.open("SOLUSDT", D("26000"), isolated_wallet=D(120_000))
    return held


def multi_collateral() -> Account:
    held = Account(Market(), wallets(USDT="500", USDC="300", BTC="0.03"), multi_assets=True)
    held.open("BTCUSDT", D("4"))
    held.open("ETHUSDC", D("-10"))
    return held


def hedged() -> Account:
    held = Account(Market(), wallets(USDT="700"), hedge=True)
    held.open("BTCUSDT", D("1.5"))
    held.open("BTCUSDT", D("-0.9"))
    return held


CASES = [
    pytest.param(Case(linear, "cross:USDT", "cross:USDT"), id="linear cross"),
    pytest.param(Case(tier_crossing, "cross:USDT", "cross:USDT"), id="across a tier"),
    pytest.param(Case(hedged, "cross:USDT", "cross:USDT"), id="hedged legs"),
    pytest.param(Case(multi_collateral, "cross", "cross:USD"), id="multi-collateral"),
    pytest.param(
        Case(isolated, "isolated:WLD/USDT:USDT:short", "isolated:WLDUSDT:BOTH"),
        id="isolated",
    ),
]


def symbol_of(position: Position) -> str:
    return LISTED[position.symbol].symbol


def held(account: Account, close: Close) -> Position:
    sign = 1 if close.side == "long" else -1
    return next(p for p in account.positions if symbol_of(p) == close.symbol and p.amount * sign > 0)


@pytest.mark.parametrize("case", CASES)
def test_a_deposit_as_advised_lands_on_the_target(case: Case) -> None:
    account = case.make()
    assert not case.on_target(account)
    deposits = case.sheet(account).deposits
    assert deposits
    for deposit in deposits:
        account = case.make()
        assert deposit.amount is not None
        if case.ours.startswith("isolated"):
            add_margin(account, account.positions[0], deposit.amount)
        else:
            account.deposit(deposit.asset, deposit.amount)
        assert case.on_target(account), (deposit, account.margin_ratio(case.venues))


def test_a_coin_is_advised_beside_cash_where_it_backs_the_pool() -> None:
    [cash, coin] = Case(multi_collateral, "cross", "cross:USD").sheet(multi_collateral()).deposits
    assert (cash.asset, coin.asset) == ("USDT", "BTC")
    assert coin.amount is not None
    assert abs(coin.amount - coin.counts / 57_000) < D("0.0001")  # Binance counts 95 % of it


@pytest.mark.parametrize("case", [case for case in CASES if case.id != "isolated"])
def test_each_close_as_advised_lands_on_the_target_with_its_fee(case: Case) -> None:
    sheet = case.sheet(case.make())
    assert sheet.closes
    for close in sheet.closes:
        account = case.make()
        reduce(account, held(account, close), close.contracts, fee_rate=CLOSING_FEE)
        assert case.on_target(account), (close, account.margin_ratio(case.venues))


def test_where_no_single_position_is_enough_several_are_closed_together() -> None:
    case = Case(linear, "cross:USDT", "cross:USDT", target="0.10")
    sheet = case.sheet(linear())
    assert sheet.closes == ()
    assert len(sheet.together) > 1
    account = linear()
    for close in sheet.together:
        reduce(account, held(account, close), close.contracts, fee_rate=CLOSING_FEE)
    assert case.on_target(account), account.margin_ratio("cross:USDT")


def test_the_same_share_of_every_position_lands_on_the_target() -> None:
    case = Case(linear, "cross:USDT", "cross:USDT")
    account, share = linear(), case.sheet(linear()).every_share
    assert share is not None
    for position in list(account.positions):
        reduce(account, position, abs(position.amount) * share, fee_rate=CLOSING_FEE)
    assert case.on_target(account)


def test_an_isolated_position_is_closed_in_part_only_where_a_lower_tier_helps() -> None:
    """Its margin goes with the part, as the venue does it."""
    [close] = Case(isolated, "isolated:WLD/USDT:USDT:short", "isolated:WLDUSDT:BOTH", "0.10").sheet(isolated()).closes
    assert close.share == 1
    case = Case(isolated_over_tiers, "isolated:SOL/USDT:USDT:long", "isolated:SOLUSDT:BOTH", "0.42")
    [part] = case.sheet(isolated_over_tiers()).closes
    assert 0 < part.share < 1
    account = isolated_over_tiers()
    reduce(account, account.positions[0], part.contracts, fee_rate=CLOSING_FEE)
    assert case.on_target(account), account.margin_ratio(case.venues)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("move", [-0.5, 0.5])
def test_what_dies_on_the_way_dies_there_at_the_exchange_too(case: Case, move: float) -> None:
    """The share of the move at which a pool dies is where the venue's own ratio reaches one."""
    account = case.make()
    basis = Basis(volatilities=CALM, ladders=DEFAULT_LADDERS, now=T0)
    outcomes = stressed(snapshot(*read(account)), Shock(market=move), basis)
    found = next(outcome for outcome in outcomes if outcome.before.name == case.ours)
    share = 1.0 if found.breaks_at is None else found.breaks_at
    for symbol in INSTRUMENTS:
        account.market.set_price(symbol, account.market.mark(symbol) * D(1 + move * share))
    ratio = account.margin_ratio(case.venues)
    if found.breaks_at is None:
        assert found.after is not None
        assert found.after.margin_ratio is not None
        assert abs(found.after.margin_ratio / ratio - 1) < WITHIN
        assert ratio < 1
    else:
        assert abs(ratio - 1) < D("0.02")


@pytest.mark.parametrize(("coin", "price"), [("USDT", 0.97), ("USDC", 0.90), ("USDT", 1.02)])
def test_a_peg_that_breaks_takes_what_it_takes_at_the_exchange(coin: str, price: float) -> None:
    """Equity is the venue's own. Its requirement shrinks with the coin's price, which is not counted on."""
    account = Account(Market(), wallets(USDT="2500", USDC="1500"), multi_assets=True)
    account.open("BTCUSDT", D("2"))
    basis = Basis(volatilities=CALM, ladders=DEFAULT_LADDERS, now=T0)
    [found] = stressed(snapshot(*read(account)), Shock(pegs={coin: price}), basis)
    account.market.set_asset_index(coin, D(str(price)))
    venue = account.pool("cross:USD")
    assert found.after is not None
    assert found.after.equity is not None
    assert abs(found.after.equity / venue.equity - 1) < D("0.001")
    assert found.notes == ()
