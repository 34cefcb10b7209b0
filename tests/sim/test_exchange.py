"""The simulated exchange as the real ccxt client sees it."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import pytest

from marginbot.sim.book import Account
from marginbot.sim.candles import Candle
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import Market
from tests.servers.base import point_at, wall_clock_ms
from tests.servers.threads import on_a_thread
from tests.sim.books import wallets

D = Decimal
KEY = "aliceskey"
SECRET = "alicessecret"


def flat_candles(symbol: str, start_ms: int, end_ms: int, limit: int) -> Sequence[Candle]:
    opens = range(-(-start_ms // 60_000) * 60_000, end_ms + 1, 60_000)
    return [Candle(at, D(10), D(12), D(9), D(11), D(1)) for at in opens][:limit]


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    market = Market()
    account = Account(market, wallets(USDT="3000", USDC="500"))
    account.open("BTCUSDT", D("0.5"))
    account.open("ETHUSDT", D("-1"), isolated_wallet=D(400))
    async with SimulatedExchange(market, wall_clock_ms, candles=flat_candles) as running:
        running.add_key(KEY, SECRET, account)
        yield running


def open_client(exchange: SimulatedExchange, key: str = KEY, secret: str = SECRET) -> Any:
    settings = {
        "apiKey": key,
        "secret": secret,
        "enableRateLimit": False,
        "timeout": 5_000,
        "options": {"fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["linear"]}},
    }
    made = point_at(ccxt.binanceusdm(settings), exchange.url)
    made.number = Decimal
    return made


@pytest.fixture
async def client(exchange: SimulatedExchange) -> AsyncIterator[Any]:
    async with open_client(exchange) as made:
        yield made


async def test_markets_are_the_listed_perpetuals(client: Any) -> None:
    markets = await client.load_markets()
    bitcoin = markets["BTC/USDT:USDT"]
    assert set(markets) >= {"ETH/USDT:USDT", "SOL/USDT:USDT", "BTC/USDC:USDC"}
    assert (bitcoin["linear"], bitcoin["swap"], bitcoin["active"]) == (True, True, True)
    assert bitcoin["precision"] == {"amount": D("0.001"), "price": D("0.10"), "base": D("1e-8"), "quote": D("1e-8")}


async def test_balance_is_the_third_account_version(exchange: SimulatedExchange, client: Any) -> None:
    balance = await client.fetch_balance()
    assert (balance["USDT"]["total"], balance["USDC"]["total"]) == (D(3400), D(500))
    assert "multiAssetsMargin" not in balance["info"]
    assert [row["symbol"] for row in balance["info"]["positions"]] == ["BTCUSDT", "ETHUSDT"]
    assert exchange.seen("/fapi/v3/account")


async def test_positions_have_the_sides_margins_and_prices(client: Any) -> None:
    long, short = await client.fetch_positions()
    assert (long["symbol"], long["side"], long["marginMode"]) == ("BTC/USDT:USDT", "long", "cross")
    assert (short["side"], short["marginMode"], short["collateral"]) == ("short", "isolated", D(400))
    assert (long["contracts"], long["entryPrice"], long["markPrice"]) == (D("0.5"), D(60_000), D(60_000))
    assert D(short["info"]["liquidationPrice"]) == D("3386.45418326")
    assert D(long["info"]["maintMargin"]) == 120


async def test_account_and_risk_agree_and_name_what_each_version_names(client: Any) -> None:
    third = await client.fapiPrivateV3GetAccount()
    second = await client.fapiPrivateV2GetAccount()
    risk = await client.fapiPrivateV3GetPositionRisk()
    usdt = next(row for row in third["assets"] if row["asset"] == "USDT")

    assert (usdt["crossWalletBalance"], usdt["walletBalance"]) == ("3000.00000000", "3400.00000000")
    assert third["totalMaintMargin"] == "132.00000000"  # USDT rows, isolated included
    assert second["multiAssetsMargin"] is False
    assert {row["symbol"] for row in second["positions"]} > {row["symbol"] for row in third["positions"]}
    assert [row["maintMargin"] for row in risk] == [row["maintMargin"] for row in third["positions"]]
    assert risk[1]["isolatedMargin"] == risk[1]["isolatedWallet"] == "400.00000000"


async def test_totals_are_dollars_in_multi_assets_mode(exchange: SimulatedExchange) -> None:
    account = Account(exchange.market, wallets(USDT="1000", BTC="0.1"), multi_assets=True, hedge=True)
    account.open("BTCUSDT", D("0.2"))
    account.open("BTCUSDT", D("-0.1"))
    exchange.add_key("bobskey", "bobssecret", account)

    async with open_client(exchange, "bobskey", "bobssecret") as bob:
        told = await bob.fapiPrivateV3GetAccount()
        config = await bob.fapiPrivateGetAccountConfig()
        mode = await bob.fapiPrivateGetMultiAssetsMargin()
        dual = await bob.fapiPrivateGetPositionSideDual()
        legs = await bob.fetch_positions()

    assert told["totalMarginBalance"] == "6699.90000000"  # 1000 x 0.9999 + 0.1 x 60000 x 0.95
    assert told["totalMaintMargin"] == "72.00720000"  # (48 + 24) x 1.0001
    assert (config["multiAssetsMargin"], mode["multiAssetsMargin"]) == (True, True)
    assert (config["dualSidePosition"], dual["dualSidePosition"]) == (True, True)
    assert [leg["side"] for leg in legs] == ["long", "short"]
    assert round(account.margin_ratio("cross:USD"), 6) == D("0.010748")


async def test_second_version_lists_flat_symbols_and_modes(client: Any) -> None:
    rows = await client.fapiPrivateV2GetPositionRisk()
    by_symbol = {row["symbol"]: row for row in rows}
    assert by_symbol["SOLUSDT"]["positionAmt"] == "0"
    assert by_symbol["ETHUSDT"]["marginType"] == "isolated"
    configs = {row["symbol"]: row["marginType"] for row in await client.fapiPrivateGetSymbolConfig()}
    assert (configs["BTCUSDT"], configs["ETHUSDT"]) == ("CROSSED", "ISOLATED")


async def test_balances_in_both_versions(client: Any) -> None:
    second, third = await client.fapiPrivateV2GetBalance(), await client.fapiPrivateV3GetBalance()
    assert second == third
    assert third[0]["balance"] == "3400.00000000"


async def test_leverage_tiers_carry_the_deduction(client: Any) -> None:
    (bitcoin,) = await client.fapiPrivateGetLeverageBracket({"symbol": "BTCUSDT"})
    assert [row["cum"] for row in bitcoin["brackets"][:3]] == [0, 50, 950]
    tiers = await client.fetch_leverage_tiers()
    assert tiers["BTC/USDT:USDT"][1]["maintenanceMarginRate"] == D("0.005")


async def test_prices_and_indexes_follow_what_is_set(exchange: SimulatedExchange, client: Any) -> None:
    exchange.set_price("BTCUSDT", D("61234.5"))
    marks = await client.fapiPublicGetPremiumIndex()
    one = await client.fapiPublicGetPremiumIndex({"symbol": "BTCUSDT"})
    last = await client.fapiPublicGetTickerPrice({"symbol": "BTCUSDT"})
    index = await client.fapiPublicGetAssetIndex({"symbol": "BTCUSD"})
    assert len(marks) == len(exchange.market.instruments)
    assert (one["markPrice"], last["price"]) == ("61234.50000000", "61234.5")
    assert (index["bidRate"], index["askRate"]) == ("58172.77500000", "64296.22500000")
    assert len(await client.fapiPublicGetAssetIndex()) > 3


@pytest.mark.parametrize(("timeframe", "volume"), [("1m", 1), ("5m", 5), ("1h", 60)])
async def test_candles_of_any_length_from_one_minute_ones(client: Any, timeframe: str, volume: int) -> None:
    since = 1_700_000_000_000 // 3_600_000 * 3_600_000
    rows = await client.fetch_ohlcv("BTC/USDT:USDT", timeframe, since, 4)
    assert [row[0] for row in rows] == [since + n * volume * 60_000 for n in range(4)]
    assert rows[0][1:] == [10, 12, 9, 11, volume]


async def test_candles_are_the_latest_when_no_start_is_given(client: Any) -> None:
    rows = await client.fetch_ohlcv("BTC/USDT:USDT", "1m", None, 3)
    assert [row[0] for row in rows][-1] == wall_clock_ms() // 60_000 * 60_000
    assert len(rows) == 3


async def test_a_crash_liquidates_at_the_time_the_caller_says(exchange: SimulatedExchange, client: Any) -> None:
    account = exchange.keys[KEY].account
    for step, price in enumerate((58_000, 56_000, 54_000)):
        exchange.set_price("BTCUSDT", D(price), at_ms=step)
    (liquidation,) = account.liquidations
    assert (liquidation.at_ms, liquidation.symbol, liquidation.price) == (2, "BTCUSDT", D(54_000))
    (left,) = await client.fetch_positions()
    assert left["symbol"] == "ETH/USDT:USDT"
    assert account.margin_ratio("cross:USDT") == 0


async def test_a_key_is_told_what_it_may_do(exchange: SimulatedExchange, client: Any) -> None:
    told = await client.sapiGetAccountApiRestrictions()
    assert (told["enableReading"], told["enableFutures"], told["enableWithdrawals"]) == (True, False, False)
    key = exchange.keys[KEY]
    key.can_withdraw = key.can_trade = True
    told = await client.sapiGetAccountApiRestrictions()
    assert (told["enableFutures"], told["enableWithdrawals"]) == (True, True)


@pytest.mark.parametrize(
    ("key", "secret", "expected", "code"),
    [
        pytest.param("unknownkey", SECRET, ccxt.AuthenticationError, "-2015", id="unknown key"),
        pytest.param("not a key!", SECRET, ccxt.AuthenticationError, "-2014", id="malformed key"),
        pytest.param(KEY, "wrong", ccxt.AuthenticationError, "-1022", id="wrong secret"),
    ],
)
async def test_wrong_credentials(
    exchange: SimulatedExchange, key: str, secret: str, expected: type[Exception], code: str
) -> None:
    async with open_client(exchange, key, secret) as stranger:
        with pytest.raises(expected, match=code):
            await stranger.fapiPrivateV3GetAccount()


@pytest.mark.parametrize("flag", [{"revoked": True}, {"ip_allowed": False}])
async def test_a_key_that_stops_working(exchange: SimulatedExchange, client: Any, flag: dict[str, bool]) -> None:
    for name, value in flag.items():
        setattr(exchange.keys[KEY], name, value)
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await client.fapiPrivateV3GetAccount()


@pytest.mark.parametrize(
    ("offset", "message"), [pytest.param(60_000, "outside", id="late"), pytest.param(-60_000, "ahead", id="early")]
)
async def test_a_wrong_clock(exchange: SimulatedExchange, client: Any, offset: int, message: str) -> None:
    exchange.faults.clock_offset_ms = offset
    assert abs(await client.fetch_time() - wall_clock_ms() - offset) < 2_000
    with pytest.raises(ccxt.InvalidNonce, match=message):
        await client.fapiPrivateV3GetAccount()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("500", ccxt.ExchangeNotAvailable),
        ("503", ccxt.ExchangeNotAvailable),
        ("banned", ccxt.DDoSProtection),
        ("rate_limited", ccxt.DDoSProtection),
    ],
)
async def test_faults_reach_the_client_once(
    exchange: SimulatedExchange, client: Any, kind: Any, expected: type[Exception]
) -> None:
    exchange.faults.add(kind, "/fapi/v3", times=1)
    with pytest.raises(expected):
        await client.fapiPrivateV3GetAccount()
    assert (await client.fapiPrivateV3GetAccount())["totalMaintMargin"] == "132.00000000"


async def test_a_reset_connection_is_a_network_error(exchange: SimulatedExchange, client: Any) -> None:
    exchange.faults.add("reset", times=2)  # aiohttp itself repeats a GET once
    with pytest.raises(ccxt.NetworkError):
        await client.fapiPrivateV3GetAccount()
    assert await client.fapiPrivateV3GetAccount()


async def test_a_hanging_path_hangs_alone(exchange: SimulatedExchange, client: Any) -> None:
    exchange.faults.add("hang", "/fapi/v3/account")
    client.timeout = 100
    with pytest.raises(ccxt.RequestTimeout):
        await client.fapiPrivateV3GetAccount()
    client.timeout = 5_000
    assert await client.fapiPrivateV3GetPositionRisk()


@pytest.mark.parametrize("kind", ["garbage", "html"])
async def test_nonsense_with_status_200(exchange: SimulatedExchange, client: Any, kind: Any) -> None:
    exchange.faults.add(kind)
    answer = await client.fapiPrivateV3GetAccount()
    assert isinstance(answer, str)  # ccxt passes on what it cannot parse


async def test_a_payload_can_be_edited_before_it_is_sent(exchange: SimulatedExchange, client: Any) -> None:
    exchange.faults.edit("/fapi/v3/account", lambda told: {**told, "totalMaintMargin": ""})
    assert (await client.fapiPrivateV3GetAccount())["totalMaintMargin"] == ""
    exchange.faults.clear()
    assert (await client.fapiPrivateV3GetAccount())["totalMaintMargin"] == "132.00000000"


async def test_weights_are_counted_and_the_limit_is_kept(exchange: SimulatedExchange, client: Any) -> None:
    exchange.weight_limit = 12
    for _ in range(2):
        await client.fapiPrivateV3GetAccount()
    assert client.last_response_headers["X-MBX-USED-WEIGHT-1M"] == "10"
    with pytest.raises(ccxt.DDoSProtection, match="-1003"):
        await client.fapiPrivateV3GetAccount()
    assert 1 <= int(client.last_response_headers["Retry-After"]) <= 60


async def test_unknown_paths_and_symbols(exchange: SimulatedExchange, client: Any) -> None:
    with pytest.raises(ccxt.BadSymbol, match="-1121"):
        await client.fapiPublicGetPremiumIndex({"symbol": "NOPEUSDT"})
    with pytest.raises(ccxt.ExchangeNotAvailable, match="404"):
        await client.fapiPublicGetDepth({"symbol": "BTCUSDT"})
    async with aiohttp.ClientSession() as session, session.get(exchange.url + "/nothing") as answer:
        assert answer.status == 404


def test_it_serves_from_its_own_thread() -> None:
    exchange = SimulatedExchange(Market(), wall_clock_ms)
    with on_a_thread(exchange):
        started = time.monotonic()
        exchange.set_price("BTCUSDT", D(1))
        with urllib.request.urlopen(exchange.url + "/fapi/v1/ping") as answer:
            assert answer.read() == b"{}"
        assert time.monotonic() - started < 30
    assert [call.path for call in exchange.requests] == ["/fapi/v1/ping"]
