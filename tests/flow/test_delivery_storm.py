"""The outbox in a market crash, in simulated time: the real database and client, and a Telegram that has a bad day.

Nothing in here depends on how fast the machine is. What a burst costs in real time is measured by
`bench/delivery_burst.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from marginbot.bot.messenger import TelegramMessenger
from marginbot.domain.alerting import Reason
from marginbot.domain.grading import Grade
from marginbot.flow.deliver import MOST_IN_FLIGHT, Delivery
from marginbot.flow.escalation import Escalation
from marginbot.flow.ports import Account, Person
from marginbot.store.sqlite_store import open_store
from tests.flow.test_escalation import FakeRinger
from tests.post_office import Post
from tests.simulated import ONE_WAY, SimulatedLoop, SimulatedTelegram, simulated

CRITICAL, WARNING, NOTICE = Grade.CRITICAL, Grade.WARNING, Grade.NOTICE
FLOODED, BLOCKED = 501, 502
USERS = range(1, 21)
TICK = 0.5  # of the jobs that look after delivery and escalation


@dataclass
class Storm(Post):
    """A post office in simulated time."""

    loop: SimulatedLoop
    escalation: Escalation
    ringer: FakeRinger
    telegram: SimulatedTelegram

    async def pass_time(self, seconds: float) -> None:
        """The scheduler's jobs at work."""
        end = self.loop.time() + seconds
        while self.loop.time() < end:
            self.delivery.dispatch()
            self.escalation.dispatch()
            await asyncio.sleep(TICK)


@pytest.fixture
def storm() -> Iterator[Storm]:
    yield from stormy()


def stormy(seed: int = 1) -> Iterator[Storm]:
    loop = SimulatedLoop()
    store, telegram, ringer = open_store(":memory:", bytes(range(32))), SimulatedTelegram(loop, seed=seed), FakeRinger()
    telegram.limits = True
    delivery = Delivery(store, TelegramMessenger(telegram.client()), clock=loop.now)
    escalation = Escalation(store, ringer, clock=loop.now)
    yield Storm(
        telegram,  # type: ignore[arg-type]
        store,
        delivery,
        loop.now,  # type: ignore[arg-type]
        loop=loop,
        escalation=escalation,
        ringer=ringer,
        telegram=telegram,
    )
    store.close()
    loop.close()


def heads(storm: Storm, chat_id: int) -> list[str]:
    """The grades told to a chat in order, each repeat once."""
    told: list[str] = []
    for text in storm.telegram.texts(chat_id):
        grade = text.split(" · ")[0].split()[-1]
        if not (told and told[-1] == grade and "(may be a repeat)" in text):
            told.append(grade)
    return told


async def live_through(storm: Storm) -> float:
    """Half the story before Telegram goes away for a minute, half of it meanwhile; when it came back."""
    storm.telegram.share = 0.3
    storm.telegram.faults.add("sendMessage", FLOODED, kind="429", retry_after=300)
    storm.telegram.block(BLOCKED)
    accounts = {user: storm.account(user) for user in (*USERS, FLOODED, BLOCKED)}
    other_way(storm, accounts[BLOCKED])
    for user, account in accounts.items():
        storm.write(account, WARNING, 1, cushion=user / 10)
    await storm.pass_time(20)
    storm.telegram.is_out = True
    for user, account in accounts.items():
        storm.write(account, CRITICAL, 2, cushion=user / 10)
    await storm.pass_time(60)
    storm.telegram.is_out = False
    return storm.loop.time()


def other_way(storm: Storm, account: Account) -> None:
    """A further channel, which would be rung half an hour later if Telegram reached its owner."""
    owner, half_an_hour = Person(account.user_id, "Blocked"), timedelta(minutes=30)
    storm.store.add_channel(owner, "one", "one", from_grade=CRITICAL, delay=half_an_hour, now=storm.loop.now())


