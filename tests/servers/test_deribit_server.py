"""The real ccxt client reads the simulated Deribit, and the numbers it carries obey Deribit's rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import pytest

from tests.servers.base import point_at, wall_clock_ms
from tests.servers.deribit import DeribitAccount, DeribitPosition, DeribitServer
from tests.servers.quotes import Candle

D = Decimal
LONG = DeribitPosition(instrument="BTC-PERPETUAL", size=D(60000), average_price=D(60000))  # 1 BTC
LINEAR_SHORT = DeribitPosition(instrument="BTC_USDC-PERPETUAL", size=D(-1), average_price=D(60000))
SHORT_PUT = DeribitPosition(instrument="BTC-31DEC27-50000-P", size=D(-2), average_price=D("0.05"))
LONG_CALL = DeribitPosition(instrument="BTC-31DEC27-100000-C", size=D(3), average_price=D("0.04"))


@asynccontextmanager
async def reading(server: DeribitServer, **credentials: str) -> AsyncIterator[Any]:
    account = server.accounts[0]
    config = {"apiKey": account.client_id, "secret": account.client_secret} | credentials
    async with server:
        client = point_at(ccxt.deribit({**config, "enableRateLimit": False}), server.url)
        client.timeout_on_exit = 0
        try:
            yield client
        finally:
            await client.close()


def account(*positions: DeribitPosition, **fields: Any) -> DeribitAccount:
    return DeribitAccount(positions=list(positions), **fields)


async def summaries(client: Any) -> dict[str, Any]:
    rows = (await client.privateGetGetAccountSummaries())["result"]["summaries"]
    return {row["currency"]: row for row in rows}


async def test_markets_tell_inverse_linear_and_options_apart() -> None:
    async with reading(DeribitServer()) as client:
        markets = await client.load_markets()
    assert markets["BTC/USD:BTC"]["inverse"] is True
    assert markets["BTC/USDC:USDC"]["linear"] is True
    assert markets["BTC/USD:BTC-271231-50000-P"]["strike"] == 50000
    assert markets["BTC/USD:BTC-271231"]["expiry"] == 1830240000000


async def test_a_segregated_account_has_a_ratio_for_each_currency() -> None:
    server = DeribitServer([account(LONG, LINEAR_SHORT, balances={"BTC": D(1), "USDC": D(10000)})])
    async with reading(server) as client:
        server.set_price("BTC", 62000)
        rows = await summaries(client)
        balance = await client.fetch_balance()
    assert rows["BTC"]["margin_model"] == "segregated_sm"
    assert rows["USDC"]["margin_balance"] == 8000
    assert rows["USDC"]["maintenance_margin"] == 62000 * (0.01 + 0.00005)
    assert "total_maintenance_margin_usd" not in rows["BTC"]
    for currency, row in rows.items():
        expected = float(server.margin_ratio(f"cross:{currency}"))
        assert row["maintenance_margin"] == pytest.approx(row["margin_balance"] * expected, rel=1e-6)
    assert balance["USDC"]["total"] == 8000


async def test_standard_margin_leaves_option_value_out_of_the_margin_balance() -> None:
    server = DeribitServer([account(SHORT_PUT, LONG_CALL)])
    async with reading(server) as client:
        row = (await summaries(client))["BTC"]
    assert row["margin_balance"] == pytest.approx(row["equity"] - row["options_value"])
    assert row["available_funds"] == pytest.approx(row["margin_balance"] - row["initial_margin"])
    assert row["options_value"] != 0


async def test_a_short_put_owes_its_mark_and_the_floor() -> None:
    server = DeribitServer([account(SHORT_PUT)])
    server.set_price("BTC-31DEC27-50000-P", "0.08")
    async with reading(server) as client:
        put = (await client.privateGetGetPositions())["result"][0]
        parsed = (await client.fetch_positions())[0]
    assert (put["kind"], put["direction"], put["size"], put["mark_price"]) == ("option", "sell", -2.0, 0.08)
    assert put["maintenance_margin"] == pytest.approx(2 * (0.075 + 0.08))
    assert put["total_profit_loss"] == pytest.approx(-2 * 0.03)
    assert put["delta"] > 0
    assert (put["gamma"] < 0, put["vega"] < 0, put["theta"] > 0) == (True, True, True)
    assert parsed["side"] == "short"


@pytest.mark.parametrize("model", ["cross_sm", "cross_pm"])
async def test_every_row_of_a_cross_account_shows_the_same_account(model: Any) -> None:
    holdings = {"BTC": D("0.5"), "USDC": D(20000)}
    server = DeribitServer([account(LONG, SHORT_PUT, LINEAR_SHORT, balances=holdings, margin_model=model)])
    async with reading(server) as client:
        rows = await summaries(client)
    expected = float(server.margin_ratio("cross"))
    for row in rows.values():
        total = row["total_maintenance_margin_usd"] / row["total_margin_balance_usd"]
        assert total == pytest.approx(expected, rel=1e-9)
        assert row["maintenance_margin"] / row["margin_balance"] == pytest.approx(expected, rel=1e-6)
    assert rows["BTC"]["cross_collateral_enabled"] is True
    assert rows["BTC"]["portfolio_margining_enabled"] is (model == "cross_pm")


async def test_portfolio_margin_nets_a_hedge() -> None:
    hedged = DeribitServer([account(LONG, LINEAR_SHORT, margin_model="cross_pm")])
    naked = DeribitServer([account(LONG, margin_model="cross_pm")])
    assert hedged.margin_ratio("cross") < naked.margin_ratio("cross") / 4


async def test_portfolio_margin_counts_bought_options_but_charges_their_loss() -> None:
    server = DeribitServer([account(LONG_CALL, margin_model="segregated_pm", balances={"BTC": D("0.1")})])
    async with reading(server) as client:
        row = (await summaries(client))["BTC"]
    assert row["margin_balance"] == row["equity"]
    assert 0 < row["maintenance_margin"] <= row["options_value"]


async def test_the_ratio_is_one_at_the_estimated_liquidation_price() -> None:
    server = DeribitServer([account(LONG, balances={"BTC": D("0.2")})])
    async with reading(server) as client:
        position = (await client.fetch_positions())[0]
        ratio = (await summaries(client))["BTC"]["estimated_liquidation_ratio"]
    assert position["liquidationPrice"] == pytest.approx(60000 * ratio, abs=0.01)
    server.set_price("BTC", str(position["liquidationPrice"]))
    assert server.margin_ratio("cross:BTC") == pytest.approx(D(1), rel=D("1e-5"))


async def test_only_profit_since_the_last_settlement_floats() -> None:
    settled = DeribitPosition(instrument="BTC-PERPETUAL", size=D(-60000), average_price=D(66000), settled_at=D(61000))
    async with reading(DeribitServer([account(settled)])) as client:
        position = (await client.fetch_positions())[0]
    assert position["unrealizedPnl"] == position["info"]["floating_profit_loss"]
    assert 0 < position["info"]["floating_profit_loss"] < position["info"]["total_profit_loss"]
    assert position["contracts"] < 0  # as ccxt reads a short here


async def test_losses_beyond_the_balance_are_infinitely_bad() -> None:
    server = DeribitServer([account(LONG, balances={"BTC": D("0.1")})])
    server.set_price("BTC", 50000)
    assert server.margin_ratio("cross:BTC") == D("Infinity")


async def test_candles_and_prices_follow_the_mark() -> None:
    server = DeribitServer()
    async with reading(server) as client:
        server.set_price("BTC", 50000)
        candles = await client.fetch_ohlcv("BTC/USD:BTC", "1h", limit=48)
        since = wall_clock_ms() - 10 * 86_400_000
        days = await client.fetch_ohlcv("BTC/USD:BTC", "1d", since=since)
        ticker = await client.fetch_ticker("BTC/USD:BTC")
        put = (await client.publicGetTicker({"instrument_name": "BTC-31DEC27-50000-P"}))["result"]
        index = (await client.publicGetGetIndexPrice({"index_name": "btc_usd"}))["result"]
        now = await client.fetch_time()
    assert len(candles) in (47, 48)
    assert all(49900 < value < 50100 for row in candles for value in row[1:5])
    assert len(days) in (10, 11)
    assert ticker["info"]["mark_price"] == index["index_price"] == 50000
    assert 0 < put["mark_price"] < 1
    assert -1 < put["greeks"]["delta"] < 0
    assert abs(now - wall_clock_ms()) < 5000


async def test_candles_come_from_the_given_source() -> None:
    def falling(name: str, opens_at: int, step_ms: int) -> Candle | None:
        return Candle(D(9), D(9), D(5), D(5), D(1))

    async with reading(DeribitServer(candles=falling)) as client:
        candles = await client.fetch_ohlcv("BTC/USD:BTC", "1h", limit=3)
    assert candles[0][1:5] == [9, 9, 5, 5]


async def test_the_scope_of_a_key_is_told_and_kept() -> None:
    server = DeribitServer([account(scope="account:read trade:none wallet:none")])
    async with reading(server) as client:
        grant = {"grant_type": "client_credentials", "client_id": "deribit-id"}
        granted = (await client.publicGetAuth({**grant, "client_secret": "deribit-secret"}))["result"]
        with pytest.raises(ccxt.AuthenticationError, match="13004"):
            await client.publicGetAuth({**grant, "client_secret": "wrong"})
        await client.privateGetGetAccountSummary({"currency": "BTC"})
        with pytest.raises(ccxt.PermissionDenied, match="13021"):
            await client.privateGetGetPositions()
    assert granted["scope"] == "account:read trade:none wallet:none"


@pytest.mark.parametrize("credentials", [{"apiKey": "wrong"}, {"secret": "wrong"}])
async def test_wrong_credentials(credentials: dict[str, str]) -> None:
    async with reading(DeribitServer(), **credentials) as client:
        with pytest.raises(ccxt.AuthenticationError, match="13004"):
            await client.privateGetGetAccountSummaries()


@pytest.mark.parametrize(("offset_ms", "accepted"), [(59_000, True), (-61_000, False), (61_000, False)])
async def test_signatures_live_a_minute(offset_ms: int, accepted: bool) -> None:
    server = DeribitServer()
    server.faults.clock_offset_ms = offset_ms
    async with reading(server) as client:
        if accepted:
            await client.privateGetGetPositions()
            return
        with pytest.raises(ccxt.AuthenticationError, match="13009"):
            await client.privateGetGetPositions()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (10028, ccxt.DDoSProtection),
        (11051, ccxt.OnMaintenance),
        (13021, ccxt.PermissionDenied),
    ],
)
async def test_refusals_arrive_as_their_ccxt_errors(code: int, error: type[Exception]) -> None:
    async with reading(DeribitServer([account(refusal=code)])) as client:
        with pytest.raises(error, match=str(code)):
            await client.privateGetGetPositions()


async def test_each_key_reads_its_own_account() -> None:
    other = account(client_id="other", client_secret="s", balances={"ETH": D(5)})
    server = DeribitServer([account(), other])
    async with reading(server, apiKey="other", secret="s") as client:
        balance = await client.fetch_balance()
    assert (balance["ETH"]["total"], balance["BTC"]["total"]) == (5, 0)
