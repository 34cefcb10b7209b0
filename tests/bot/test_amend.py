"""An episode's message is changed in place as it eases, is acknowledged, and ends; what gets worse is a new one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from marginbot.domain.alerting import Mute, MuteKind, Reason
from marginbot.domain.grading import Grade
from marginbot.flow.deliver import LEASE
from tests.post_office import POOL, Post, post_office

CRITICAL, WARNING, EMERGENCY = Grade.CRITICAL, Grade.WARNING, Grade.EMERGENCY


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with post_office(tmp_path / "bot.db") as opened:
        yield opened


async def delivered(post: Post) -> list[str]:
    """Everything that may leave has left; the first lines of the chat."""
    for _ in range(4):
        post.clock.ahead += timedelta(seconds=2)
        await post.delivery.run()
    return [text.split("\n")[0] for text in post.tg.texts(7)]


def quiet(post: Post, account_id: int, grade: Grade, by: str = "Alice") -> None:
    now = post.clock()
    post.store.set_mute(account_id, POOL, Mute(MuteKind.ACKNOWLEDGED, grade, now + timedelta(minutes=15), now), by)


async def test_easing_changes_the_message_and_worsening_sends_a_new_one(post: Post) -> None:
    account = post.account(7)
    post.write(account, CRITICAL, 1)
    assert await delivered(post) == ["🔴 CRITICAL · main · add 352 USDT"]
    post.write(account, WARNING, 2, reason=Reason.EASED)
    assert await delivered(post) == ["⚠️ WARNING · main · add 352 USDT"]
    post.write(account, EMERGENCY, 3)
    assert await delivered(post) == ["⚠️ WARNING · main · add 352 USDT", "🚨 EMERGENCY · main · add 352 USDT"]
    post.write(account, CRITICAL, 4, reason=Reason.EASED)
    assert await delivered(post) == ["⚠️ WARNING · main · add 352 USDT", "🔴 CRITICAL · main · add 352 USDT"], (
        "of the newest one"
    )
    assert post.store.count_pending() == 0
    assert post.tg.violations == []


async def test_a_reminder_is_a_new_message_for_an_edit_does_not_ring(post: Post) -> None:
    account = post.account(7)
    post.write(account, CRITICAL, 1)
    await delivered(post)
    post.write(account, CRITICAL, 2, reason=Reason.REMINDER_DUE)
    assert len(await delivered(post)) == 2


async def test_who_acknowledged_is_shown_on_the_message_whichever_way_they_did(post: Post) -> None:
    account = post.account(7)
    post.write(account, CRITICAL, 1)
    await delivered(post)
    quiet(post, account.id, CRITICAL, "Alice <&>")
    await delivered(post)
    [message] = post.tg.messages(7)
    assert "🔕 Acknowledged by Alice <&> until" in message.text
    assert [button.label for row in message.buttons for button in row] == ["Snooze 1 h", "Details"]
    before = len(post.tg.calls("editMessageText"))
    quiet(post, account.id, CRITICAL, "Pushover (pover://…)")
    await delivered(post)
    [message] = post.tg.messages(7)
    assert message.text.count("🔕") == 1, "one line: the last"
    assert "by Pushover" in message.text
    assert len(post.tg.calls("editMessageText")) == before + 1


async def test_easing_takes_the_note_away_and_the_end_leaves_one(post: Post) -> None:
    account = post.account(7)
    post.write(account, EMERGENCY, 1)
    await delivered(post)
    quiet(post, account.id, EMERGENCY)
    await delivered(post)
    post.write(account, CRITICAL, 2, reason=Reason.EASED)
    await delivered(post)
    [message] = post.tg.messages(7)
    assert "🔕" not in message.text


async def test_of_several_stories_in_one_message_each_is_changed_by_itself(post: Post) -> None:
    one, two = post.account(7, "one"), post.account(7, "two")
    post.write(one, EMERGENCY, 1)
    post.write(two, CRITICAL, 1)
    await delivered(post)
    post.write(two, WARNING, 2, reason=Reason.EASED)
    quiet(post, one.id, EMERGENCY)
    await delivered(post)
    [message] = post.tg.messages(7)
    assert "EMERGENCY · one" in message.text
    assert "WARNING · two" in message.text
    assert "CRITICAL" not in message.text
    assert "🔕 one: Acknowledged by Alice" in message.text
    told = post.store.notice_of_message(7, message.message_id)
    assert told is not None
    assert (told.facts.label, told.facts.grade) == ("one", EMERGENCY)


@pytest.mark.parametrize("words", ["message to edit not found", "message can't be edited", "MESSAGE_ID_INVALID"])
async def test_a_message_that_cannot_be_changed_loses_nothing(post: Post, words: str) -> None:
    account = post.account(7)
    post.write(account, CRITICAL, 1)
    await delivered(post)
    quiet(post, account.id, CRITICAL)
    post.tg.faults.add("editMessageText", times=None, kind="400", description=f"Bad Request: {words}")
    await delivered(post)
    assert dropped(post) == ["nothing_to_note_it_on"], "a note alone is given up, with a reason"
    post.write(account, WARNING, 2, reason=Reason.EASED)
    assert await delivered(post) == ["🔴 CRITICAL · main · add 352 USDT", "⚠️ WARNING · main · add 352 USDT"]
    assert post.tg.calls("sendMessage")[-1].params["disable_notification"] is False, "as the notice says"
    assert post.store.count_pending() == 0


async def test_a_change_that_telegram_does_not_take_now_is_tried_until_it_does(post: Post) -> None:
    account = post.account(7)
    post.write(account, CRITICAL, 1)
    await delivered(post)
    post.tg.faults.add("editMessageText", times=2, kind="500")
    post.write(account, WARNING, 2, reason=Reason.EASED)
    assert await delivered(post) == ["⚠️ WARNING · main · add 352 USDT"]
    assert len(post.tg.calls("editMessageText")) == 3


async def test_dies_after_the_change_and_before_that_is_written(post: Post) -> None:
    account = post.account(7)
    post.write(account, CRITICAL, 1)
    await delivered(post)
    post.tg.faults.add("editMessageText", kind="reset_after")
    post.write(account, WARNING, 2, reason=Reason.EASED)
    assert await delivered(post) == ["⚠️ WARNING · main · add 352 USDT"]
    assert "not modified" in post.tg.calls("editMessageText")[-1].outcome
    assert post.store.count_pending() == 0


async def test_dies_before_the_change_leaves(post: Post) -> None:
    account = post.account(7)
    post.write(account, CRITICAL, 1)
    await delivered(post)
    post.write(account, WARNING, 2, reason=Reason.EASED)
    [line] = post.store.pending_lines(0)
    post.store.begin_attempts([line.id], post.clock(), post.clock() + LEASE)
    post.clock.ahead += LEASE
    assert await delivered(post) == ["⚠️ WARNING · main · add 352 USDT"], "after the lease it is made by the next life"


async def test_what_only_changes_a_message_keeps_no_news_waiting(post: Post) -> None:
    account = post.account(7)
    post.write(account, CRITICAL, 1)
    await delivered(post)
    post.write(account, WARNING, 2, reason=Reason.EASED)
    post.write(account, EMERGENCY, 3)
    assert await delivered(post) == ["🔴 CRITICAL · main · add 352 USDT", "🚨 EMERGENCY · main · add 352 USDT"]
    assert dropped(post) == ["overtaken"]


async def test_a_note_never_overtakes_the_news_before_it(post: Post) -> None:
    account = post.account(7)
    post.tg.faults.add("sendMessage", kind="500")
    post.write(account, CRITICAL, 1)
    await post.delivery.run()
    quiet(post, account.id, CRITICAL)
    post.clock.ahead += timedelta(seconds=31)
    assert await delivered(post) == ["🔴 CRITICAL · main · add 352 USDT"]
    assert "Acknowledged by Alice" in post.tg.messages(7)[0].text


async def test_the_end_is_a_message_of_its_own_and_noted_on_the_episode_s(post: Post) -> None:
    account = post.account(7)
    post.write(account, CRITICAL, 1)
    await delivered(post)
    post.write(account, Grade.OK, 2, reason=Reason.RECOVERED, over=True)
    assert await delivered(post) == ["🔴 CRITICAL · main · add 352 USDT", "✅ RECOVERED · main · nothing to do"]
    first, _ = post.tg.messages(7)
    assert first.text.endswith("✅ this is over")
    assert [button.label for row in first.buttons for button in row] == ["Details"]


def dropped(post: Post) -> list[str]:
    rows = post.store._db.conn.execute("SELECT drop_reason FROM notices WHERE status = 'dropped' ORDER BY id")
    return [row[0] for row in rows.fetchall()]
