"""Groups that change under the bot: supergroups, and forums with topics."""

from __future__ import annotations

import pytest

from marginbot.bot.build import TelegramSide
from tests.bot.builders import ALICE, BOB, CHARLIE, GROUP
from tests.bot.conftest import Desk
from tests.servers.telegram import TelegramServer

SUPERGROUP = -1001234567890
TOPIC = 12


def shared(desk: Desk, chat_id: int) -> list[str]:
    return [account.label for account, _ in desk.store.shared_with(chat_id)]


async def test_failure_07_owners_are_told_privately_and_once_that_their_group_moved(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    for owner, label in ((ALICE, "main"), (ALICE, "spare"), (BOB, "desk")):
        desk.store.share(GROUP, desk.add(owner, label).id, amounts=False, now=desk.clock())
        tg.set_member(GROUP, owner, "member")
    tg.say(GROUP, CHARLIE, "/help")
    await tg.wait_for(GROUP, "let this group see")
    tg.migrate(GROUP, SUPERGROUP)
    await tg.wait_for(ALICE, "A group that sees main, spare became a supergroup")
    await tg.wait_for(BOB, "A group that sees desk became a supergroup")
    tg.say(SUPERGROUP, CHARLIE, "/help")
    await tg.wait_for(SUPERGROUP, "let this group see")
    assert (shared(desk, GROUP), shared(desk, SUPERGROUP)) == ([], ["main", "spare", "desk"])
    assert (len(tg.messages(ALICE)), len(tg.messages(BOB)), tg.messages(CHARLIE)) == (1, 1, [])


@pytest.mark.parametrize("kind", ["migrate_to_chat_id", "migrate_from_chat_id"])
async def test_failure_07_one_of_the_two_service_messages_is_enough(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, kind: str
) -> None:
    desk.store.share(GROUP, desk.add(ALICE).id, amounts=False, now=desk.clock())
    here, there = (GROUP, SUPERGROUP) if kind == "migrate_to_chat_id" else (SUPERGROUP, GROUP)
    chat = tg.chat(here)
    tg.push("message", {"message_id": 5, "date": 1, "chat": chat.as_api(), "from": tg.bot.as_api(), kind: there})
    await tg.wait_for(ALICE, "became a supergroup")
    assert (shared(desk, GROUP), shared(desk, SUPERGROUP)) == ([], ["main"])


async def test_failure_07_a_refused_answer_shows_the_way_too(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    desk.store.share(GROUP, desk.add(ALICE).id, amounts=False, now=desk.clock())
    tg.set_member(GROUP, ALICE, "member")
    tg.faults.add("sendMessage", GROUP, kind="migrate", migrate_to=SUPERGROUP)
    tg.say(GROUP, BOB, "/status")
    await tg.wait_for(SUPERGROUP, "main")
    await tg.wait_for(ALICE, "became a supergroup")
    assert (shared(desk, GROUP), shared(desk, SUPERGROUP)) == ([], ["main"])


async def test_answers_go_to_the_topic_they_were_asked_in(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    tg.chat(SUPERGROUP).topics = {TOPIC: True}
    tg.say(SUPERGROUP, BOB, "/help", thread_id=TOPIC)
    assert (await tg.wait_for(SUPERGROUP, "let this group see")).thread_id == TOPIC
    asked = tg.say(SUPERGROUP, BOB, "/status")
    assert (await tg.wait_for(SUPERGROUP, "No account is shared", after=asked)).thread_id is None


@pytest.mark.parametrize("topics", [pytest.param({TOPIC: False}, id="closed"), pytest.param({99: True}, id="deleted")])
async def test_a_topic_that_takes_no_answer_is_left_for_the_general_one(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, topics: dict[int, bool]
) -> None:
    tg.chat(SUPERGROUP).topics = topics
    tg.say(SUPERGROUP, BOB, "/help", thread_id=TOPIC)
    answer = await tg.wait_for(SUPERGROUP, "let this group see")
    assert answer.thread_id is None
    assert answer.parse_mode == "HTML"
