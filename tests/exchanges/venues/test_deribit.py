"""Deribit: payloads in, pools out; against the venue's own ratios and liquidation prices."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import (
    BadPayload,
    ClockSkew,
    KeyRefused,
    NoPermission,
    RateLimited,
    ReadingError,
    VenueDown,
)
from marginbot.domain.margin import MarginMode, PoolState, Side
from marginbot.domain.room import room_of
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.deribit import VENUE
from marginbot.flow.ports import Credential
from tests.exchanges.venues.deribit_payloads import (
    HOLDINGS,
    LINEAR,
    LONG,
    LONG_CALL,
    MODELS,
    PRICES,
    SHORT,
    SHORT_PUT,
    answers,
    book_of,
    holding,
    parsed,
    payloads,
)
from tests.exchanges.venues.kit import (
    NOTHING,
    NOW,
    Corpus,
    clock,
    gap,
    pool_named,
    reading,
)
from tests.servers.deribit import DeribitPosition, DeribitServer

D = Decimal
TOLERANCE = D("0.005")
CREDENTIAL = Credential("deribit-id", "deribit-secret")


# -- recorded payloads


def recorded(corpus: Corpus, summaries: str, positions: str | None = None) -> Payloads:
    held = {"result": []} if positions is None else corpus(positions)
    return {"summaries": corpus(summaries), "positions": held}


@pytest.mark.parametrize("source", ["deribitdocs", "nautilus"])
def test_a_segregated_currency_keeps_the_venues_ratio(corpus: Corpus, source: str) -> None:
    snapshot = VENUE.parse(recorded(corpus, f"deribit/account-summaries__{source}.json"), NOTHING, NOW)
    pool = pool_named(snapshot, "cross:BTC")
    assert (pool.currency, pool.equity) == ("BTC", D("302.62729214"))
    assert (pool.maintenance_margin, pool.option_equity_counts) == (D("0.8857841"), False)
    assert pool.reported_ratio == D("0.8857841") / D("302.62729214")
    assert pool_named(snapshot, "cross:ETH").state is PoolState.FLAT
    assert (snapshot.mode, snapshot.warnings) == ("segregated_sm", ())


def test_a_recorded_position_is_sized_in_its_coin(corpus: Corpus) -> None:
    told = recorded(corpus, "deribit/account-summaries__deribitdocs.json", "deribit/positions__deribitdocs.json")
    snapshot = VENUE.parse(told, NOTHING, NOW)
    position = pool_named(snapshot, "cross:BTC").positions[0]
    assert (position.symbol, position.side, position.contracts) == ("BTC/USD:BTC", Side.LONG, D(50))
    assert gap(position.notional, D("0.006687487")) < D("1e-6")
    assert (position.coin_settled, position.liquidation_price) == (True, D("1.74"))
    assert snapshot.margin_ratio == D("0.8857841") / D("302.62729214")


# -- payloads of the loopback venue, without the network


def test_a_currency_that_holds_nothing_makes_no_pool() -> None:
    snapshot = parsed(holding("segregated_sm", LONG))
    assert [pool.name for pool in snapshot.pools] == ["cross:BTC", "cross:USDC"]
    assert [pool.state for pool in snapshot.pools] == [PoolState.OK, PoolState.FLAT]
    assert parsed(holding("segregated_sm", balances={})).pools == ()


def test_a_flat_cross_account_is_one_flat_pool() -> None:
    snapshot = parsed(holding("cross_sm"))
    assert [(pool.name, pool.state, pool.equity) for pool in snapshot.pools] == [("cross", PoolState.FLAT, D(80000))]


@pytest.mark.parametrize("model", MODELS)
def test_the_model_says_whether_scenarios_or_positions_are_margined(model: str) -> None:
    pool = parsed(holding(model, LONG)).pools[0]
    assert pool.margin_mode is (MarginMode.PORTFOLIO if model.endswith("pm") else MarginMode.CROSS)
    assert pool.currency == ("USD" if model.startswith("cross") else "BTC")


def test_a_cross_account_is_kept_in_dollars_with_its_coins_as_collateral() -> None:
    pool = parsed(holding("cross_pm", LONG, LINEAR, SHORT_PUT)).pools[0]
    assert [position.notional for position in pool.positions] == [D(60000), D(30000), D(120000)]
    assert not any(position.coin_settled for position in pool.positions)
    put = pool.positions[2]
    assert put.option is not None
    assert not put.option.is_call
    assert (put.option.strike, put.option.underlying_price) == (D(50000), D(60000))
    assert put.option.expires_at == datetime(2027, 12, 31, 8, tzinfo=UTC)
    assert [(entry.asset, round(entry.value)) for entry in pool.collateral] == [("BTC", 60000)]  # without the option
    assert [round(entry.per_coin or 0) for entry in pool.collateral] == [60000]


def test_the_dollar_rate_of_a_coin_without_positions_follows_from_the_totals() -> None:
    pool = parsed(holding("cross_sm", LINEAR, balances={**HOLDINGS, "ETH": D(4)})).pools[0]
    values = {entry.asset: float(entry.value) for entry in pool.collateral}
    assert values == pytest.approx({"BTC": 60000, "ETH": 12000}, rel=1e-6)


def test_segregated_options_are_kept_in_the_coin() -> None:
    pool = parsed(holding("segregated_sm", SHORT_PUT)).pools[0]
    assert (pool.positions[0].notional, pool.positions[0].coin_settled) == (D(2), True)
    assert pool.positions[0].side is Side.SHORT


@pytest.mark.parametrize("position", [LONG, SHORT])
def test_room_ends_at_the_venues_own_liquidation_price(position: DeribitPosition) -> None:
    pool = parsed(holding("segregated_sm", position, balances={"BTC": D("0.2")})).pools[0]
    liquidation = pool.positions[0].liquidation_price
    room = room_of(pool, {}, NOW).scenarios[0].room
    assert liquidation is not None
    assert room is not None
    assert 60000 * (1 + room) == pytest.approx(float(liquidation), rel=1e-3)


@pytest.mark.parametrize("model", ["cross_sm", "segregated_sm"])
def test_room_ends_where_the_requirement_meets_the_balance(model: str) -> None:
    account = holding(model, LONG, LINEAR, balances={"BTC": D("0.2"), "USDC": D(3000)})
    pool = parsed(account).pools[0]
    move = room_of(pool, {}, NOW).scenarios[0].room
    assert move is not None
    moved = book_of(account, {**PRICES, "BTC": PRICES["BTC"] * D(1 + move)})
    venue = moved.cross_usd() if model == "cross_sm" else moved.segregated("BTC")
    assert pool.equity is not None
    assert abs(venue.margin_balance - venue.mm) < pool.equity * D("0.025")


def test_names_alone_give_symbol_settlement_and_terms() -> None:
    positions = [
        {"instrument_name": name, "direction": "buy", "size": 1, "mark_price": 2, "index_price": 2}
        for name in ("BTC-PERPETUAL", "ETH_USDC-27JUN25", "BTC-31DEC27-50000-P", "XRP_USDC-30MAY25-2d5-C")
    ]
    snapshot = VENUE.parse(
        answers(payloads(holding("cross_pm"))["summaries"]["result"]["summaries"], positions), NOTHING, NOW
    )
    held = snapshot.pools[0].positions
    assert [p.symbol for p in held] == [
        "BTC/USD:BTC",
        "ETH/USDC:USDC-250627",
        "BTC/USD:BTC-271231-50000-P",
        "XRP/USDC:USDC-250530-2.5-C",
    ]
    assert held[3].option is not None
    assert (held[3].option.strike, held[3].option.is_call) == (D("2.5"), True)


def test_a_loaded_market_comes_before_the_name() -> None:
    market = Instrument(symbol="X/USD:X", underlying="X", settle="BTC", contract_size=D(10))
    snapshot = parsed(holding("segregated_sm", LONG), Reference(instruments={"BTC-PERPETUAL": market}))
    assert snapshot.pools[0].positions[0].symbol == "X/USD:X"


def test_positions_without_a_summary_are_unknown_not_calm() -> None:
    told = payloads(holding("segregated_sm", LONG))
    told["summaries"]["result"]["summaries"] = []
    snapshot = VENUE.parse(told, NOTHING, NOW)
    assert snapshot.state is PoolState.UNKNOWN
    assert any("no summary in BTC" in warning for warning in snapshot.warnings)


def test_without_totals_a_stablecoins_row_stands_for_dollars_with_a_warning() -> None:
    told = payloads(holding("cross_sm", LONG))
    for row in told["summaries"]["result"]["summaries"]:
        del row["total_maintenance_margin_usd"]
    snapshot = VENUE.parse(told, NOTHING, NOW)
    assert gap(snapshot.margin_ratio, book_of(holding("cross_sm", LONG)).margin_ratio("cross")) < D("0.001")
    assert any("no totals in USD" in warning for warning in snapshot.warnings)


def test_without_totals_or_a_stablecoin_the_account_is_unknown() -> None:
    told = payloads(holding("cross_sm", LONG))
    told["summaries"]["result"]["summaries"] = told["summaries"]["result"]["summaries"][:1]
    del told["summaries"]["result"]["summaries"][0]["total_maintenance_margin_usd"]
    assert VENUE.parse(told, NOTHING, NOW).state is PoolState.UNKNOWN


def test_a_position_without_direction_is_refused() -> None:
    told = payloads(holding("segregated_sm", LONG))
    told["positions"]["result"][0]["direction"] = "sideways"
    with pytest.raises(BadPayload):
        VENUE.parse(told, NOTHING, NOW)


def test_a_closed_position_is_left_out() -> None:
    told = payloads(holding("segregated_sm"))
    told["positions"]["result"] = [{"instrument_name": "BTC-PERPETUAL", "direction": "zero", "size": 0}]
    assert VENUE.parse(told, NOTHING, NOW).state is PoolState.FLAT


# -- the real client against the loopback venue


@pytest.mark.parametrize("model", MODELS)
async def test_every_model_agrees_with_the_venue_as_prices_move(model: str) -> None:
    server = DeribitServer([holding(model, SHORT, LINEAR, SHORT_PUT, LONG_CALL)])
    pools = ["cross"] if model.startswith("cross") else ["cross:BTC", "cross:USDC"]
    async with reading("deribit", server) as reader:
        for btc in (60000, 66000, 52000):
            server.set_price("BTC", btc)
            snapshot = await reader.read("deribit", CREDENTIAL, clock())
            assert [pool.name for pool in snapshot.pools] == pools
            assert snapshot.mode == model
            assert snapshot.warnings == ()
            for name in pools:
                assert gap(pool_named(snapshot, name).margin_ratio, server.margin_ratio(name)) < TOLERANCE


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"refusal": 10028}, RateLimited, "limiting requests"),
        ({"refusal": 10041}, VenueDown, "does not answer"),
        ({"client_secret": "another"}, KeyRefused, "Client Secret"),
        ({"scope": "account:read trade:none"}, NoPermission, "trade: read"),
    ],
)
async def test_refusals_carry_advice(fields: dict[str, Any], error: type[ReadingError], words: str) -> None:
    async with reading("deribit", DeribitServer([holding("segregated_sm", LONG, **fields)])) as reader:
        with pytest.raises(error) as caught:
            await reader.read("deribit", CREDENTIAL, clock())
    assert words in caught.value.advice


async def test_a_wrong_clock_does_not_cost_the_key() -> None:
    server = DeribitServer([holding("segregated_sm", LONG)])
    server.faults.clock_offset_ms = 120_000
    async with reading("deribit", server) as reader:
        with pytest.raises(ClockSkew):
            await reader.read("deribit", CREDENTIAL, clock())


async def test_losses_beyond_the_balance_are_a_deficit() -> None:
    server = DeribitServer([holding("segregated_sm", LONG, balances={"BTC": D("0.1")})])
    async with reading("deribit", server) as reader:
        server.set_price("BTC", 50000)
        snapshot = await reader.read("deribit", CREDENTIAL, clock())
    assert snapshot.state is PoolState.DEFICIT
