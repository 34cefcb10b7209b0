"""/chart: the picture, its words, and who may see what of it."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from marginbot.bot import charts
from marginbot.bot.build import TelegramSide
from marginbot.bot.calls import Reply
from marginbot.bot.commands import chart as command
from marginbot.bot.commands.chart import chart, parsed
from marginbot.bot.render import to_plain
from marginbot.domain.alerting import Reason
from marginbot.domain.chart import ChartData, Gap, Mark, Price, Sample, Theme
from marginbot.domain.errors import NoSuchAccount, RequestError
from marginbot.domain.grading import DEFAULT_LADDERS, Grade
from marginbot.flow.ports import Account, CycleRecord
from tests.bot.builders import ALICE, BOB, CHARLIE, FLAT, GROUP, UNKNOWN, pool, report
from tests.bot.conftest import Desk
from tests.domain.test_record import telling
from tests.servers.telegram import TelegramServer

PNG = b"\x89PNG\r\n\x1a\n"
START = datetime(2026, 11, 22, 6, tzinfo=UTC)


def seen(desk: Desk, account: Account, minutes: int = 90, **changed: object) -> None:
    """A reading a minute up to now, the latest the worst."""
    for minute in range(minutes, 0, -1):
        ratio = Decimal("0.4") + Decimal(minutes - minute) / Decimal(1000)
        at = desk.clock() - timedelta(minutes=minute)
        found = report(pool(margin_ratio=ratio, cushion=2.0 + minute / 10, **changed), taken_at=at)
        recorded = CycleRecord(
            account_id=account.id, at=at, report=found, states={}, notices=[], next_due_at=desk.clock()
        )
        desk.store.record(recorded)


async def asked(desk: Desk, user_id: int, *args: str, chat_id: int | None = None) -> Reply:
    reply = await chart(desk.call(user_id, *args, chat_id=chat_id), desk.services)
    return await reply.then() if reply.then else reply


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), (None, timedelta(hours=24), None)),
        (("main",), ("main", timedelta(hours=24), None)),
        (("7d",), (None, timedelta(days=7), None)),
        (("light", "MAIN", "2W"), ("MAIN", timedelta(days=14), Theme.LIGHT)),
        (("1y",), (None, timedelta(days=365), None)),
    ],
)
def test_label_period_and_theme_in_any_order(args: tuple[str, ...], expected: tuple[object, ...]) -> None:
    found = parsed(args)
    assert (found.label, found.period, found.theme) == expected


@pytest.mark.parametrize("args", [("a", "b"), ("1d", "2d"), ("light", "dark"), ("2y",), ("9999d",)])
def test_too_much_is_refused(args: tuple[str, ...]) -> None:
    with pytest.raises(RequestError):
        parsed(args)


async def test_a_picture_with_its_words(desk: Desk) -> None:
    seen(desk, desk.add())
    reply = await asked(desk, ALICE, "main", "2h", "light")
    assert reply.picture is not None and reply.picture.startswith(PNG)
    told = to_plain(reply.html)
    assert "main · bybit · last 2 h" in told
    assert "At worst: ratio 48.9%, cushion 2.1x" in told


async def test_without_a_label_the_worst_account_is_drawn(desk: Desk) -> None:
    calm, bad = desk.add(label="calm"), desk.add(label="bad")
    seen(desk, calm)
    seen(desk, bad)
    reply = await asked(desk, ALICE)
    assert "The worst of 2 accounts" in to_plain(reply.html)


async def test_what_was_not_seen_is_not_drawn(desk: Desk) -> None:
    account = desk.add()
    assert (await asked(desk, ALICE)).picture is None
    assert "Nothing is known" in (await asked(desk, ALICE)).html
    desk.store.gather(account.id, report(UNKNOWN, taken_at=desk.clock()))
    assert "Nothing is known" in (await asked(desk, ALICE)).html
    desk.clock.ahead = timedelta(days=2)
    desk.store.gather(account.id, report(FLAT, taken_at=desk.clock()))
    assert "had no position" in (await asked(desk, ALICE)).html


async def test_an_account_with_no_history_and_none_at_all(desk: Desk) -> None:
    assert "/add" in (await asked(desk, ALICE)).html
    assert "/share" in (await asked(desk, ALICE, chat_id=GROUP)).html


async def test_a_stranger_sees_nothing_of_anybody(desk: Desk) -> None:
    seen(desk, desk.add(ALICE))
    for user_id in (BOB, CHARLIE):
        assert (await asked(desk, user_id)).picture is None
        with pytest.raises(NoSuchAccount):
            await asked(desk, user_id, "main")
        with pytest.raises(NoSuchAccount):
            await asked(desk, user_id, "main", chat_id=GROUP)


@pytest.mark.parametrize("amounts", [False, True])
async def test_a_group_sees_what_was_shared_and_prices_only_with_amounts(desk: Desk, amounts: bool) -> None:
    account = desk.add(ALICE)
    seen(desk, account)
    desk.store.share(GROUP, account.id, amounts=amounts, now=desk.clock())
    drawn: list[ChartData] = []
    easel = desk.services.easel

    class Watching:
        async def draw(self, prepare, theme):  # type: ignore[no-untyped-def]
            data, picture = await easel.draw(prepare, theme)
            drawn.append(data)
            return data, picture

    services = replace(desk.services, easel=Watching())  # type: ignore[arg-type]
    reply = await chart(desk.call(CHARLIE, "main", "2h", chat_id=GROUP), services)
    assert reply.then is not None
    said = await reply.then()
    assert said.picture is not None
    assert "USDT" not in said.html
    assert (drawn[0].price is not None) is amounts


async def test_of_very_many_pools_those_told_of_and_the_worst_are_drawn(desk: Desk) -> None:
    account = desk.add()
    pools = [pool(name=f"isolated:{n}", cushion=1.0 + n) for n in range(40)]
    found = report(*pools, taken_at=desk.clock())
    desk.store.record(
        CycleRecord(
            account_id=account.id, at=desk.clock(), report=found, states={}, notices=[], next_due_at=desk.clock()
        )
    )
    standing = desk.store.standing(account)
    told = [replace(telling(Reason.WORSENED, Grade.CRITICAL, 0), subject="isolated:39")]
    drawn = command.most_telling(desk.store.pools(account.id), standing, told)
    assert drawn == ["isolated:39", *(f"isolated:{n}" for n in range(7))]
    assert "Of 40 pools 8 are drawn" in to_plain((await asked(desk, ALICE)).html)


async def test_the_picture_arrives_as_a_photo(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    seen(desk, desk.add())
    sent = tg.private(ALICE, "/chart main 2h")
    message = await tg.wait_for(ALICE, "At worst", 20.0, after=sent)
    assert message.kind == "photo"
    assert message.file is not None and message.file.data.startswith(PNG)
    assert message.parse_mode == "HTML"


async def test_where_a_photo_is_refused_the_words_arrive(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    seen(desk, desk.add())
    tg.faults.add("sendPhoto", ALICE, kind="400")
    sent = tg.private(ALICE, "/chart main 2h")
    message = await tg.wait_for(ALICE, "At worst", 20.0, after=sent)
    assert message.kind == "text"


def sample_data(theme_price: bool = True) -> ChartData:
    """Everything that can be in a picture, odd values among them."""
    times = [START + timedelta(minutes=m) for m in range(120)]
    ratio = [Sample(t, 0.2, 0.3 + 0.2 * math.sin(n / 9)) for n, t in enumerate(times)]
    ratio[7] = Sample(times[7], 0.2, float("inf"))
    ratio[20] = ratio[22] = Sample(times[20], None, None)
    prices = [Sample(t, 0.00001234, 0.00001240) for t in times]
    return ChartData(
        title="$x_1$ · bybit",
        since=START,
        until=START + timedelta(hours=2),
        ladders=DEFAULT_LADDERS,
        ratio=ratio,
        cushion=[Sample(t, 0.01 if n % 7 else 5000.0, 5000.0) for n, t in enumerate(times)],
        gaps=[Gap(times[40], times[60])],
        marks=[Mark(times[5], "C", int(Grade.CRITICAL)), Mark(times[70], "R", 0)],
        price=Price(symbol="$PEPE/USDT:USDT long", mark=prices, liquidation=prices) if theme_price else None,
        seen=True,
    )


@pytest.mark.parametrize("theme", list(Theme))
@pytest.mark.parametrize("priced", [True, False])
def test_every_kind_of_content_can_be_drawn_without_a_warning(theme: Theme, priced: bool) -> None:
    assert charts.png(sample_data(priced), theme).startswith(PNG)


@pytest.mark.parametrize(
    ("label", "shown"), [("main", "main"), ("主账户", "account"), ("a\u202eb", "ab"), ("$1_2$", "$1_2$")]
)
def test_a_label_is_drawn_as_far_as_the_font_goes(label: str, shown: str) -> None:
    assert command.drawable(label) == shown