@pytest.mark.parametrize(
    ("share", "silence"),
    [
        pytest.param(0.0, 0.0, id="well again"),
        pytest.param(0.3, 0.0, id="three in ten go wrong as before"),
        pytest.param(0.3, 10.0, id="three in ten go wrong, and lost answers are waited for"),
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_a_bad_day_loses_nothing_and_holds_up_nobody_for_another(seed: int, share: float, silence: float) -> None:
    for storm in stormy(seed):
        simulated(bad_day(storm, share, silence), storm.loop)


async def bad_day(storm: Storm, share: float, silence: float) -> None:
    back_at = await live_through(storm)
    storm.telegram.share, storm.telegram.silence = share, silence
    await storm.pass_time(10)
    for user in USERS:
        first = next(c.at for c in storm.telegram.accepted(user) if "CRITICAL" in str(c.params["text"]))
        assert first - back_at <= 2.0, "everybody else's alarm, soon after the end"
        assert heads(storm, user) == ["WARNING", "CRITICAL"], "each story in order"
    assert storm.telegram.messages(FLOODED) == []
    assert [url for url, _ in storm.ringer.rung] == ["one"], "who cannot be reached here is rung elsewhere, at once"
    await storm.pass_time(300)
    assert heads(storm, FLOODED)[-1] == "CRITICAL", "served after its wait"
    assert storm.store.count_pending() == 0
    rows = storm.store._db.conn.execute("SELECT DISTINCT chat_id, drop_reason FROM notices WHERE status = 'dropped'")
    assert set(rows.fetchall()) <= {(BLOCKED, "unreachable"), (BLOCKED, "overtaken"), (FLOODED, "overtaken")}
    assert storm.telegram.violations == []


@pytest.mark.parametrize(
    ("grade", "tried_at"),
    [
        pytest.param(CRITICAL, [0.0, 4.2, 12.6], id="urgent: soon, then ever more patient"),
        pytest.param(WARNING, [0.0, 10.25, 20.75], id="as long as the library waits"),
    ],
)
def test_an_answer_that_does_not_come_is_waited_for_less_long_where_it_is_urgent(
    storm: Storm, grade: Grade, tried_at: list[float]
) -> None:
    simulated(unanswered(storm, grade), storm.loop)
    assert [call.at - ONE_WAY for call in storm.telegram.calls()][:3] == pytest.approx(tried_at, abs=0.3)


async def unanswered(storm: Storm, grade: Grade) -> None:
    storm.telegram.share, storm.telegram.kinds, storm.telegram.silence = 1.0, ("lost",), 10.0
    storm.write(storm.account(1), grade)
    await storm.pass_time(22)
    await storm.delivery.stop(0.0)


def test_a_thousand_in_danger_at_once_are_told_at_the_service_s_rate_the_most_endangered_first(storm: Storm) -> None:
    simulated(thousand(storm), storm.loop)


async def thousand(storm: Storm) -> None:
    storm.backlog(1_000, CRITICAL, first=1)
    cushions = {line.chat_id: line.cushion or 0.0 for line in storm.store.pending_lines(0)}
    storm.delivery.dispatch()
    await storm.pass_time(40)
    assert storm.store.count_pending() == 0
    calls = storm.telegram.calls("sendMessage")
    assert {call.outcome for call in calls} == {"ok"}, "no 429 provoked"
    assert calls[-1].at <= 1_000 / 27, "nearly at the service's limit of 30 a second"
    assert calls[99].at - ONE_WAY < 5.0, "from reading to request"
    order = [cushions[call.params["chat_id"]] for call in calls]
    ranks = {cushion: rank for rank, cushion in enumerate(sorted(order))}
    assert max(abs(place - ranks[cushion]) for place, cushion in enumerate(order)) <= MOST_IN_FLIGHT


def test_ten_thousand_pieces_of_calm_news_delay_an_alarm_by_less_than_a_second(storm: Storm) -> None:
    simulated(behind_ten_thousand(storm), storm.loop)


MULTIPLIED = (
    "INSERT INTO people (user_id, name, private_chat_id) SELECT n, 'U', n FROM numbers",
    "INSERT INTO accounts (id, user_id, exchange, label, label_key, created_at) "
    "SELECT n, n, exchange, label, label_key, created_at FROM accounts, numbers WHERE id = 1",
    "INSERT INTO notices (account_id, subject, episode, number, user_id, chat_id, sound, facts, created_at) "
    "SELECT m, subject, episode, number, m, m, sound, facts, created_at FROM notices, (SELECT n AS m FROM numbers) "
    "WHERE account_id = 1",
)


def calm_backlog(storm: Storm, count: int) -> None:
    """A notice for each of so many people: one that was written as ever, and its copies."""
    storm.write(storm.account(99_999), NOTICE)
    numbers = f"WITH RECURSIVE numbers AS (SELECT 100001 AS n UNION ALL SELECT n + 1 FROM numbers LIMIT {count - 1}) "
    for statement in MULTIPLIED:
        storm.store._db.conn.execute(numbers + statement)
    assert storm.store.count_pending() == count


async def behind_ten_thousand(storm: Storm) -> None:
    calm_backlog(storm, 10_000)
    alarmed = [storm.account(user) for user in range(1, 11)]
    await storm.pass_time(3)
    for account in alarmed:
        written = storm.loop.time()
        storm.write(account, CRITICAL)
        storm.delivery.dispatch()
        await asyncio.sleep(1.3)
        [call] = storm.telegram.accepted(account.chat_id)
        assert call.at - written < 1.0
    assert storm.store.count_pending() > 9_000, "the backlog was there all the while"
    assert {call.outcome for call in storm.telegram.calls()} == {"ok"}, "no 429 provoked"
    await storm.delivery.stop(1.0)


def test_a_person_with_many_accounts_in_danger_gets_one_message(storm: Storm) -> None:
    simulated(one_message(storm), storm.loop)


async def one_message(storm: Storm) -> None:
    for n in range(5):
        storm.write(storm.account(7, f"account-{n}"), CRITICAL, cushion=5 - n)
    storm.write(storm.account(7, "watched"), WARNING, reason=Reason.FIRST_SIGHT)
    await storm.delivery.run()
    [message] = storm.telegram.messages(7)
    assert message.text.startswith("🔴 CRITICAL · account-4")
    assert [f"account-{n}" in message.text for n in range(5)] == [True] * 5
    assert "WARNING · watched" in message.text
    assert storm.store.count_pending() == 0
