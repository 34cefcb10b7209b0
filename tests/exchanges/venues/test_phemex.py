"""Phemex perpetuals: balance, requirement and profit out of the rows, checked by the liquidation price."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import BadPayload, VenueDown
from marginbot.domain.margin import MarginMode, PoolState, Side
from marginbot.domain.room import room_of
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.phemex import VENUE
from tests.exchanges.venues.asked import Asked
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, gap, pool_named
from tests.exchanges.venues.spoiling import silent_faults

D = Decimal
ONE = D(1)
MARKETS = Reference(
    instruments={
        "BTCUSDT": Instrument(symbol="BTC/USDT:USDT", underlying="BTC", settle="USDT", contract_size=D(1)),
        "BTCUSD": Instrument(symbol="BTC/USD:BTC", underlying="BTC", settle="BTC", contract_size=D(1), is_inverse=True),
    }
)
# Half a coin from 99000 to 100000: value at entry 49500, requirement 1 % of it, closing fee 30, profit 500.
LONG: dict[str, Any] = {
    "symbol": "BTCUSDT", "currency": "USDT", "side": "Buy", "posSide": "Merged", "posMode": "OneWay", "sizeRq": "0.5",
    "crossMargin": False, "leverageRr": "-10", "maintMarginReqRr": "0.01", "valueRv": "49500", "markPriceRp": "100000",
    "avgEntryPriceRp": "99000", "assignedPosBalanceRv": "5000", "bankruptCommRv": "30", "positionMarginRv": "9970",
    "liquidationPriceRp": "80050",
}  # fmt: skip
# Isolated with 2000: 1970 + 0.5 (L - 99000) = 495 at 96050.
ISOLATED = LONG | {"leverageRr": "25", "assignedPosBalanceRv": "2000", "positionMarginRv": "1970",
                   "liquidationPriceRp": "96050"}  # fmt: skip
ACCOUNT = {"currency": "USDT", "accountBalanceRv": "10000", "totalUsedBalanceRv": "7000"}


def told(*positions: Mapping[str, Any], account: Any = ACCOUNT, coin: str = "USDT", **others: Any) -> Payloads:
    data = {"positions": [dict(row) for row in positions]} | ({"account": dict(account)} if account else {})
    return {"accounts": {coin: {"code": 0, "data": data}, **others}}


# -- documented examples


@pytest.mark.parametrize("with_account", [True, False])
def test_a_cross_position_at_the_end_of_the_price_scale(corpus: Corpus, with_account: bool) -> None:
    answer = corpus("phemex/g-positions-upnl__phemexdocs.json")
    if not with_account:
        del answer["data"]["account"]
    snapshot = VENUE.parse({"accounts": {"USDT": answer}}, NOTHING, NOW)
    pool = pool_named(snapshot, "cross:USDT")
    # 730.97309163 - 0.00001116 fee - 0.086133438 loss; 1 % of 186 x 0.0535
    assert (pool.equity, pool.maintenance_margin) == (D("730.886947032"), D("0.09951"))
    assert pool.margin_mode is MarginMode.CROSS
    assert any("gives no balance" in warning for warning in snapshot.warnings) is not with_account


def test_an_isolated_position_of_an_older_account_is_liquidated_where_the_venue_says() -> None:
    row = {
        "symbol": "ETHUSD", "currency": "USD", "side": "Buy", "crossMargin": False, "leverage": "2.0", "size": "1",
        "maintMarginReq": "0.01", "value": "22.2237", "avgEntryPrice": "4444.74", "assignedPosBalance": "11.1202",
        "bankruptComm": "0.0084", "positionMargin": "11.1118", "liquidationPrice": "2266.9", "markPrice": "3133.2499",
    }  # fmt: skip
    pool = VENUE.parse(told(row, account=None, coin="USD"), NOTHING, NOW).pools[0]
    # 11.1118 + 0.005 (3133.2499 - 4444.74); 1 % of the value at entry
    assert gap(pool.equity, D("4.5543495")) < D("1e-9")
    assert pool.maintenance_margin == D("0.222237")
    # With a requirement that does not move: 4444.74 - (11.1118 - 0.222237) / 0.005
    assert float(D("4444.74") - (D("11.1118") - D("0.222237")) / D("0.005")) == pytest.approx(2266.9, rel=1e-4)
    down = room_of(pool, {}, NOW).scenarios[0].down
    assert down is not None
    assert 3133.2499 * (1 + down) == pytest.approx(2266.9, rel=0.01)


def test_a_closed_coin_margined_account_is_flat(corpus: Corpus) -> None:
    for name in ("ccxtsrc", "roq"):
        answer = corpus(f"phemex/account-positions__{name}.json")
        snapshot = VENUE.parse({"accounts": {"BTC": answer}}, NOTHING, NOW)
        assert snapshot.state is PoolState.FLAT
        assert snapshot.pools[0].equity == D(answer["data"]["account"]["accountBalanceEv"]).scaleb(-8)


# -- pools


@pytest.mark.parametrize("reference", [MARKETS, NOTHING], ids=["markets loaded", "no markets"])
def test_cross_and_isolated_by_hand(reference: Reference) -> None:
    snapshot = VENUE.parse(told(LONG | {"liquidationPriceRp": "84050"}, ISOLATED), reference, NOW)
    cross, isolated = (pool_named(snapshot, name) for name in ("cross:USDT", "isolated:BTC/USDT:USDT:long"))
    assert gap(cross.equity, D(10000) - 2000 - 30 + 500) < D("1e-12")
    assert cross.maintenance_margin == D(495)
    assert gap(isolated.equity, D(1970) + 500) < D("1e-12")
    assert gap(isolated.margin_ratio, D(495) / 2470) < D("1e-12")
    assert not [warning for warning in snapshot.warnings if "market list" not in warning]


def test_an_inverse_position_is_kept_in_its_coin() -> None:
    # 50000 dollars short from 101000 to 100000: 0.5 coins, profit 50000 (1/100000 - 1/101000).
    row = {
        "symbol": "BTCUSD", "currency": "BTC", "side": "Sell", "crossMargin": True, "leverageEr": 0, "size": 50000,
        "maintMarginReq": 0.005, "value": 0.49504950, "avgEntryPrice": 101000, "markPrice": 100000,
        "bankruptComm": 0.0003, "assignedPosBalance": 0.05, "positionMargin": 0.9997, "liquidationPrice": 0,
    }  # fmt: skip
    account = {"currency": "BTC", "accountBalanceEv": 100000000}
    pool = VENUE.parse(told(row, account=account, coin="BTC"), MARKETS, NOW).pools[0]
    position = pool.positions[0]
    assert (position.side, position.coin_settled, pool.currency) == (Side.SHORT, True, "BTC")
    assert gap(position.notional, D("0.5")) < D("1e-6")
    assert gap(pool.equity, 1 - D("0.0003") + D("0.00495049504950")) < D("1e-6")
    assert gap(pool.maintenance_margin, D("0.005") * D("0.4950495049")) < D("1e-6")


def test_both_legs_of_a_hedge_count() -> None:
    short = LONG | {"side": "Sell", "posSide": "Short", "liquidationPriceRp": "0"}
    rows = (LONG | {"posSide": "Long", "posMode": "Hedged", "liquidationPriceRp": "0"}, short)
    snapshot = VENUE.parse(told(*rows), MARKETS, NOW)
    assert snapshot.mode == "hedge"
    assert snapshot.pools[0].maintenance_margin == D(990)
    assert gap(snapshot.pools[0].equity, D(10000) - 60) < D("1e-12")


@pytest.mark.parametrize(
    ("changes", "account", "state", "word"),
    [
        pytest.param({"maintMarginReqRr": ""}, ACCOUNT, PoolState.UNKNOWN, "no maintenance margin rate", id="no rate"),
        pytest.param({"maintMarginReqRr": "5"}, ACCOUNT, PoolState.OK, "cannot be right", id="a rate of 500 %"),
        pytest.param({"markPriceRp": "0"}, ACCOUNT, PoolState.UNKNOWN, "no mark price", id="no mark"),
        pytest.param({"valueRv": "0"}, ACCOUNT, PoolState.OK, "contract size is used", id="no value"),
        pytest.param({"valueRv": "80000"}, ACCOUNT, PoolState.OK, "values it at", id="two sizes"),
        pytest.param({"unRealisedPnlRv": "-4000"}, ACCOUNT, PoolState.OK, "profit differ", id="two profits"),
        pytest.param({"leverageRr": None}, ACCOUNT, PoolState.OK, "cross or isolated", id="no margin mode"),
        pytest.param({"bankruptCommRv": None}, ACCOUNT, PoolState.OK, "fee of closing", id="no fee"),
        pytest.param({}, ACCOUNT | {"accountBalanceRv": "90000"}, PoolState.OK, "do not fit", id="a balance too large"),
        pytest.param({}, ACCOUNT | {"accountBalanceRv": "-600"}, PoolState.DEFICIT, "", id="nothing left"),
        pytest.param(
            {"liquidationPriceRp": "101000"}, ACCOUNT, PoolState.DEFICIT, "less counts", id="past the trigger"
        ),
        pytest.param(
            {"leverageRr": "10", "positionMarginRv": ""}, ACCOUNT, PoolState.OK, "not complete", id="one margin figure"
        ),
        pytest.param({"leverageRr": "10"}, ACCOUNT, PoolState.OK, "differ", id="two margin figures"),
        pytest.param({"sizeRq": "0"}, ACCOUNT, PoolState.FLAT, "no size", id="a value without a size"),
    ],
)
def test_edges(changes: dict[str, Any], account: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = VENUE.parse(told(LONG | changes, account=account), MARKETS, NOW)
    assert snapshot.state is state
    assert not word or any(word in warning for warning in snapshot.warnings)


def test_accounts_that_were_not_read_are_named() -> None:
    snapshot = VENUE.parse(told(LONG, ETH=None), MARKETS, NOW)
    assert any("ETH" in warning for warning in snapshot.warnings)
    other = VENUE.parse({"accounts": {"USDC": told(LONG)["accounts"]["USDT"]}}, MARKETS, NOW)
    assert [pool.name for pool in other.pools] == ["cross:USDT"]
    assert any("answered for USDT" in warning for warning in other.warnings)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"accounts": {"USDT": None}}, id="no account"),
        pytest.param({"accounts": {"USDT": {"data": {"account": ACCOUNT}}}}, id="no list of positions"),
        pytest.param(told(LONG | {"sizeRq": ""}), id="no size"),
        pytest.param(told(LONG | {"side": "None"}), id="no direction"),
        pytest.param(told(LONG | {"symbol": ""}), id="no symbol"),
    ],
)
def test_what_cannot_be_read_is_refused(payload: Payloads) -> None:
    with pytest.raises(BadPayload):
        VENUE.parse(payload, MARKETS, NOW)


def cross_ratio(row: dict[str, Any], scale: Decimal = ONE) -> Decimal:
    account = ACCOUNT | {"accountBalanceRv": str(10000 * scale)}
    ratio = (
        VENUE.parse(told(dict(row) | {"liquidationPriceRp": "0"}, account=account), MARKETS, NOW).pools[0].margin_ratio
    )
    assert ratio is not None
    return ratio


@given(st.decimals(min_value=82000, max_value=120000, places=2), st.decimals(min_value=1, max_value=1000, places=2))
def test_the_ratio_rises_as_the_price_falls_on_a_long(mark: Decimal, fall: Decimal) -> None:
    rows: list[dict[str, Any]] = [LONG | {"markPriceRp": str(price)} for price in (mark, mark - fall)]
    assert cross_ratio(rows[1]) > cross_ratio(rows[0])


@given(st.decimals(min_value="0.01", max_value=100, places=2))
def test_the_size_of_an_account_does_not_change_its_ratio(scale: Decimal) -> None:
    names = ("sizeRq", "valueRv", "assignedPosBalanceRv", "bankruptCommRv", "positionMarginRv")
    sized = LONG | {name: str(D(LONG[name]) * scale) for name in names}
    assert gap(cross_ratio(sized, scale), cross_ratio(LONG)) < D("1e-9")


@pytest.mark.parametrize("rows", [(LONG,), (LONG | {"liquidationPriceRp": "84050"}, ISOLATED)], ids=["one", "both"])
def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence(rows: tuple[Mapping[str, Any], ...]) -> None:
    assert VENUE.parse(told(*rows), MARKETS, NOW).warnings == ()
    assert list(silent_faults(VENUE, told(*rows), MARKETS)) == []


# -- asking

PRODUCTS = {
    "data": {
        "products": [{"type": "Perpetual", "settleCurrency": "XRP"}, {"type": "Spot", "settleCurrency": "TRY"}],
        "perpProductsV2": [{"type": "PerpetualV2", "settleCurrency": "USDC"}],
    }
}


async def test_every_settlement_coin_that_is_listed_is_asked_for() -> None:
    answers: dict[str, Any] = {
        "v2GetPublicProducts": PRODUCTS,
        "privateGetGAccountsAccountPositions": lambda params: {"data": params["currency"]},
        "privateGetAccountsAccountPositions": lambda params: None if params["currency"] == "ETH" else {"data": 1},
    }
    accounts = (await VENUE.fetch(Asked(answers)))["accounts"]
    assert sorted(accounts) == ["BTC", "ETH", "USDC", "USDT", "XRP"]
    assert accounts["ETH"] is None


async def test_one_wallet_that_fails_is_not_an_empty_one() -> None:
    answers: dict[str, Any] = {"privateGetGAccountsPositions": {"data": {}}}
    assert (await VENUE.fetch(Asked(answers)))["accounts"]["USDT"] == {"data": {}}
    with pytest.raises(VenueDown):
        await VENUE.fetch(Asked(answers | {"privateGetAccountsAccountPositions": VenueDown("down")}))
    with pytest.raises(BadPayload):
        await VENUE.fetch(Asked({}))
