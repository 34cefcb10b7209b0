"""The loopback Bybit as the real ccxt client sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import pytest

from marginbot.sim.candles import Candle
from tests.servers.base import point_at, wall_clock_ms
from tests.servers.bybit import BybitServer
from tests.servers.bybit_book import BybitAccount, BybitMarket, Mode

D = Decimal
KEY = "aliceskey"
SECRET = "alicessecret"


def candles(symbol: str, start_ms: int, end_ms: int, limit: int) -> Sequence[Candle]:
    opens = range(-(-start_ms // 60_000) * 60_000, end_ms + 1, 60_000)
    return [Candle(at, D(10), D(12), D(9), D(11), D(1)) for at in opens][:limit]


def account_of(market: BybitMarket, mode: Mode = "REGULAR_MARGIN") -> BybitAccount:
    account = BybitAccount(market, {"USDT": D(10_000), "BTC": D(1)}, mode=mode)
    account.open("BTCUSDT", D(1))
    account.open("ETHPERP", D(-10))
    account.open("BTCUSD", D(-30_000))
    return account


@pytest.fixture
async def server() -> AsyncIterator[BybitServer]:
    async with BybitServer(candles=candles) as running:
        running.add_key(KEY, SECRET, account_of(running.market))
        yield running


def open_client(server: BybitServer, key: str = KEY, secret: str = SECRET) -> Any:
    settings = {"apiKey": key, "secret": secret, "enableRateLimit": False, "timeout": 5_000}
    made = point_at(ccxt.bybit(settings), server.url)
    made.number = Decimal
    return made


@pytest.fixture
async def client(server: BybitServer) -> AsyncIterator[Any]:
    async with open_client(server) as made:
        yield made


async def wallet(client: Any) -> Any:
    told = await client.privateGetV5AccountWalletBalance({"accountType": "UNIFIED"})
    return told["result"]["list"][0]


async def listed(client: Any, **params: Any) -> list[Any]:
    rows: list[Any] = (await client.privateGetV5PositionList(params))["result"]["list"]
    return rows


async def test_markets_of_all_four_kinds(client: Any) -> None:
    markets = await client.load_markets()
    assert set(markets) >= {"BTC/USDT", "BTC/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC"}
    option = markets["BTC/USDC:USDC-270625-80000-C"]
    assert (option["type"], option["optionType"], option["strike"]) == ("option", "call", D(80_000))
    assert markets["BTC/USD:BTC"]["inverse"] is True


async def test_cross_account_adds_up(client: Any) -> None:
    told = await wallet(client)
    # 1 x 60000 x 0.5 % + 10 x 3000 x 0.5 % + 0.5 BTC x 0.5 %, in dollars
    assert told["totalMaintenanceMargin"] == "600"
    assert told["totalMarginBalance"] == "67000"  # 10000 + 60000 x 0.95
    assert told["totalEquity"] == "70000"
    assert told["accountMMRate"] == "0.0089"  # 0.00895..., cut
    assert told["totalInitialMargin"] == "12000"
    assert told["totalAvailableBalance"] == "55000"
    assert {row["coin"]: row["totalPositionMM"] for row in told["coin"]} == {
        "USDT": "300",
        "BTC": "0.0025",
        "USDC": "150",
    }


async def test_balance_through_the_unified_method(server: BybitServer, client: Any) -> None:
    balance = await client.fetch_balance()
    assert (balance["USDT"]["total"], balance["BTC"]["total"]) == (D(10_000), D(1))
    assert client.options["enableUnifiedAccount"] is True
    assert server.seen("/v5/user/query-api")
    assert server.seen("/v5/account/info")


async def test_each_family_of_positions_is_asked_for_by_itself(client: Any) -> None:
    assert [p["symbol"] for p in await client.fetch_positions()] == ["BTC/USDT:USDT"]
    (usdc,) = await client.fetch_positions(None, {"settleCoin": "USDC"})
    (inverse,) = await client.fetch_positions(None, {"subType": "inverse"})
    assert (usdc["symbol"], usdc["side"]) == ("ETH/USDC:USDC", "short")
    assert (inverse["symbol"], inverse["side"], inverse["contracts"]) == ("BTC/USD:BTC", "short", D(30_000))
    assert await listed(client, category="option") == []


async def test_a_linear_list_needs_a_symbol_or_a_coin(client: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match="10001"):
        await listed(client, category="linear")


async def test_positions_come_in_pages(server: BybitServer, client: Any) -> None:
    account = server.keys[KEY].account
    for symbol in ("ETHUSDT", "SOLUSDT"):
        account.open(symbol, D(1))
    query: dict[str, Any] = {"category": "linear", "settleCoin": "USDT", "limit": 2}
    seen = []
    for _ in range(3):
        result = (await client.privateGetV5PositionList(query))["result"]
        seen.append([row["symbol"] for row in result["list"]])
        query["cursor"] = result["nextPageCursor"]
    assert seen == [["BTCUSDT", "ETHUSDT"], ["SOLUSDT"], []]
    assert query["cursor"] == ""


async def test_a_symbol_without_a_position_brings_an_empty_row(client: Any) -> None:
    (row,) = await listed(client, category="linear", symbol="SOLUSDT")
    assert (row["size"], row["side"], row["liqPrice"]) == ("0", "", "")


async def test_isolated_mode_blanks_the_account_and_keeps_the_coins(server: BybitServer) -> None:
    server.add_key("bob", "bobs", account_of(server.market, "ISOLATED_MARGIN"))
    async with open_client(server, "bob", "bobs") as bob:
        told = await wallet(bob)
        info = await bob.privateGetV5AccountInfo()
        (row,) = await listed(bob, category="linear", settleCoin="USDT")
    blank = ("accountMMRate", "accountIMRate", "totalMarginBalance", "totalMaintenanceMargin", "totalAvailableBalance")
    assert {told[name] for name in blank} == {""}
    assert told["coin"][0]["totalPositionMM"] == "300"
    assert info["result"]["marginMode"] == "ISOLATED_MARGIN"
    assert (row["positionIM"], row["positionMM"], row["positionBalance"]) == ("6000", "300", "")
    assert row["liqPrice"] == "54271.36"  # 54000 / 0.995


@pytest.mark.parametrize("symbol", ["BTCUSDT", "BTCUSD"])
@pytest.mark.parametrize("sign", [1, -1], ids=["long", "short"])
@pytest.mark.parametrize("mark", ["56500", "60000", "61500"])
def test_isolated_liquidation_price_gives_back_the_ratio(symbol: str, sign: int, mark: str) -> None:
    market = BybitMarket()
    account = BybitAccount(market, {"USDT": D(9_000), "BTC": D(1)}, mode="ISOLATED_MARGIN")
    size = D(30_000) if symbol == "BTCUSD" else D("0.4")
    position = account.open(symbol, sign * size, D(60_000))
    market.set_price(symbol, D(mark))

    m, rate, s = D(mark), D("0.005"), D(sign)
    liquidation = account.liquidation_price(position)
    assert liquidation is not None
    if symbol == "BTCUSD":
        told = rate / (rate * m / liquidation + s * (m / liquidation - 1))
    else:
        told = rate * m / (rate * liquidation + s * (m - liquidation))
    assert abs(account.isolated_ratio(position) - told) < D("1e-12")


@pytest.mark.parametrize("size", ["10", "-10", "50", "-50"])
def test_cross_ratio_is_one_at_the_estimate_of_a_lone_position(size: str) -> None:
    market = BybitMarket()
    account = BybitAccount(market, {"USDT": abs(D(size)) * 5_000})
    position = account.open("BTCUSDT", D(size))
    liquidation = account.liquidation_price(position)
    assert liquidation is not None
    market.set_price("BTCUSDT", liquidation)
    assert abs(account.margin_ratio - 1) < D("1e-9")


async def test_portfolio_margin_blanks_positions_and_measures_equity(server: BybitServer) -> None:
    account = account_of(server.market, "PORTFOLIO_MARGIN")
    account.open("BTC-25JUN27-80000-C", D("-0.5"))
    server.add_key("bob", "bobs", account)
    async with open_client(server, "bob", "bobs") as bob:
        told = await wallet(bob)
        (row,) = await listed(bob, category="linear", settleCoin="USDT")
        (option,) = await listed(bob, category="option")
        grid = (await bob.privateGetV5AssetPortfolioMargin({"baseCoin": "BTC"}))["result"]
    assert {row[name] for name in ("positionMM", "positionIM", "liqPrice", "leverage")} == {""}
    assert option["symbol"] == "BTC-25JUN27-80000-C"
    assert D(told["totalEquity"]) == 70_000 - 600  # the short option is owed
    assert told["accountMMRate"] == grid["wallet"]["accountMMRate"]
    asset = grid["assetPnlRange"][0]["asset"]
    assert D(asset["assetIM"]) == round(D(asset["assetMM"]) * D("1.2"), 6)


async def test_the_portfolio_grid_needs_portfolio_margin(client: Any) -> None:
    with pytest.raises(ccxt.BadRequest):
        await client.privateGetV5AssetPortfolioMargin()


async def test_loans_orders_and_haircuts_count(server: BybitServer, client: Any) -> None:
    account = server.keys[KEY].account
    account.loans["USDT"] = D(1_000)
    account.orders_mm = D(60)
    account.haircut_loss = D(7_000)
    told = await wallet(client)
    assert told["totalMaintenanceMargin"] == "700"
    assert told["accountMMRate"] == "0.0116"  # 700 / 60000, cut
    account.not_collateral.add("BTC")
    assert (await wallet(client))["totalMarginBalance"] == "10000"


async def test_risk_limits_are_continuous_and_paged(server: BybitServer, client: Any) -> None:
    server.risk_limit_page = 2
    tiers = await client.fetch_leverage_tiers()
    assert set(tiers) >= {"BTC/USDT:USDT", "SOL/USDT:USDT", "ETH/USDC:USDC"}
    first, second = (tier["info"] for tier in tiers["BTC/USDT:USDT"][:2])
    assert (first["mmDeduction"], second["mmDeduction"]) == ("", "1200")
    assert tiers["BTC/USDT:USDT"][1]["maintenanceMarginRate"] == D("0.0056")
    assert len(server.seen("/v5/market/risk-limit")) == 3


async def test_candles_come_in_order(client: Any) -> None:
    since = 1_700_000_000_000 // 3_600_000 * 3_600_000
    rows = await client.fetch_ohlcv("BTC/USDT:USDT", "5m", since, 3)
    marks = await client.fetch_ohlcv("BTC/USD:BTC", "1m", since, 2, {"price": "mark"})
    assert [row[0] for row in rows] == [since, since + 300_000, since + 600_000]
    assert (rows[0][5], marks[0][1:5]) == (5, [10, 12, 9, 11])


async def test_prices_follow_and_ruin(server: BybitServer, client: Any) -> None:
    server.keys[KEY].account.positions = server.keys[KEY].account.positions[:1]
    server.keys[KEY].account.wallets = {"USDT": D(6_000)}
    server.set_price("BTCUSDT", D(55_000), at_ms=1)
    ticker = (await client.publicGetV5MarketTickers({"category": "linear", "symbol": "BTCUSDT"}))["result"]["list"][0]
    assert (ticker["markPrice"], (await wallet(client))["accountMMRate"]) == ("55000", "0.275")
    server.set_price("BTCUSDT", D(54_200), at_ms=2)
    (liquidation,) = server.keys[KEY].account.liquidations
    assert (liquidation.at_ms, liquidation.symbol, liquidation.price) == (2, "BTCUSDT", D(54_200))
    assert (await wallet(client))["totalEquity"] == "0"


async def test_an_isolated_loss_stops_at_its_margin(server: BybitServer) -> None:
    account = BybitAccount(server.market, {"USDT": D(9_000)}, mode="ISOLATED_MARGIN")
    account.open("ETHUSDT", D(10))
    server.add_key("bob", "bobs", account)
    server.set_price("ETHUSDT", D(2_700), at_ms=5)
    assert [one.at_ms for one in account.liquidations] == [5]
    assert account.wallets == {"USDT": D(6_000)}


async def test_collateral_and_coins(server: BybitServer, client: Any) -> None:
    server.keys[KEY].account.not_collateral.add("BTC")
    info = (await client.privateGetV5AccountCollateralInfo())["result"]["list"]
    tiers = (await client.publicGetV5SpotMarginTradeCollateral({"currency": "BTC"}))["result"]["list"]
    assert {row["currency"]: row["collateralSwitch"] for row in info}["BTC"] is False
    assert tiers[0]["collateralRatioList"][0]["collateralRatio"] == "0.95"
    assert "BTC" in await client.fetch_currencies()


async def test_a_key_is_told_what_it_may_do(server: BybitServer, client: Any) -> None:
    told = (await client.privateGetV5UserQueryApi())["result"]
    assert (told["readOnly"], told["uta"], told["expiredAt"]) == (1, 1, "1970-01-01T00:00:00Z")
    key = server.keys[KEY]
    key.can_withdraw = True
    key.expires_at_ms = wall_clock_ms() + 10 * 86_400_000 + 60_000
    told = (await client.privateGetV5UserQueryApi())["result"]
    assert (told["readOnly"], told["deadlineDay"]) == (0, 10)
    assert "Withdraw" in told["permissions"]["Wallet"]


@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [pytest.param("nobody", SECRET, "10003", id="key"), pytest.param(KEY, "wrong", "10004", id="signature")],
)
async def test_wrong_credentials(server: BybitServer, key: str, secret: str, code: str) -> None:
    async with open_client(server, key, secret) as stranger:
        with pytest.raises(ccxt.AuthenticationError, match=code):
            await wallet(stranger)


@pytest.mark.parametrize(
    ("flag", "value", "expected", "code"),
    [
        pytest.param("revoked", True, ccxt.AuthenticationError, "10003", id="revoked"),
        pytest.param("expires_at_ms", 1, ccxt.AuthenticationError, "33004", id="expired"),
        pytest.param("ips", ("10.0.0.1",), ccxt.PermissionDenied, "10010", id="address"),
        pytest.param("may_read", False, ccxt.PermissionDenied, "10005", id="permission"),
    ],
)
async def test_a_key_that_stops_working(
    server: BybitServer, client: Any, flag: str, value: Any, expected: type[Exception], code: str
) -> None:
    setattr(server.keys[KEY], flag, value)
    with pytest.raises(expected, match=code):
        await wallet(client)


@pytest.mark.parametrize("offset", [60_000, -60_000])
async def test_a_wrong_clock(server: BybitServer, client: Any, offset: int) -> None:
    server.faults.clock_offset_ms = offset
    assert abs(await client.fetch_time() - wall_clock_ms() - offset) < 2_000
    with pytest.raises(ccxt.InvalidNonce, match="10002"):
        await wallet(client)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("503", ccxt.ExchangeNotAvailable),
        ("rate_limited", ccxt.RateLimitExceeded),
        ("banned", ccxt.RateLimitExceeded),
    ],
)
async def test_faults_reach_the_client_once(
    server: BybitServer, client: Any, kind: Any, expected: type[Exception]
) -> None:
    server.faults.add(kind, "/v5/account", times=1)
    with pytest.raises(expected):
        await wallet(client)
    assert await wallet(client)


async def test_too_many_calls_in_one_second(server: BybitServer, client: Any) -> None:
    server.rate_limit = 0
    with pytest.raises(ccxt.RateLimitExceeded, match="10006"):
        await wallet(client)
