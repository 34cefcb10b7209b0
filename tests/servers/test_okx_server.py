"""The real ccxt client reads the simulated OKX, and the numbers it carries obey OKX's rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import pytest

from tests.servers.base import point_at, wall_clock_ms
from tests.servers.okx import OkxAccount, OkxPosition, OkxServer
from tests.servers.quotes import Candle

D = Decimal
LONG = OkxPosition(inst_id="BTC-USDT-SWAP", pos=D(100), avg_px=D(60000))  # 1 BTC
ISOLATED_SHORT = OkxPosition(inst_id="ETH-USDT-SWAP", pos=D(-100), avg_px=D(3000), mgn_mode="isolated")
COIN_LONG = OkxPosition(inst_id="BTC-USD-SWAP", pos=D(600), avg_px=D(60000))  # 60 000 USD, held in BTC


@asynccontextmanager
async def reading(server: OkxServer, **credentials: str) -> AsyncIterator[Any]:
    account = server.accounts[0]
    config = {"apiKey": account.key, "secret": account.secret, "password": account.passphrase} | credentials
    async with server:
        client = point_at(ccxt.okx({**config, "enableRateLimit": False}), server.url)
        client.timeout_on_exit = 0
        try:
            yield client
        finally:
            await client.close()


def account(*positions: OkxPosition, **fields: Any) -> OkxAccount:
    return OkxAccount(positions=list(positions), **fields)


async def test_markets_carry_their_contract_sizes() -> None:
    async with reading(OkxServer()) as client:
        markets = await client.load_markets()
    assert markets["BTC/USDT:USDT"]["contractSize"] == 0.01
    assert markets["BTC/USD:BTC"]["inverse"] is True
    assert markets["BTC/USD:BTC-271231"]["expiry"] == 1830240000000
    assert markets["BTC/USD:BTC-271231-100000-C"]["strike"] == 100000
    assert markets["ETH/USDT"]["spot"] is True


async def test_futures_mode_keeps_a_pool_for_each_currency() -> None:
    holdings = {"USDT": D(10000), "BTC": D("0.5")}
    server = OkxServer([account(LONG, COIN_LONG, balances=holdings)])
    async with reading(server) as client:
        server.set_price("BTC", 57000)
        balance = await client.fetch_balance()
    row = balance["info"]["data"][0]
    usdt, btc = row["details"]
    assert (row["adjEq"], row["mgnRatio"], row["mmr"]) == ("", "", "")
    assert usdt["mgnRatio"] == "27.290448343079922"  # 7000 / (228 + 28.5)
    assert (usdt["eq"], usdt["mmr"]) == ("7000", "228")
    assert 1 / D(usdt["mgnRatio"]) == pytest.approx(server.margin_ratio("cross:USDT"))
    assert 1 / D(btc["mgnRatio"]) == pytest.approx(server.margin_ratio("cross:BTC"))
    assert balance["USDT"]["total"] == 7000


@pytest.mark.parametrize("mode", ["3", "4"])
async def test_account_modes_keep_one_pool_in_usd(mode: Any) -> None:
    holdings = {"USDT": D(10000), "BTC": D("0.1")}
    server = OkxServer([account(LONG, balances=holdings, acct_lv=mode)])
    async with reading(server) as client:
        row = (await client.privateGetAccountBalance())["data"][0]
        position = (await client.privateGetAccountPositions())["data"][0]
    assert row["adjEq"] == "15880"  # BTC counts at 98 %
    assert row["details"][0]["mgnRatio"] == ""
    assert position["mgnRatio"] == row["mgnRatio"]
    assert D(row["adjEq"]) / (D(row["mmr"]) + D(row["notionalUsd"]) * D("0.0005")) == pytest.approx(D(row["mgnRatio"]))
    assert 1 / D(row["mgnRatio"]) == pytest.approx(server.margin_ratio("cross"))


async def test_portfolio_mode_nets_what_multi_currency_mode_adds() -> None:
    hedge = OkxPosition(inst_id="BTC-USDT-271231", pos=D(-90), avg_px=D(60000))
    portfolio = OkxServer([account(LONG, hedge, acct_lv="4")])
    alone = OkxServer([account(LONG, acct_lv="4")])
    assert portfolio.margin_ratio("cross") < alone.margin_ratio("cross")


@pytest.mark.parametrize(
    ("position", "pool", "holdings"),
    [
        pytest.param(LONG, "cross:USDT", {"USDT": D(10000)}, id="cross linear long"),
        pytest.param(COIN_LONG, "cross:BTC", {"BTC": D("0.2")}, id="cross coin-margined long"),
        pytest.param(ISOLATED_SHORT, "isolated:ETH-USDT-SWAP:short", {"USDT": D(0)}, id="isolated linear short"),
    ],
)
async def test_the_ratio_is_one_at_the_liquidation_price(
    position: OkxPosition, pool: str, holdings: dict[str, Decimal]
) -> None:
    server = OkxServer([account(position, balances=holdings)])
    async with reading(server) as client:
        quoted = (await client.fetch_positions())[0]
        server.set_price(position.inst_id, quoted["info"]["liqPx"])
        row = (await client.privateGetAccountPositions())["data"][0]
    assert server.margin_ratio(pool) == pytest.approx(D(1))
    assert D(row["mgnRatio"]) == pytest.approx(D(1))


async def test_a_larger_position_pays_the_rate_of_its_tier() -> None:
    small, large = (OkxPosition(inst_id="BTC-USDT-SWAP", pos=D(n), avg_px=D(60000)) for n in (1000, 1001))
    server = OkxServer([account(small, key="a"), account(large, key="b")])
    async with server:
        rates = [server.market.instruments["BTC-USDT-SWAP"].tier(p.pos).mmr for p in (small, large)]
    assert rates == [D("0.004"), D("0.005")]
    assert server.margin_ratio("cross:USDT", server.accounts[1]) > server.margin_ratio("cross:USDT")


async def test_losses_beyond_the_collateral_are_infinitely_bad() -> None:
    server = OkxServer([account(LONG)])
    server.set_price("BTC", 49000)
    assert server.margin_ratio("cross:USDT") == D("Infinity")


@pytest.mark.parametrize(("mode", "side", "size"), [("net_mode", "net", "-100"), ("long_short_mode", "short", "100")])
async def test_position_modes_sign_a_short_differently(mode: Any, side: str, size: str) -> None:
    async with reading(OkxServer([account(ISOLATED_SHORT, pos_mode=mode)])) as client:
        position = (await client.fetch_positions())[0]
    assert (position["info"]["posSide"], position["info"]["pos"]) == (side, size)
    assert (position["side"], position["contracts"]) == ("short", 100)
    assert position["marginMode"] == "isolated"


async def test_config_tells_mode_and_permissions() -> None:
    server = OkxServer([account(acct_lv="3", perm="read_only,trade", ip="127.0.0.1")])
    async with reading(server) as client:
        config = (await client.privateGetAccountConfig())["data"][0]
        risk = (await client.privateGetAccountAccountPositionRisk())["data"][0]
    assert (config["acctLv"], config["perm"], config["ip"]) == ("3", "read_only,trade", "127.0.0.1")
    assert risk["balData"][0]["eq"] == "10000"


async def test_candles_and_marks_follow_the_price() -> None:
    server = OkxServer()
    async with reading(server) as client:
        server.set_price("BTC", 50000)
        candles = await client.fetch_ohlcv("BTC/USDT:USDT", "1h", limit=48)
        since = wall_clock_ms() - 10 * 86_400_000
        days = await client.fetch_ohlcv("BTC/USDT:USDT", "1d", since=since, params={"price": "mark"})
        mark = (await client.publicGetPublicMarkPrice({"instType": "SWAP", "instId": "BTC-USDT-SWAP"}))["data"]
        tickers = await client.fetch_tickers(["BTC/USDT:USDT"])
        tiers = await client.fetch_market_leverage_tiers("BTC/USDT:USDT")
    assert len(candles) == 48
    assert candles[0][0] < candles[-1][0]
    assert all(49900 < value < 50100 for row in candles for value in row[1:5])
    assert len(days) in (10, 11)
    assert mark[0]["markPx"] == "50000"
    assert tickers["BTC/USDT:USDT"]["last"] == 50000
    assert tiers[0]["maintenanceMarginRate"] == 0.004


async def test_candles_come_from_the_given_source() -> None:
    def falling(inst_id: str, opens_at: int, step_ms: int) -> Candle | None:
        return Candle(D(9), D(9), D(5), D(5), D(1)) if opens_at % 7_200_000 == 0 else None

    async with reading(OkxServer(candles=falling)) as client:
        candles = await client.fetch_ohlcv("BTC/USDT:USDT", "1h", limit=10)
    assert len(candles) == 5
    assert candles[0][1:5] == [9, 9, 5, 5]


@pytest.mark.parametrize(
    ("credentials", "error", "code"),
    [
        ({"apiKey": "wrong"}, ccxt.AuthenticationError, "50111"),
        ({"secret": "wrong"}, ccxt.AuthenticationError, "50113"),
        ({"password": "wrong"}, ccxt.AuthenticationError, "50105"),
    ],
)
async def test_wrong_credentials(credentials: dict[str, str], error: type[Exception], code: str) -> None:
    async with reading(OkxServer(), **credentials) as client:
        with pytest.raises(error, match=code):
            await client.privateGetAccountConfig()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("50114", ccxt.AuthenticationError),
        ("50011", ccxt.RateLimitExceeded),
        ("50001", ccxt.OnMaintenance),
        ("50110", ccxt.PermissionDenied),
    ],
)
async def test_refusals_arrive_as_their_ccxt_errors(code: str, error: type[Exception]) -> None:
    async with reading(OkxServer([account(refusal=code)])) as client:
        with pytest.raises(error, match=code):
            await client.privateGetAccountConfig()


async def test_an_address_outside_the_allow_list_is_refused() -> None:
    async with reading(OkxServer([account(ip="203.0.113.7")])) as client:
        with pytest.raises(ccxt.PermissionDenied, match="50110"):
            await client.privateGetAccountBalance()


@pytest.mark.parametrize(("offset_ms", "accepted"), [(29_000, True), (-31_000, False), (31_000, False)])
async def test_requests_live_thirty_seconds(offset_ms: int, accepted: bool) -> None:
    server = OkxServer()
    server.faults.clock_offset_ms = offset_ms
    async with reading(server) as client:
        if accepted:
            await client.privateGetAccountConfig()
            return
        with pytest.raises(ccxt.InvalidNonce, match="50102"):
            await client.privateGetAccountConfig()


async def test_each_key_reads_its_own_account() -> None:
    other = account(key="other", secret="s", passphrase="p", balances={"USDC": D(5)})
    server = OkxServer([account(), other])
    async with reading(server, apiKey="other", secret="s", password="p") as client:
        balance = await client.fetch_balance()
    assert balance["total"] == {"USDC": 5}
