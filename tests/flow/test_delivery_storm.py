"""The outbox in a market crash: the real database and messenger, and a Telegram that has a bad day."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from marginbot.domain.alerting import Reason
from marginbot.domain.grading import Grade
from tests.post_office import Post, post_office
from tests.servers.telegram import Fault, TelegramServer
from tests.servers.telegram_faults import Faults

CRITICAL, WARNING, NOTICE = Grade.CRITICAL, Grade.WARNING, Grade.NOTICE
FLOODED, BLOCKED = 501, 502
USERS = range(1, 11)


class BadDay(Faults):
    """Beside what is arranged, a share of all requests goes wrong, one way or another."""

    def __init__(self, share: float, seed: int) -> None:
        super().__init__()
        self.share = share
        self._random = random.Random(seed)

    def hit(self, method: str, chat_id: object) -> Fault | None:
        if arranged := super().hit(method, chat_id):
            return arranged
        if method != "sendMessage" or self._random.random() >= self.share:
            return None
        kind = self._random.choice(("500", "502", "reset", "reset_after"))
        fault = self.add(method, times=0, kind=kind)  # type: ignore[arg-type]
        self.remove(fault)
        return fault


async def until(found: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def heads(tg: TelegramServer, chat_id: int) -> list[str]:
    """The grades told to a chat in order, each repeat once."""
    told: list[str] = []
    for text in tg.texts(chat_id):
        grade = text.split(" · ")[0].split()[-1]
        if not (told and told[-1] == grade and "(may be a repeat)" in text):
            told.append(grade)
    return told


async def live_through_the_outage(post: Post, faults: BadDay) -> float:
    """Half the story before Telegram goes away, half of it meanwhile; when it came back."""
    accounts = {user: post.account(user) for user in (*USERS, FLOODED, BLOCKED)}
    for user, account in accounts.items():
        post.write(account, WARNING, 1, cushion=user / 10)
        post.delivery.dispatch()
    # Recorded, not only arrived: an attempt whose answer was lost would be overtaken by what comes now.
    await until(lambda: waiting(post) <= {FLOODED}, 20, "the warnings")
    outage = faults.add("*", times=None, kind="reset")
    for user, account in accounts.items():
        post.write(account, CRITICAL, 2, cushion=user / 10)
        post.delivery.dispatch()
    await asyncio.sleep(3.0)
    faults.remove(outage)
    faults.share = 0.0
    return time.monotonic()


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_bad_day_loses_nothing_and_holds_up_nobody_for_another(tmp_path: Path, seed: int) -> None:
    async with post_office(tmp_path / "bot.db") as post:
        faults = post.tg.faults = BadDay(0.3, seed)
        faults.add("sendMessage", FLOODED, kind="429", retry_after=300)
        post.tg.block(BLOCKED)
        back_at = await live_through_the_outage(post, faults)
        await until(lambda: all("CRITICAL" in heads(post.tg, u) for u in USERS), 5, "the alarms after the outage")
        accepted = {c.params["chat_id"]: c.at for c in post.tg.calls("sendMessage") if c.outcome == "ok"}
        latest = max(accepted[user] for user in USERS) - back_at
        assert latest < 2.0
        for user in USERS:
            assert heads(post.tg, user) == ["WARNING", "CRITICAL"], "each subject's story in order"
        assert post.tg.messages(FLOODED) == []
        await until(lambda: waiting(post) == {FLOODED}, 3, "nothing else left to do")
        post.clock.ahead = timedelta(seconds=301)
        post.delivery.dispatch()
        await until(lambda: post.store.count_pending() == 0, 5, "the flooded chat after its wait")
        assert heads(post.tg, FLOODED) == ["CRITICAL"], "what was overtaken in five minutes is not told any more"
        assert dropped(post) <= {
            (BLOCKED, "unreachable"),
            (BLOCKED, "overtaken"),
            (FLOODED, "overtaken"),
        }, "nothing of the others was given up"


def waiting(post: Post) -> set[int]:
    return {line.chat_id for line in post.store.pending_lines(0)}


def dropped(post: Post) -> set[tuple[int, str]]:
    rows = post.store._db.conn.execute("SELECT chat_id, drop_reason FROM notices WHERE status = 'dropped'")
    return set(rows.fetchall())


async def test_three_hundred_in_danger_at_once_the_most_endangered_first_and_no_flood_wait(tmp_path: Path) -> None:
    async with post_office(tmp_path / "bot.db", limits=True) as post:
        post.backlog(300, CRITICAL, first=1)
        cushions = {line.chat_id: line.cushion or 0.0 for line in post.store.pending_lines(0)}
        began = time.monotonic()
        post.delivery.dispatch()
        await until(lambda: post.store.count_pending() == 0, 20, "everybody told")
        took = time.monotonic() - began
        calls = post.tg.calls("sendMessage")
        assert [call.outcome for call in calls if call.outcome != "ok"] == [], "no 429 provoked"
        order = [cushions[call.params["chat_id"]] for call in calls]
        assert statistics.fmean(order[:100]) < statistics.fmean(order[100:200]) < statistics.fmean(order[200:])
        displaced = sorted(abs(place - sorted(order).index(cushion)) for place, cushion in enumerate(order))
        assert displaced[284] <= 8, "nineteen in twenty are out of order by no more than what is in flight"
        assert calls[99].at - began < 5.0
        assert 300 / took > 15, "29 on a machine with nothing else to do"


async def test_a_backlog_of_calm_news_delays_an_alarm_by_less_than_a_second(tmp_path: Path) -> None:
    async with post_office(tmp_path / "bot.db", limits=True) as post:
        post.backlog(1_500)
        post.delivery.dispatch()
        await asyncio.sleep(1.0)
        dwells = []
        for user in range(1, 6):
            account = post.account(user)
            began = time.monotonic()
            post.write(account, CRITICAL)
            post.delivery.dispatch()
            await post.tg.wait_for(user, "CRITICAL")
            dwells.append(time.monotonic() - began)
            await asyncio.sleep(0.2)
        assert max(dwells) < 1.0, dwells
        assert post.store.count_pending() > 1_000, "the backlog was there all the while"
        assert all(call.outcome == "ok" for call in post.tg.calls("sendMessage")), "no 429 provoked"


async def test_a_person_with_many_accounts_in_danger_gets_one_message(tmp_path: Path) -> None:
    async with post_office(tmp_path / "bot.db", limits=True) as post:
        for n in range(5):
            post.write(post.account(7, f"account-{n}"), CRITICAL, cushion=5 - n)
        post.write(post.account(7, "watched"), WARNING, reason=Reason.FIRST_SIGHT)
        await post.delivery.run()
        [message] = post.tg.messages(7)
        assert message.text.startswith("🔴 CRITICAL · account-4")
        assert [f"account-{n}" in message.text for n in range(5)] == [True] * 5
        assert "WARNING · watched" in message.text
        assert post.store.count_pending() == 0
