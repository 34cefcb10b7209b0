"""Delivery: at least once, in order, the most endangered first; no chat's trouble is another's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from marginbot.domain.alerting import AlertState, Mute, MuteKind, Reason
from marginbot.domain.grading import Grade
from marginbot.domain.notices import Facts, NewNotice, Notice
from marginbot.domain.outcomes import Moved, TryAgain, Unreachable
from marginbot.flow.deliver import Delivery
from marginbot.flow.ports import Account, Credential, CycleRecord, Person
from tests.builders import Clock
from tests.fakes import FakeMessenger
from tests.flow.conftest import ALICE, BOB, Ledger
from tests.outbox import pending as pending_in

NETWORK = TryAgain("connection reset")
CRITICAL, EMERGENCY, WARNING = Grade.CRITICAL, Grade.EMERGENCY, Grade.WARNING


class Post:
    """A delivery with its outbox; `write` puts notices in as a cycle would."""

    def __init__(self, store: Ledger, clock: Clock) -> None:
        self.store, self.clock, self.messenger = store, clock, FakeMessenger()
        self.delivery = Delivery(store, self.messenger, clock=clock)
        self._numbers: dict[tuple[int, str], int] = {}

    def account(self, person: Person, label: str = "main") -> Account:
        return self.store.add_account(person, person.user_id, "bybit", label, Credential("k", "s"), self.clock.now)

    def write(self, account: Account, grade: Grade, reason: Reason = Reason.WORSENED, *, subject: str = "cross") -> int:
        number = self._numbers[account.id, subject] = self._numbers.get((account.id, subject), 0) + 1
        facts = Facts(label=account.label, exchange="bybit", mode="", reason=reason, at=self.clock.now, grade=grade)
        notice = NewNotice(
            account_id=account.id,
            subject=subject,
            episode=1,
            number=number,
            user_id=account.user_id,
            chat_id=account.chat_id,
            sound=True,
            facts=facts,
        )
        state = AlertState(grade=grade, announced=grade, spoke_at=self.clock.now, episode=1, number=number)
        self.store.record(
            CycleRecord(
                account_id=account.id,
                at=self.clock.now,
                report=None,
                states={subject: state},
                notices=[notice],
                next_due_at=self.clock.now,
            )
        )
        return pending_in(self.store)[-1].id

    async def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.delivery.run()

    @property
    def pending(self) -> Sequence[Notice]:
        return pending_in(self.store)

    def dropped(self) -> dict[int, str]:
        rows = self.store._db.query("SELECT id, drop_reason FROM notices WHERE status = 'dropped'")
        return {row["id"]: row["drop_reason"] for row in rows}


@pytest.fixture
def post(store: Ledger, clock: Clock) -> Post:
    return Post(store, clock)


async def test_what_was_accepted_is_not_sent_again(post: Post) -> None:
    post.write(post.account(ALICE), CRITICAL)
    await post.after(0)
    await post.after(60)
    assert post.messenger.told(11) == ["worsened CRITICAL"]
    assert [notice.attempts for notice in post.messenger.accepted] == [0], "not marked as a repeat"
    assert post.pending == []


async def test_failure_01_not_accepted_stays_pending_and_is_tried_ever_later(post: Post) -> None:
    post.write(post.account(ALICE), CRITICAL)
    post.messenger.script[11] = [NETWORK] * 4
    waits = []
    before = post.clock.now
    for _ in range(40):
        tried = len(post.messenger.tried)
        await post.after(0.5)
        if len(post.messenger.tried) > tried:
            waits.append((post.clock.now - before).total_seconds())
            before = post.clock.now
    assert waits == [0.5, 1, 2, 4, 8]
    assert post.messenger.told(11) == ["worsened CRITICAL"]


async def test_failure_03_it_is_never_given_up(post: Post) -> None:
    post.write(post.account(ALICE), CRITICAL)
    post.messenger.script[11] = [NETWORK] * 100
    for _ in range(110):
        await post.after(61)
    assert post.messenger.told(11) == ["worsened CRITICAL"]
    assert len(post.messenger.tried) == 101


async def test_failure_06_a_flood_wait_is_kept_and_delays_this_chat_alone(post: Post) -> None:
    alice, bob = post.account(ALICE), post.account(BOB)
    post.write(alice, CRITICAL)
    post.messenger.script[11] = [TryAgain("429", timedelta(seconds=35))]
    await post.after(0)
    post.write(alice, EMERGENCY, subject="isolated")
    post.write(bob, WARNING)
    for _ in range(34):
        await post.after(1)
    assert post.messenger.told(11) == []
    assert post.messenger.told(22) == ["worsened WARNING"]
    await post.after(1)
    assert post.messenger.told(11) == ["worsened EMERGENCY", "worsened CRITICAL"]
    assert [notice.chat_id for notice in post.messenger.tried].count(11) == 3


async def test_the_story_of_a_pool_is_told_in_order(post: Post) -> None:
    account = post.account(ALICE)
    post.write(account, WARNING)
    post.write(account, EMERGENCY)
    post.write(account, CRITICAL, Reason.EASED)
    for _ in range(3):
        await post.after(0.1)
    assert post.messenger.told(11) == ["worsened WARNING", "worsened EMERGENCY", "eased CRITICAL"]


async def test_the_worst_account_goes_first(post: Post) -> None:
    calm, bad = post.account(ALICE, "calm"), post.account(ALICE, "bad")
    other = post.account(BOB)
    post.write(calm, Grade.NOTICE)
    post.write(bad, EMERGENCY)
    post.write(other, WARNING)
    await post.after(0)
    assert post.messenger.told(11) == ["worsened EMERGENCY", "worsened NOTICE"]
    assert [notice.chat_id for notice in post.messenger.tried] == [11, 11, 22]


async def test_news_overtaken_while_it_could_not_be_sent_is_dropped_with_a_reason(post: Post) -> None:
    account = post.account(ALICE)
    post.messenger.script[11] = [NETWORK]
    first = post.write(account, WARNING)
    await post.after(0)
    post.write(account, EMERGENCY)
    await post.after(0.1)
    assert post.dropped() == {first: "overtaken"}
    assert post.messenger.told(11) == ["worsened EMERGENCY"]


async def test_old_news_never_tried_is_dropped_only_when_there_is_newer(post: Post) -> None:
    account = post.account(ALICE)
    old = post.write(account, WARNING)
    alone = post.write(account, WARNING, subject="isolated")
    post.clock.advance(31)
    post.write(account, CRITICAL)
    await post.after(0)
    assert post.dropped() == {old: "overtaken"}
    assert alone in [notice.id for notice in post.messenger.accepted]


async def test_danger_that_could_not_be_told_is_told_though_it_eased_meanwhile(post: Post) -> None:
    account = post.account(ALICE)
    post.messenger.script[11] = [NETWORK]
    post.write(account, CRITICAL)
    await post.after(0)
    post.write(account, Grade.OK, Reason.RECOVERED)
    await post.after(1)
    await post.after(1)
    assert post.messenger.told(11) == ["worsened CRITICAL", "recovered OK"]
    assert post.dropped() == {}


async def test_one_pool_s_news_never_overtakes_another_s(post: Post) -> None:
    account = post.account(ALICE)
    for n in range(5):
        post.write(account, WARNING, subject=f"isolated:{n}")
    post.messenger.script[11] = [TryAgain("connection reset", line=True)]
    await post.after(0)
    await post.after(60)
    assert len(post.messenger.accepted) == 5
    assert post.dropped() == {}


async def test_failure_28_a_reminder_is_dropped_when_it_was_acknowledged_before_it_left(post: Post) -> None:
    account = post.account(ALICE)
    reminder = post.write(account, CRITICAL, Reason.REMINDER_DUE)
    post.store.set_mute(account.id, "cross", quiet(CRITICAL, post.clock.now))
    await post.after(0)
    assert post.dropped() == {reminder: "acknowledged"}
    assert post.messenger.tried == []


@pytest.mark.parametrize(
    ("reason", "grade"),
    [
        pytest.param(Reason.REMINDER_DUE, EMERGENCY, id="worse than what was acknowledged"),
        pytest.param(Reason.WORSENED, CRITICAL, id="a change of grade is always told"),
        pytest.param(Reason.RECOVERED, Grade.OK, id="and so is recovery"),
    ],
)
async def test_an_acknowledgement_stops_nothing_else(post: Post, reason: Reason, grade: Grade) -> None:
    account = post.account(ALICE)
    post.write(account, grade, reason)
    post.store.set_mute(account.id, "cross", quiet(CRITICAL, post.clock.now))
    await post.after(0)
    assert post.messenger.told(11) == [f"{reason} {grade.name}"]


async def test_an_acknowledgement_while_another_notice_is_being_sent_still_counts(post: Post) -> None:
    account = post.account(ALICE)
    post.write(account, EMERGENCY, subject="a")
    reminders = []

    def remind_and_acknowledge() -> None:
        reminders.append(post.write(account, CRITICAL, Reason.REMINDER_DUE))
        post.store.set_mute(account.id, "cross", quiet(CRITICAL, post.clock.now))

    post.messenger.while_sending = remind_and_acknowledge
    await post.after(0)
    assert post.messenger.told(11) == ["worsened EMERGENCY"]
    assert post.dropped() == {reminders[0]: "acknowledged"}


async def test_news_that_nothing_can_be_seen_still_is_dropped_when_it_was_acknowledged_while_it_waited(
    post: Post,
) -> None:
    account = post.account(ALICE)
    blind = post.write(account, WARNING, Reason.STILL_BLIND, subject="")
    post.store.set_mute(account.id, "", quiet(WARNING, post.clock.now))
    await post.after(0)
    assert post.dropped() == {blind: "acknowledged"}
    assert post.messenger.tried == []


async def test_failure_02_a_crash_while_sending_repeats_the_notice_as_a_repeat(post: Post) -> None:
    """The process dies after the request left and before its outcome was written: sent again, marked."""
    notice_id = post.write(post.account(ALICE), CRITICAL)
    post.store.begin_attempts([notice_id], post.clock.now, post.clock.now)
    await post.after(20)
    [repeated] = post.messenger.accepted
    assert (repeated.id, repeated.attempts) == (notice_id, 1)
    assert post.pending == []


async def test_the_attempt_is_written_before_the_request_leaves(post: Post) -> None:
    notice_id = post.write(post.account(ALICE), CRITICAL)
    seen: list[int] = []
    post.messenger.while_sending = lambda: seen.extend(n.attempts for n in post.pending if n.id == notice_id)
    await post.after(0)
    assert seen == [1]


async def test_failure_08_an_unreachable_chat_is_not_tried_for_ever_and_loses_nothing_else(post: Post) -> None:
    account = post.account(ALICE)
    post.messenger.script[11] = [Unreachable("bot was blocked by the user")]
    notice_id = post.write(account, CRITICAL)
    for _ in range(5):
        await post.after(60)
    assert len(post.messenger.tried) == 1
    assert post.dropped() == {notice_id: "unreachable"}
    assert [a.label for a in post.store.accounts_of(11)] == ["main"]
    post.write(account, EMERGENCY)
    await post.after(1)
    assert post.messenger.told(11) == ["worsened EMERGENCY"]


async def test_operators_hear_once_of_a_chat_that_takes_nothing_and_anew_after_it_did(post: Post) -> None:
    heard: list[int] = []

    async def hear(notice: Notice) -> None:
        heard.append(notice.id)

    account, blocked = post.account(ALICE), Unreachable("bot was blocked by the user")
    post.delivery.on_lost = hear
    post.messenger.script[11] = [blocked, blocked]
    first = post.write(account, CRITICAL)
    await post.after(60)
    post.write(account, EMERGENCY)
    await post.after(60)
    assert heard == [first]
    post.write(account, EMERGENCY)
    await post.after(60)
    post.messenger.script[11] = [blocked]
    last = post.write(account, EMERGENCY)
    await post.after(60)
    assert heard == [first, last]


async def test_failure_07_a_chat_that_moved_gets_its_notice_under_the_new_id(post: Post) -> None:
    post.write(post.account(ALICE), CRITICAL)
    post.messenger.script[11] = [Moved(-100777)]
    await post.after(0)
    await post.after(0)
    assert post.messenger.told(-100777) == ["worsened CRITICAL"]
    assert post.pending == []


async def test_a_chat_being_worked_is_not_worked_twice(post: Post) -> None:
    post.write(post.account(ALICE), CRITICAL)
    assert post.delivery.dispatch() == 1
    assert post.delivery.dispatch() == 0
    await post.delivery.tasks.settle()
    assert len(post.messenger.tried) == 1


async def test_news_of_a_removed_account_is_not_told(post: Post) -> None:
    post.write(post.account(ALICE), CRITICAL)
    post.store.remove_account(11, "main")
    await post.after(0)
    assert post.messenger.tried == []


def quiet(grade: Grade, now: datetime) -> Mute:
    return Mute(MuteKind.ACKNOWLEDGED, grade, now + timedelta(minutes=15))
