"""The real ccxt client reads the simulated Hyperliquid, and the numbers obey Hyperliquid's rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import pytest

from tests.servers.base import Reply, point_at
from tests.servers.hyperliquid import HyperliquidAccount, HyperliquidPosition, HyperliquidServer
from tests.servers.quotes import Candle

D = Decimal
LONG = HyperliquidPosition(coin="BTC", size=D(1), entry_price=D(60000))
SHORT = HyperliquidPosition(coin="ETH", size=D(-10), entry_price=D(3000), isolated=True)
FOREIGN = HyperliquidPosition(coin="xyz:XYZ100", size=D("0.5"), entry_price=D(25000))


@asynccontextmanager
async def reading(server: HyperliquidServer, address: str | None = None) -> AsyncIterator[Any]:
    wallet = address or server.accounts[0].address
    async with server:
        client = point_at(ccxt.hyperliquid({"walletAddress": wallet, "enableRateLimit": False}), server.url)
        client.timeout_on_exit = 0
        try:
            yield client
        finally:
            await client.close()


def account(*positions: HyperliquidPosition, **fields: Any) -> HyperliquidAccount:
    return HyperliquidAccount(positions=list(positions), **fields)


async def state_of(client: Any, kind: str = "clearinghouseState", **more: str) -> Any:
    return await client.publicPostInfo({"type": kind, "user": client.walletAddress, **more})


async def test_markets_of_perpetuals_spot_and_builder_dexes() -> None:
    async with reading(HyperliquidServer()) as client:
        markets = await client.load_markets()
    assert markets["BTC/USDC:USDC"]["limits"]["leverage"]["max"] == 40
    assert markets["XYZ-XYZ100/USDC:USDC"]["swap"] is True
    assert markets["PURR/USDC"]["spot"] is True


async def test_cross_state_and_positions() -> None:
    server = HyperliquidServer([account(LONG, SHORT)])
    async with reading(server) as client:
        server.set_price("BTC", 58000)
        state = await state_of(client)
        balance = await client.fetch_balance()
        long, short = await client.fetch_positions()
    cross = state["crossMarginSummary"]
    assert cross["accountValue"] == "8000.0"
    assert state["crossMaintenanceMarginUsed"] == "725.0"  # 58 000 / 80
    assert D(cross["accountValue"]) == D(cross["totalRawUsd"]) + 58000
    assert state["marginSummary"]["accountValue"] == "11000.0"  # with the isolated 3000
    assert server.margin_ratio("cross") == D(725) / D(8000)
    assert balance["USDC"]["total"] == 11000
    assert (long["side"], long["marginMode"], short["side"], short["marginMode"]) == (
        "long",
        "cross",
        "short",
        "isolated",
    )


async def test_an_isolated_position_stands_on_its_own_margin() -> None:
    server = HyperliquidServer([account(SHORT)])
    async with reading(server) as client:
        server.set_price("ETH", 3100)
        entry = (await state_of(client))["assetPositions"][0]["position"]
    assert entry["leverage"] == {"type": "isolated", "value": 10, "rawUsd": "33000.0"}
    assert entry["marginUsed"] == "2000.0"  # rawUsd - 10 * 3100
    assert server.margin_ratio("isolated:ETH") == D(31000) / 50 / 2000


@pytest.mark.parametrize(
    ("position", "pool"),
    [
        pytest.param(LONG, "cross", id="cross"),
        pytest.param(SHORT, "isolated:ETH", id="isolated"),
        pytest.param(HyperliquidPosition(coin="BTC", size=D(3000), entry_price=D(60000)), "cross", id="upper tier"),
    ],
)
async def test_the_ratio_is_one_at_the_liquidation_price(position: HyperliquidPosition, pool: str) -> None:
    cash = {"": abs(position.size) * position.entry_price / 20}
    server = HyperliquidServer([account(position, cash=cash)])
    async with reading(server) as client:
        quoted = (await client.fetch_positions())[0]["info"]["position"]["liquidationPx"]
    server.set_price(position.coin, quoted)
    assert server.margin_ratio(pool) == pytest.approx(D(1))


async def test_a_tier_charges_only_what_lies_above_it() -> None:
    bitcoin = HyperliquidServer().market.coins["BTC"]
    rate, deduction = bitcoin.maintenance(D(200_000_000))
    assert rate * 200_000_000 - deduction == D(150_000_000) / 80 + D(50_000_000) / 40


async def test_losses_beyond_the_equity_are_infinitely_bad() -> None:
    server = HyperliquidServer([account(LONG)])
    server.set_price("BTC", 49000)
    assert server.margin_ratio("cross") == D("Infinity")


async def test_each_dex_has_its_own_pool() -> None:
    server = HyperliquidServer([account(LONG, FOREIGN, cash={"": D(10000), "xyz": D(1000)})])
    async with reading(server) as client:
        own, foreign = await state_of(client), await state_of(client, dex="xyz")
        await client.load_markets()
        (position,) = await client.fetch_positions(["XYZ-XYZ100/USDC:USDC"])
    assert [p["position"]["coin"] for p in own["assetPositions"]] == ["BTC"]
    assert foreign["crossMaintenanceMarginUsed"] == "250.0"  # 12 500 / 50
    assert server.margin_ratio("cross:xyz") == D("0.25")
    assert position["symbol"] == "XYZ-XYZ100/USDC:USDC"


async def test_a_unified_account_backs_every_dex_from_spot() -> None:
    unified = account(LONG, FOREIGN, SHORT, abstraction="unifiedAccount", spot={"USDC": D(10000)})
    server = HyperliquidServer([unified])
    async with reading(server) as client:
        server.set_price("BTC", 59000)
        assert (await state_of(client, "userAbstraction")).strip('"') == "unifiedAccount"
        spot = await state_of(client, "spotClearinghouseState")
        dexes = [await state_of(client, dex=dex) for dex in ("", "xyz")]
        balance = await client.fetch_balance()
    total = D(spot["balances"][0]["total"])
    required = sum(D(state["crossMaintenanceMarginUsed"]) for state in dexes)
    assert total == 9000
    assert server.margin_ratio("cross") == required / (total - 3000)  # less the isolated margin
    assert balance["USDC"]["total"] == 9000


async def test_portfolio_margin_is_judged_against_its_own_trigger() -> None:
    holdings = {"USDC": D(1000), "UBTC": D("0.1")}
    server = HyperliquidServer([account(LONG, abstraction="portfolioMargin", spot=holdings)])
    async with reading(server) as client:
        spot = await state_of(client, "spotClearinghouseState")
    assert spot["portfolioMarginEnabled"] is True
    assert D(spot["portfolioMarginRatio"]) / D("0.95") == pytest.approx(server.margin_ratio("cross"))


async def test_candles_and_mids_follow_the_price() -> None:
    server = HyperliquidServer()
    async with reading(server) as client:
        server.set_price("BTC", 50000)
        candles = await client.fetch_ohlcv("BTC/USDC:USDC", "1h", limit=48)
        mids = await client.publicPostInfo({"type": "allMids"})
    assert len(candles) in (47, 48)
    assert all(49900 < value < 50100 for row in candles for value in row[1:5])
    assert (mids["BTC"], mids["PURR/USDC"]) == ("50000.0", "0.15")


async def test_candles_come_from_the_given_source() -> None:
    def falling(coin: str, opens_at: int, step_ms: int) -> Candle | None:
        return Candle(D(9), D(9), D(5), D(5), D(1))

    async with reading(HyperliquidServer(candles=falling)) as client:
        candles = await client.fetch_ohlcv("BTC/USDC:USDC", "1h", limit=3)
    assert candles[0][1:5] == [9, 9, 5, 5]


@pytest.mark.parametrize("address", ["0x123", "not an address", "0x" + "g" * 40])
async def test_a_malformed_address_is_unreadable(address: str) -> None:
    async with reading(HyperliquidServer(), address) as client:
        with pytest.raises(ccxt.ExchangeError, match=r"422 .*Failed to deserialize the JSON body"):
            await state_of(client)


async def test_an_unknown_address_is_empty_and_known_ones_have_a_role() -> None:
    sub = HyperliquidAccount(address="0x" + "2" * 40, name="sub", cash={"": D(7)})
    server = HyperliquidServer([account(sub_accounts=[sub])])
    async with reading(server, "0x" + "1" * 40) as client:
        state, role = await state_of(client), await state_of(client, "userRole")
        shouted = "0x" + server.accounts[0].address[2:].upper()
        subs = await client.publicPostInfo({"type": "subAccounts", "user": shouted})
        sub_role = await client.publicPostInfo({"type": "userRole", "user": sub.address})
    assert state["assetPositions"] == []
    assert state["crossMarginSummary"]["accountValue"] == "0.0"
    assert role == {"role": "missing"}
    assert subs[0]["clearinghouseState"]["withdrawable"] == "7.0"
    assert sub_role == {"role": "subAccount", "data": {"master": server.accounts[0].address}}


async def test_one_kind_of_question_can_fail_alone() -> None:
    server = HyperliquidServer()
    server.refusals["userAbstraction"] = Reply("null", 500)
    async with reading(server) as client:
        await state_of(client)
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await state_of(client, "userAbstraction")
    assert len(server.asked("userAbstraction")) == 1


async def test_the_rate_limit_is_told() -> None:
    server = HyperliquidServer()
    server.faults.add("rate_limited", times=1)
    async with reading(server) as client:
        with pytest.raises(ccxt.RateLimitExceeded):
            await state_of(client)
        await state_of(client)
