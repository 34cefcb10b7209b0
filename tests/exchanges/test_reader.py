"""The reader as a whole: the real ccxt client against the simulated exchange, well and ill."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from marginbot.domain.errors import (
    BadCredentials,
    BadPayload,
    Banned,
    ClockSkew,
    KeyRefused,
    RateLimited,
    ReadingError,
    UnknownExchange,
    VenueDown,
)
from marginbot.domain.margin import PoolState
from marginbot.domain.turmoil import PEGGED
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.venues import VENUES
from marginbot.flow.ports import Credential
from marginbot.sim.book import Account
from marginbot.sim.candles import Candle
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import INSTRUMENTS, Market
from tests.exchanges.kit import ALICE, KEY, SECRET, D, candles, now, reading
from tests.servers.base import wall_clock_ms
from tests.sim.books import wallets

VENUE = "binanceusdm"
ACCOUNT, RISK = "/fapi/v3/account", "/fapi/v3/positionRisk"


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    market = Market()
    account = Account(market, wallets(USDT="3000"))
    account.open("BTCUSDT", D("0.5"))
    async with SimulatedExchange(market, wall_clock_ms, candles=candles) as running:
        running.add_key(KEY, SECRET, account)
        yield running


@pytest.fixture
async def reader(exchange: SimulatedExchange) -> AsyncIterator[CcxtReader]:
    async with reading(exchange.url, VENUE, timeout=1.0, deadline=3.0) as made:
        yield made


async def test_an_account_is_read(reader: CcxtReader) -> None:
    at = now()
    snapshot = await reader.read(VENUE, ALICE, at)
    assert (snapshot.exchange, snapshot.mode, snapshot.taken_at) == (VENUE, "single-asset/one-way", at)
    assert snapshot.margin_ratio == D("0.04")
    assert snapshot.warnings == ()


async def test_markets_and_tiers_are_loaded_once_for_all(exchange: SimulatedExchange, reader: CcxtReader) -> None:
    await asyncio.gather(*(reader.read(VENUE, ALICE, now()) for _ in range(10)))
    await reader.read(VENUE, ALICE, now())
    assert len(exchange.seen("/fapi/v1/exchangeInfo")) == 1
    assert len(exchange.seen("/fapi/v1/leverageBracket")) == 1
    assert len(exchange.seen(ACCOUNT)) == 11


async def test_markets_are_renewed_daily_behind_the_scenes(exchange: SimulatedExchange) -> None:
    at = now()
    async with reading(exchange.url, VENUE, timeout=60.0, deadline=15.0) as reader:
        await reader.read(VENUE, ALICE, at)
        exchange.faults.add("hang", "/fapi/v1/exchangeInfo")
        # One that waited for the markets would not be read before its deadline.
        assert (await reader.read(VENUE, ALICE, at + timedelta(hours=25))).margin_ratio == D("0.04")
    assert len(exchange.seen("/fapi/v1/exchangeInfo")) == 2


async def test_many_accounts_at_once_are_never_mixed_up(exchange: SimulatedExchange, reader: CcxtReader) -> None:
    people = {}
    for number in range(60):
        account = Account(exchange.market, wallets(USDT=str(1000 + number)))
        exchange.add_key(f"key{number}", f"secret{number}", account)
        people[number] = Credential(f"key{number}", f"secret{number}")
    exchange.weight_limit = 10_000
    snapshots = await asyncio.gather(*(reader.read(VENUE, person, now()) for person in people.values()))
    assert [snapshot.pools[0].equity for snapshot in snapshots] == [1000 + number for number in people]


async def test_without_a_market_list_names_are_taken_apart(exchange: SimulatedExchange, reader: CcxtReader) -> None:
    exchange.faults.add("500", "/fapi/v1/exchangeInfo", times=1)
    snapshot = await reader.read(VENUE, ALICE, now())
    assert snapshot.margin_ratio == D("0.04")
    assert snapshot.pools[0].positions[0].symbol == "BTC/USDT:USDT"
    assert any("BTCUSDT" in warning for warning in snapshot.warnings)
    later = await reader.read(VENUE, ALICE, now() + timedelta(seconds=10))
    assert later.warnings == ()


async def test_a_hanging_market_list_does_not_fail_a_reading(exchange: SimulatedExchange) -> None:
    exchange.faults.add("hang", "/fapi/v1/exchangeInfo")
    async with reading(exchange.url, VENUE, timeout=0.3, deadline=3.0) as reader:
        assert (await reader.read(VENUE, ALICE, now())).state is PoolState.OK


@pytest.mark.parametrize("path", ["/fapi/v1/accountConfig", "/fapi/v1/leverageBracket", "/fapi/v1/multiAssetsMargin"])
@pytest.mark.parametrize("kind", ["hang", "500", "garbage", "html"])
async def test_an_extra_that_is_missing_does_not_fail_a_reading(
    exchange: SimulatedExchange, reader: CcxtReader, path: str, kind: Any
) -> None:
    exchange.faults.add(kind, path)
    assert (await reader.read(VENUE, ALICE, now())).margin_ratio == D("0.04")


# -- what goes wrong


def assert_clean(error: ReadingError, *more: str) -> None:
    """Neither the error, its advice, nor what a traceback of it prints holds anything secret."""
    shown = "".join(traceback.format_exception(error)) + error.advice + repr(error)
    chain: BaseException | None = error
    while chain is not None:
        shown += str(chain)
        chain = chain.__cause__ or chain.__context__
    for secret in (KEY, SECRET, "signature=", "://", *more):
        assert secret not in shown


@pytest.mark.parametrize(
    ("credential", "expected", "word"),
    [
        pytest.param(Credential("unknownunknownunknown12", SECRET), KeyRefused, "does not exist", id="unknown key"),
        pytest.param(Credential("not-a-key-at-all-12345678", SECRET), KeyRefused, "Copy", id="malformed key"),
        pytest.param(Credential(KEY, "wrongwrongwrongwrong1"), KeyRefused, "secret", id="wrong secret"),
    ],
)
async def test_wrong_credentials(
    reader: CcxtReader, credential: Credential, expected: type[ReadingError], word: str
) -> None:
    with pytest.raises(expected) as caught:
        await reader.read(VENUE, credential, now())
    assert word in caught.value.advice
    assert_clean(caught.value, credential.key, credential.secret)


@pytest.mark.parametrize("flag", [{"revoked": True}, {"ip_allowed": False}])
async def test_a_key_that_stops_working(exchange: SimulatedExchange, reader: CcxtReader, flag: dict[str, bool]) -> None:
    await reader.read(VENUE, ALICE, now())
    for name, value in flag.items():
        setattr(exchange.keys[KEY], name, value)
    with pytest.raises(KeyRefused) as caught:
        await reader.read(VENUE, ALICE, now())
    assert_clean(caught.value)


@pytest.mark.parametrize("offset", [60_000, -60_000])
async def test_a_clock_that_is_off(exchange: SimulatedExchange, reader: CcxtReader, offset: int) -> None:
    exchange.faults.clock_offset_ms = offset
    with pytest.raises(ClockSkew) as caught:
        await reader.read(VENUE, ALICE, now())
    assert_clean(caught.value)


@pytest.mark.parametrize("path", [ACCOUNT, RISK])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("500", VenueDown),
        ("503", VenueDown),
        ("reset", VenueDown),
        ("hang", VenueDown),
        ("garbage", BadPayload),
        ("html", BadPayload),
        ("banned", Banned),
        ("rate_limited", RateLimited),
    ],
)
async def test_faults_of_the_venue(
    exchange: SimulatedExchange, kind: Any, expected: type[ReadingError], path: str
) -> None:
    async with reading(exchange.url, VENUE, timeout=0.3) as reader:
        exchange.faults.add(kind, path)
        with pytest.raises(expected) as caught:
            await reader.read(VENUE, ALICE, now())
        assert_clean(caught.value)
        exchange.faults.clear()
        if expected in (Banned, RateLimited):
            asked = len(exchange.requests)
            with pytest.raises((Banned, RateLimited), match="no requests for another"):
                await reader.read(VENUE, ALICE, now())
            assert len(exchange.requests) == asked, "it is left alone for as long as it says"
        else:
            assert (await reader.read(VENUE, ALICE, now())).margin_ratio == D("0.04")


@pytest.mark.parametrize(
    "answer",
    [{}, [], {"assets": {}}, {"assets": [1]}, {"assets": [{}], "positions": [{}]}, "text", None],
    ids=str,
)
async def test_data_of_another_shape(exchange: SimulatedExchange, reader: CcxtReader, answer: Any) -> None:
    exchange.faults.edit(ACCOUNT, lambda _: answer)
    with pytest.raises(BadPayload) as caught:
        await reader.read(VENUE, ALICE, now())
    assert_clean(caught.value)


async def test_a_venue_that_is_not_there() -> None:
    async with reading("http://127.0.0.1:1", VENUE, timeout=0.5) as reader:
        with pytest.raises(VenueDown) as caught:
            await reader.read(VENUE, ALICE, now())
        assert_clean(caught.value)


async def test_the_deadline_holds_for_the_whole_reading(exchange: SimulatedExchange) -> None:
    exchange.faults.add("hang", ACCOUNT)
    async with reading(exchange.url, VENUE, timeout=30.0, deadline=0.3) as reader:
        started = time.monotonic()
        with pytest.raises(VenueDown, match="longer than"):
            await reader.read(VENUE, ALICE, now())
        assert time.monotonic() - started < 15


async def test_one_hanging_venue_does_not_hold_up_another(exchange: SimulatedExchange) -> None:
    async with SimulatedExchange(Market(), wall_clock_ms) as stuck:
        stuck.faults.add("hang")
        reader = CcxtReader({VENUE: exchange.url, "bybit": stuck.url}, timeout=4.0, deadline=4.0)
        waiting = [asyncio.ensure_future(reader.read("bybit", ALICE, now())) for _ in range(50)]
        await asyncio.sleep(0.05)
        assert (await reader.read(VENUE, ALICE, now())).margin_ratio == D("0.04")
        assert not any(one.done() for one in waiting)
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(answer) for answer in answers} == {VenueDown}
        await reader.close()


async def test_requests_at_once_are_bounded(exchange: SimulatedExchange) -> None:
    exchange.faults.add("hang", ACCOUNT)
    narrow = {VENUE: replace(VENUES[VENUE], requests_at_once=2)}
    reader = CcxtReader({VENUE: exchange.url}, timeout=5.0, deadline=0.5, venues=narrow)
    waiting = [asyncio.ensure_future(reader.read(VENUE, ALICE, now())) for _ in range(10)]
    await asyncio.gather(*waiting, return_exceptions=True)
    assert len(exchange.seen(ACCOUNT)) == 2
    await reader.close()


# -- hygiene


async def test_nothing_is_logged_that_must_not_be(
    exchange: SimulatedExchange, reader: CcxtReader, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await reader.read(VENUE, ALICE, now())
    exchange.faults.add("500", ACCOUNT, times=1)
    with pytest.raises(VenueDown):
        await reader.read(VENUE, ALICE, now())
    exchange.faults.edit(ACCOUNT, lambda _: {"assets": 5})
    with pytest.raises(BadPayload):
        await reader.read(VENUE, ALICE, now())
    for secret in (KEY, SECRET, "signature="):
        assert secret not in caplog.text


async def test_borrowed_clients_are_thrown_away_quietly(
    exchange: SimulatedExchange, caplog: pytest.LogCaptureFixture
) -> None:
    async with reading(exchange.url, VENUE) as reader:
        for _ in range(5):
            await reader.read(VENUE, ALICE, now())
        gc.collect()
        assert (await reader.read(VENUE, ALICE, now())).margin_ratio == D("0.04"), "connections are still open"
    gc.collect()
    assert "close()" not in caplog.text


async def test_closing_stops_what_is_under_way(exchange: SimulatedExchange) -> None:
    exchange.faults.add("hang", "/fapi/v1/klines")
    reader = CcxtReader({VENUE: exchange.url})
    loading = asyncio.ensure_future(reader.volatilities(VENUE, ["BTC"], now()))
    await asyncio.sleep(0.2)
    started = time.monotonic()
    await reader.close()
    await loading
    assert time.monotonic() - started < 8  # a request is waited for 10 seconds
    assert len(asyncio.all_tasks()) < 10


async def test_candles_come_from_the_main_perpetual(exchange: SimulatedExchange, reader: CcxtReader) -> None:
    found = await reader.volatilities(VENUE, ["BTC", "NOPE"], now())
    assert found["BTC"].bars > 2800
    assert not found["BTC"].assumed
    assert found["NOPE"].assumed
    assert {call.params["symbol"] for call in exchange.seen("/fapi/v1/klines")} == {"BTCUSDT"}


async def test_the_price_of_a_stablecoin_comes_from_its_candles() -> None:
    coin = replace(INSTRUMENTS["WLDUSDT"], symbol="USDCUSDT", base="USDC")
    market = Market(instruments={**INSTRUMENTS, coin.symbol: coin})

    def fallen(symbol: str, start_ms: int, end_ms: int, limit: int) -> Sequence[Candle]:
        rows = candles(symbol, start_ms, end_ms, limit)
        return [Candle(c.open_ms, D(1), D(1), D("0.98"), D("0.987"), D(1)) for c in rows]

    async with (
        SimulatedExchange(market, wall_clock_ms, candles=fallen) as running,
        reading(running.url, VENUE) as reader,
    ):
        assert reader.stable_quotes(VENUE, PEGGED) == []
        await reader.volatilities(VENUE, ["USDC", "USDT", "BTC"], now())
        [quote] = reader.stable_quotes(VENUE, PEGGED)
    assert (quote.pair, quote.exchange, quote.price) == ("USDC/USDT", VENUE, 0.987)
    assert timedelta(0) <= now() - quote.at < timedelta(minutes=2)


@pytest.mark.parametrize("kind", ["hang", "500", "garbage", "html", "reset", "banned", "rate_limited"])
async def test_missing_candles_never_raise(exchange: SimulatedExchange, kind: Any) -> None:
    exchange.faults.add(kind, "/fapi/v1/klines")
    async with reading(exchange.url, VENUE, timeout=0.3) as reader:
        assert (await reader.volatilities(VENUE, ["BTC"], now()))["BTC"].assumed


# -- what is told about venues


def test_each_venue_says_how_to_register() -> None:
    infos = {name: info for name, info in CcxtReader({}).venues().items() if info.refusal is None}
    assert {"binanceusdm", "bybit", "okx", "deribit", "hyperliquid"} <= set(infos)
    for info in infos.values():
        assert info.fields[0][0] == "key" or info.estimates_only
        assert len(info.instructions) > 40
    names = [name for info in infos.values() for name in (info.id, *info.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("credential", "word"),
    [
        pytest.param(Credential("", SECRET), "API key is missing", id="no key"),
        pytest.param(Credential(KEY, ""), "secret key is missing", id="no secret"),
        pytest.param(Credential(f"{KEY[:9]} {KEY[9:]}", SECRET), "blank", id="blank inside"),
        pytest.param(Credential(KEY, f"{SECRET}\n"), "blank", id="line break"),
        pytest.param(Credential("ключ", SECRET), "characters", id="other letters"),
        pytest.param(Credential(KEY, "a" * 5000), "too long", id="absurd length"),
        pytest.param(Credential(KEY, KEY), "same", id="twice the same"),
        pytest.param(Credential(KEY, "-----BEGIN PRIVATE KEY-----\nabc"), "ordinary kind", id="a key file"),
    ],
)
def test_malformed_credentials(credential: Credential, word: str) -> None:
    with pytest.raises(BadCredentials) as caught:
        CcxtReader({}).check_form(VENUE, credential)
    assert word in caught.value.advice
    assert KEY not in f"{caught.value}{caught.value.advice}"


def test_right_credentials_pass() -> None:
    CcxtReader({}).check_form(VENUE, ALICE)
    CcxtReader({}).check_form("hyperliquid", Credential("0x" + "ab" * 20))


def test_a_private_key_is_told_apart_before_anything_else() -> None:
    with pytest.raises(BadCredentials, match="seed phrase"):
        CcxtReader({}).check_form("hyperliquid", Credential(" ".join(["word"] * 12)))


async def test_an_unknown_venue() -> None:
    reader = CcxtReader({})
    with pytest.raises(UnknownExchange):
        reader.check_form("mtgox", ALICE)
    with pytest.raises(UnknownExchange):
        await reader.read("mtgox", ALICE, now())


def test_the_table_is_keyed_by_ccxt_id() -> None:
    assert all(name == venue.info.id for name, venue in VENUES.items())


def test_an_address_for_an_exchange_that_is_not_known_is_named(caplog: pytest.LogCaptureFixture) -> None:
    CcxtReader({"binance-usdm": "http://127.0.0.1:1", "bybit": "http://127.0.0.1:1"}, proxies={"okex": ()})
    assert [record.args for record in caplog.records] == [("binance-usdm",), ("okex",)]
