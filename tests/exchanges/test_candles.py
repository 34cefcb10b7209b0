"""The volatility cache on a made-up source of candles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from marginbot.domain.errors import RateLimited, VenueDown
from marginbot.domain.volatility import DEFAULT_MAJOR, DEFAULT_OTHER, FLOOR, Bar
from marginbot.exchanges.candles import MINUTE_MS, CandleCache

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


@dataclass
class Market:
    """Candles for ever, at most `page` at a time; the newest has not closed yet."""

    listed: set[str] = field(default_factory=lambda: {"BTC"})
    page: int = 1000
    swing: float = 0.0005
    failing: bool = False
    gate: asyncio.Event | None = None  # where answers wait
    lag: timedelta = timedelta(0)
    at: datetime = NOW
    asked: list[tuple[int | None, int]] = field(default_factory=list)

    async def candle_symbol(self, underlying: str, now: datetime) -> str | None:
        return f"{underlying}/USDT:USDT" if underlying in self.listed else None

    async def bars(self, symbol: str, since: int | None, limit: int) -> list[Bar]:
        self.asked.append((since, limit))
        if self.gate is not None:
            await self.gate.wait()
        if self.failing:
            raise VenueDown("down")
        newest = int((self.at - self.lag).timestamp() * 1000) // MINUTE_MS * MINUTE_MS
        count = min(limit, self.page)
        first = newest - (count - 1) * MINUTE_MS if since is None else -(-since // MINUTE_MS) * MINUTE_MS
        return [self.bar(at) for at in range(first, newest + 1, MINUTE_MS)][:count]

    def bar(self, at: int) -> Bar:
        open_bar = at == int(self.at.timestamp() * 1000) // MINUTE_MS * MINUTE_MS
        swing = 0.5 if open_bar else self.swing  # a bar that is still open must never be fed
        return Bar(at, 100.0, 100.0 * (1 + swing), 100.0 * (1 - swing), 100.0)


@pytest.fixture
def market() -> Market:
    return Market()


@pytest.fixture
async def cache(market: Market) -> AsyncIterator[CandleCache]:
    made = CandleCache(market, patience=0.05)
    yield made
    await made.close()


async def test_two_days_are_loaded_in_few_pages_and_only_closed_bars_count(market: Market, cache: CandleCache) -> None:
    found = (await cache.volatilities(["BTC"], NOW))["BTC"]
    assert not found.assumed
    assert 2870 <= found.bars <= 2881
    assert found.hourly == FLOOR, "the open bar swings by half"
    assert len(market.asked) == 3


async def test_the_newest_closed_bar_is_kept_with_its_market(market: Market, cache: CandleCache) -> None:
    assert cache.last_bar("BTC") is None
    await cache.volatilities(["BTC", "UNLISTED"], NOW)
    symbol, bar = cache.last_bar("BTC") or ("", None)
    assert bar is not None
    assert (symbol, bar.opened_at) == ("BTC/USDT:USDT", NOW_MS // MINUTE_MS * MINUTE_MS - MINUTE_MS)
    assert cache.last_bar("UNLISTED") is None


async def test_a_small_page_gives_a_shorter_history_without_a_hole(market: Market, cache: CandleCache) -> None:
    market.page = 100
    assert (await cache.volatilities(["BTC"], NOW))["BTC"].bars == 4 * 100 - 1


async def test_newer_bars_are_asked_for_once_a_minute(market: Market, cache: CandleCache) -> None:
    first = (await cache.volatilities(["BTC"], NOW))["BTC"]
    pages = len(market.asked)
    for seconds in (1, 20, 59):
        await cache.volatilities(["BTC"], NOW + timedelta(seconds=seconds))
    assert len(market.asked) == pages
    market.at = NOW + timedelta(minutes=3)
    later = (await cache.volatilities(["BTC"], market.at))["BTC"]
    assert later.bars == first.bars + 3
    (since, limit) = market.asked[-1]
    assert since == NOW_MS // MINUTE_MS * MINUTE_MS
    assert limit <= 6


async def test_a_market_waking_up_is_felt(market: Market, cache: CandleCache) -> None:
    quiet = (await cache.volatilities(["BTC"], NOW))["BTC"].hourly
    market.swing, market.at = 0.02, NOW + timedelta(minutes=10)
    assert (await cache.volatilities(["BTC"], market.at))["BTC"].hourly > 3 * quiet


async def test_one_load_serves_all_who_ask_at_once(market: Market, cache: CandleCache) -> None:
    found = await asyncio.gather(*(cache.volatilities(["BTC"], NOW) for _ in range(20)))
    assert len(market.asked) == 3
    assert len({estimate["BTC"].bars for estimate in found}) == 1


@pytest.mark.parametrize(("underlying", "expected"), [("XYZ", DEFAULT_OTHER), ("ETH", DEFAULT_MAJOR)])
async def test_an_unlisted_underlying_has_the_default(
    market: Market, cache: CandleCache, underlying: str, expected: float
) -> None:
    found = (await cache.volatilities([underlying], NOW))[underlying]
    assert (found.hourly, found.assumed) == (expected, True)
    assert not market.asked


async def test_failure_gives_the_default_and_is_not_repeated_each_time(market: Market, cache: CandleCache) -> None:
    market.failing = True
    assert (await cache.volatilities(["BTC"], NOW))["BTC"].assumed
    for seconds in range(1, 60, 7):
        await cache.volatilities(["BTC"], NOW + timedelta(seconds=seconds))
    assert len(market.asked) == 1
    market.failing, market.at = False, NOW + timedelta(minutes=2)
    assert not (await cache.volatilities(["BTC"], market.at))["BTC"].assumed


async def test_pauses_after_failures_grow_to_ten_minutes(market: Market, cache: CandleCache) -> None:
    market.failing = True
    for seconds in range(0, 3600, 10):
        await cache.volatilities(["BTC"], NOW + timedelta(seconds=seconds))
    assert 7 <= len(market.asked) <= 10


async def test_an_estimate_outlives_a_failure_for_two_hours(market: Market, cache: CandleCache) -> None:
    good = (await cache.volatilities(["BTC"], NOW))["BTC"]
    market.failing = True
    assert (await cache.volatilities(["BTC"], NOW + timedelta(minutes=119)))["BTC"] == good
    old = (await cache.volatilities(["BTC"], NOW + timedelta(minutes=130)))["BTC"]
    assert (old.hourly, old.assumed) == (DEFAULT_MAJOR, True)


async def test_an_old_estimate_does_not_make_a_wild_market_calm(market: Market, cache: CandleCache) -> None:
    market.swing = 0.02
    good = (await cache.volatilities(["BTC"], NOW))["BTC"]
    market.failing = True
    old = (await cache.volatilities(["BTC"], NOW + timedelta(hours=5)))["BTC"]
    assert (old.hourly, old.assumed) == (good.hourly, True)
    assert good.hourly > DEFAULT_MAJOR


async def test_stale_candles_are_not_taken_for_fresh_ones(market: Market, cache: CandleCache) -> None:
    market.lag = timedelta(hours=3)
    assert (await cache.volatilities(["BTC"], NOW))["BTC"].assumed


async def test_after_a_long_hole_the_history_is_read_anew(market: Market, cache: CandleCache) -> None:
    await cache.volatilities(["BTC"], NOW)
    market.at = NOW + timedelta(days=1)
    pages = len(market.asked)
    found = (await cache.volatilities(["BTC"], market.at))["BTC"]
    assert 2870 <= found.bars <= 2881
    assert market.asked[pages][0] is None


async def test_a_hanging_venue_delays_for_the_patience_only(market: Market, cache: CandleCache) -> None:
    market.gate = asyncio.Event()
    loop = asyncio.get_running_loop()
    started = loop.time()
    found = await cache.volatilities(["BTC"], NOW)
    assert loop.time() - started < 1
    assert found["BTC"].assumed
    await cache.close()


async def test_a_late_answer_serves_the_next_reading(market: Market, cache: CandleCache) -> None:
    market.gate = asyncio.Event()
    assert (await cache.volatilities(["BTC"], NOW))["BTC"].assumed
    market.gate.set()
    assert not (await cache.volatilities(["BTC"], NOW))["BTC"].assumed
    assert len(market.asked) == 3


async def test_what_is_asked_for_is_answered_for(market: Market, cache: CandleCache) -> None:
    market.listed = {"BTC", "ETH"}
    assert set(await cache.volatilities(iter(["BTC", "ETH", "NOPE"]), NOW)) == {"BTC", "ETH", "NOPE"}
    assert await cache.volatilities([], NOW) == {}


async def test_any_reading_error_is_kept_in(
    market: Market, cache: CandleCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def limited(symbol: str, since: int | None, limit: int) -> list[Bar]:
        raise RateLimited("slow down")

    monkeypatch.setattr(market, "bars", limited)
    assert (await cache.volatilities(["BTC"], NOW))["BTC"].assumed


async def test_a_book_of_several_coins_is_measured_against_bitcoin_too(market: Market, cache: CandleCache) -> None:
    market.listed = {"BTC", "ETH", "SOL"}
    found = await cache.volatilities(["ETH", "SOL"], NOW)
    assert set(found) == {"ETH", "SOL"}
    alone = len(market.asked)
    await cache.volatilities(["BTC"], NOW)
    assert len(market.asked) == alone, "bitcoin had been loaded along with them"
