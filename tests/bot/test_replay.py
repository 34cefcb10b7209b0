"""/replay: would one have been warned, in words and as a picture; and who may ask, for what, how often."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from marginbot.bot import render_replay
from marginbot.bot.build import TelegramSide
from marginbot.bot.calls import Reply
from marginbot.bot.commands.replay import drawn, replay
from marginbot.bot.render import to_plain
from marginbot.domain.errors import KeyRefused, LimitReached, MarginbotError, NoSuchAccount, RequestError
from marginbot.domain.grading import DEFAULT_LADDERS, Grade, Ladders
from marginbot.domain.history import Point
from marginbot.domain.margin import Snapshot
from marginbot.domain.volatility import Bar
from marginbot.flow.hindsight import Past, PastPool
from marginbot.flow.ports import Account, Credential, Person
from marginbot.lookback import LookBack, spec_for
from marginbot.sim.book import Account as BookAccount
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import Market
from marginbot.sim.spec import BadSpec
from tests import builders as make
from tests.bot import golden
from tests.bot.builders import ALICE, BOB, CHARLIE
from tests.bot.conftest import Desk
from tests.exchanges.kit import KEY, SECRET, assert_paged, falling_day, now, reading
from tests.servers.base import wall_clock_ms
from tests.servers.telegram import TelegramServer
from tests.sim.books import wallets

PNG = b"\x89PNG\r\n\x1a\n"
DAY = datetime(2025, 10, 10, tzinfo=UTC)
ACCOUNT = Account(id=1, user_id=ALICE, chat_id=ALICE, exchange="bybit", label="main", created_at=DAY)


def ten_times(*coins: str) -> Snapshot:
    """Ten times the equity, in so many coins."""
    share = str(100_000 // max(1, len(coins)))
    return make.snapshot(make.pool(*(make.position(coin, notional=share) for coin in coins), equity="10000"))


def falling(hours: float, to: float) -> list[Bar]:
    """Two calm days and one that falls evenly, within so many hours, from 100 to a price where it stays."""
    start, steps = int((DAY - timedelta(days=2)).timestamp() * 1000), round(hours * 60)
    calm = [100.0, 100.1] * 1440
    fall = [100 - (100 - to) * min(1.0, n / steps) for n in range(1440)]
    return [Bar(start + n * 60_000, price, price, price, price) for n, price in enumerate([*calm, *fall])]


async def asked(desk: Desk, user_id: int, *args: str) -> Reply:
    reply = await replay(desk.call(user_id, *args), desk.services)
    assert reply.then is not None
    assert "can take a minute" in reply.html
    return await reply.then()


async def test_the_day_it_would_have_died(desk: Desk) -> None:
    desk.add()
    desk.reader.answer, desk.reader.past = ten_times("BTC"), falling(10, 85)
    reply = await asked(desk, ALICE, "main", "2025-10-10")
    told = to_plain(reply.html)
    assert reply.picture is not None and reply.picture.startswith(PNG)
    assert "main · bybit · 10 Oct 2025" in told
    assert "💀 cross USDT\nliquidated 10 Oct 06:22 UTC" in told
    assert "emergency 0" in told and "before" in told


async def test_fetching_prices_tells_how_far_it_is(desk: Desk) -> None:
    desk.reader.past = falling(10, 85)
    heard: list[tuple[int, int]] = []
    await spec_for(
        desk.reader,
        "bybit",
        ten_times("BTC", "ETH"),
        period=(DAY, DAY + timedelta(days=1)),
        poll=30,
        now=desk.clock(),
        progress=lambda done, total: heard.append((done, total)),
    )
    assert heard == [(0, 2), (1, 2)]


async def test_the_day_it_would_have_outlived(desk: Desk) -> None:
    desk.add()
    desk.reader.answer, desk.reader.past = ten_times("BTC"), falling(10, 95)
    told = to_plain((await asked(desk, ALICE, "main", "2025-10-10")).html)
    assert "✅ cross USDT\nnot liquidated" in told
    assert "at worst ratio 9.5%" in told
    assert "liquidated 10" not in told


async def test_days_that_are_only_known_in_part_are_named(desk: Desk) -> None:
    desk.add()
    desk.reader.answer, desk.reader.past = ten_times("BTC"), falling(10, 95)
    told = to_plain((await asked(desk, ALICE, "main", "2025-10-09..2025-10-11")).html)
    assert "there are candles only from 09 Oct 00:00 to 11 Oct 00:00 UTC" in told
    assert "candles only" not in to_plain((await asked(desk, ALICE, "main", "2025-10-10")).html)


async def test_the_owners_own_thresholds_decide(desk: Desk) -> None:
    account = desk.add()
    desk.reader.answer, desk.reader.past = ten_times("BTC"), falling(10, 97)
    before = to_plain((await asked(desk, ALICE, "main", "2025-10-10")).html)
    jumpy = Ladders(ratio=(0.01, 0.02, 0.03, 0.04), cushion=DEFAULT_LADDERS.cushion)
    desk.store.set_ladders(ALICE, account.label, jumpy)
    after = to_plain((await asked(desk, ALICE, "main", "2025-10-10")).html)
    assert "emergency once" in after
    assert "emergency once" not in before


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        ((), RequestError, "/replay main 2025-10-10"),
        (("main",), RequestError, "/replay main 2025-10-10"),
        (("other", "2025-10-10"), NoSuchAccount, "no account of that label"),
        (("main", "yesterday"), BadSpec, "is not a period"),
        (("main", "2025-10-01..2025-10-15"), BadSpec, "two weeks"),
    ],
)
async def test_what_cannot_be_meant_is_refused_at_once(
    desk: Desk, args: tuple[str, ...], error: type[MarginbotError], words: str
) -> None:
    desk.add()
    with pytest.raises(error) as raised:
        await replay(desk.call(ALICE, *args), desk.services)
    assert words in raised.value.advice
    assert desk.reader.asked == []


async def test_the_account_of_somebody_else_is_not_known(desk: Desk) -> None:
    desk.add(ALICE)
    for stranger in (BOB, CHARLIE):
        with pytest.raises(NoSuchAccount):
            await replay(desk.call(stranger, "main", "2025-10-10"), desk.services)


async def test_why_nothing_can_be_replayed_is_told(desk: Desk) -> None:
    desk.add()
    desk.reader.answer = KeyRefused("401")
    with pytest.raises(RequestError, match="key_refused") as refused:
        await asked(desk, ALICE, "main", "2025-10-10")
    assert refused.value.advice == KeyRefused.advice
    desk.reader.answer = ten_times("BTC")
    with pytest.raises(BadSpec) as raised:
        await asked(desk, ALICE, "main", "2025-10-10")
    assert raised.value.advice == "The exchange gives no candles of BTC for these days."
    desk.reader.answer = make.snapshot(make.pool(equity="5"))
    with pytest.raises(BadSpec) as raised:
        await asked(desk, ALICE, "main", "2025-10-10")
    assert "no position" in raised.value.advice


async def test_so_many_candles_that_the_watch_would_suffer_are_not_fetched(desk: Desk) -> None:
    desk.add()
    desk.reader.answer = ten_times(*(f"C{n}" for n in range(20)))
    with pytest.raises(RequestError) as raised:
        await asked(desk, ALICE, "main", "2025-10-01..2025-10-14")
    assert raised.value.advice.endswith("ask for 2 days at most.")


async def test_one_at_a_time_and_not_too_many_in_a_row(desk: Desk) -> None:
    desk.add()
    desk.reader.gate = asyncio.Event()
    call = desk.call(ALICE, "main", "2025-10-10")
    first, second = await replay(call, desk.services), await replay(call, desk.services)
    assert first.then is not None and second.then is not None
    under_way = asyncio.ensure_future(first.then())
    await asyncio.sleep(0)
    for again in (second.then, lambda: replay(call, desk.services)):
        with pytest.raises(LimitReached, match="one at a time"):
            await again()
    desk.reader.gate.set()
    desk.reader.answer = KeyRefused("401")
    with pytest.raises(RequestError, match="key_refused"):
        await under_way
    for _ in range(2):
        await replay(call, desk.services)
    with pytest.raises(LimitReached, match="in a row"):
        await replay(call, desk.services)


async def test_the_picture_arrives_in_the_chat(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    desk.add()
    desk.reader.answer, desk.reader.past = ten_times("BTC"), falling(2, 85)
    sent = tg.private(ALICE, "/replay main 2025-10-10")
    message = await tg.wait_for(ALICE, "liquidated", 20.0, after=sent)
    assert message.kind == "photo"
    bad = tg.private(ALICE, "/replay main <b>")
    assert "is not a period" in (await tg.wait_for(ALICE, "period", after=bad)).text


def past_pool(name: str, breach: float | None, *alerts: tuple[float, Grade]) -> PastPool:
    """Alerts and the end by the hour of the day; the last climb is all there is after the last calm."""

    def at(hours: float) -> datetime:
        return DAY + timedelta(hours=hours)

    calm = max((hour for hour, grade in alerts if grade is Grade.OK), default=-1.0)
    climb = {grade: at(hour) for hour, grade in alerts if hour > calm}
    point = Point(at=DAY, until=DAY, grade=Grade.OK, ratio_high=0.62, ratio_low=0.62, cushion_low=1.3)
    return PastPool(
        name=name,
        breach_at=None if breach is None else at(breach),
        announced={g: climb.get(g) for g in (Grade.NOTICE, Grade.WARNING, Grade.CRITICAL, Grade.EMERGENCY)},
        alerts=[(at(hour), grade) for hour, grade in alerts],
        lines=[[point]],
    )


PAST = Past(
    since=DAY,
    until=DAY + timedelta(days=2),
    pause=timedelta(seconds=30),
    ladders=DEFAULT_LADDERS,
    pools=[
        past_pool("isolated:ETH/USDT:USDT:long", None, (1.5, Grade.NOTICE), (9, Grade.OK), (12, Grade.NOTICE)),
        past_pool("cross:USDC", 30),
        past_pool(
            "cross:USDT",
            21.25,
            (3, Grade.WARNING),
            (5, Grade.OK),
            (17.5, Grade.NOTICE),
            (20.5, Grade.WARNING),
            (21, Grade.CRITICAL),
            (21.24, Grade.EMERGENCY),
        ),
    ],
    notes=["cross:BTC: left out whole, because of <BTC/USD:BTC>"],
)


def test_what_it_says_word_for_word() -> None:
    golden.check("replay_begun", render_replay.begun(ACCOUNT, (PAST.since, PAST.until)))
    golden.check("replay", render_replay.past(ACCOUNT, PAST, legend=True))


def test_the_picture_ends_where_the_last_pool_does() -> None:
    gone = replace(PAST, pools=PAST.pools[1:])
    assert drawn(ACCOUNT, PAST).until == PAST.until
    assert PAST.until > drawn(ACCOUNT, gone).until > DAY + timedelta(hours=30)
    assert [mark.letter for mark in drawn(ACCOUNT, gone).marks] == ["W", "R", "N", "L", "L"]


def test_a_single_position_shows_where_it_would_be_liquidated() -> None:
    point = Point(
        at=DAY, until=DAY, grade=Grade.OK, symbol="BTC long", mark_low=100.0, mark_high=100.0, liquidation=90.5
    )
    alone = replace(PAST, pools=[replace(PAST.pools[0], lines=[[point]])])
    price = drawn(ACCOUNT, alone).price
    assert price is not None and [s.low for s in price.liquidation if s.low is not None] == [90.5]
    assert drawn(ACCOUNT, PAST).price is None


def test_a_skipped_grade_is_told_at_its_worst() -> None:
    jump = past_pool("cross:USDT", 2, (1, Grade.CRITICAL))
    at = DAY + timedelta(hours=1)
    announced = {Grade.NOTICE: at, Grade.WARNING: at, Grade.CRITICAL: at, Grade.EMERGENCY: None}
    told = render_replay.past(ACCOUNT, replace(PAST, pools=[replace(jump, announced=announced)]), legend=False)
    assert "critical 01:00 UTC" in told and "warning 0" not in told
    assert told.count(" before</b>") == 1


async def test_the_past_comes_page_by_page_from_the_exchange_itself(desk: Desk) -> None:
    """The real client at a loopback exchange: half a bitcoin at 20x goes under in the fall of that day."""
    market = Market()
    account = BookAccount(market, wallets(USDT="3000"))
    account.open("BTCUSDT", make.D("0.5"))
    async with SimulatedExchange(market, wall_clock_ms, candles=falling_day) as server:
        server.add_key(KEY, SECRET, account)
        async with reading(server.url, "binanceusdm") as reader:
            desk.store.add_account(
                Person(ALICE, "Alice"), ALICE, "binanceusdm", "real", Credential(KEY, SECRET), desk.clock()
            )
            hindsight = LookBack(reader=reader, store=desk.store, clock=now, poll=timedelta(seconds=30))
            services = replace(desk.services, hindsight=hindsight)
            asking = await replay(desk.call(ALICE, "real", "2025-10-10"), services)
            assert asking.then is not None
            reply = await asking.then()
    told = to_plain(reply.html)
    assert "💀 cross USDT\nliquidated 10 Oct 01:37" in told, told
    assert reply.picture is not None and reply.picture.startswith(PNG)
    assert_paged(server)
