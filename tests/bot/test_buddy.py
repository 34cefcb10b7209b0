"""A buddy: asked first, told only that somebody does not answer, free to stop; and no figure ever reaches them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from marginbot.bot.buddy_bell import BuddyBell
from marginbot.bot.build import TelegramSide, build_bot, build_telegram
from marginbot.bot.presses import Press, press
from marginbot.channels import Channels
from marginbot.domain.errors import RequestError
from marginbot.domain.grading import Grade
from marginbot.flow.access import Access, AccessMode
from marginbot.flow.buddies import BuddyDesk, buddy_url, parse_buddy
from marginbot.flow.channels import ChannelDesk
from marginbot.flow.escalation import Escalation
from tests.bot.alerts import CRITICAL, alerted
from tests.bot.builders import ALICE, BOB, CHARLIE
from tests.bot.conftest import Desk
from tests.servers.telegram import TOKEN, TelegramServer

FIGURE = re.compile(r"\d+([.,]\d+)?\s*(%|x\b|USDT)")


@dataclass
class Scene:
    """The bot with its ladder."""

    tg: TelegramServer
    desk: Desk
    escalation: Escalation

    async def ask(self, *, after: str = "15m") -> str:
        """Alice makes a link; the code in it."""
        self.desk.add(ALICE, "secret-label")
        self.tg.private(ALICE, f"/buddy ask after {after}")
        message = await self.tg.wait_for(ALICE, "Pass this link on")
        found = re.search(r"start=(buddy-[\w-]+)", message.text)
        assert found is not None
        return found[1]

    async def agree(self, *, after: str = "15m", user: int = CHARLIE) -> None:
        """A stranger to the bot becomes Alice's buddy."""
        payload = await self.ask(after=after)
        self.tg.private(user, f"/start {payload}")
        await self.tg.wait_for(user, "asks you to be their buddy")
        self.tg.press_button(user, "Yes, tell me", user)
        await self.tg.wait_for(ALICE, "agreed to be your buddy")

    def endanger(self) -> None:
        """Alice's account is critical, and she was told just now."""
        state = replace(CRITICAL, spoke_at=self.desk.clock())
        alerted(self.desk, self.desk.store.accounts_of(ALICE)[0], state=state)

    async def ring(self, seconds: float = 0.0) -> None:
        self.desk.clock.ahead += timedelta(seconds=seconds)
        await self.escalation.run()


@pytest.fixture
async def scene(desk: Desk, tg: TelegramServer) -> AsyncIterator[Scene]:
    bot, others = build_bot(TOKEN, tg.url), Channels()
    bell = BuddyBell(bot, others, desk.store.name_of, desk.store.language_of)
    access = Access(AccessMode.INVITE, frozenset(), desk.store)
    desk.services = replace(
        desk.services, access=access, channels=ChannelDesk(desk.store, bell), buddies=BuddyDesk(desk.store)
    )
    side: TelegramSide = build_telegram(TOKEN, tg.url, desk.services, poll=timedelta(seconds=1), bot=bot)
    listening = await side.start()
    tg.user(ALICE, "Alice"), tg.user(CHARLIE, "Charlie")
    yield Scene(tg, desk, Escalation(desk.store, bell, clock=desk.clock))
    await side.stop(listening)
    others.close()


async def test_told_in_danger_without_figures_and_only_when_nobody_acknowledged(scene: Scene) -> None:
    await scene.agree()
    scene.endanger()
    await scene.ring()
    await scene.ring(14 * 60)
    assert not any("does not answer me" in text for text in scene.tg.texts(CHARLIE))
    await scene.ring(2 * 60)
    message = await scene.tg.wait_for(CHARLIE, "does not answer me")
    assert "Alice does not answer me" in message.text
    assert "CRITICAL" in message.text
    for said in scene.tg.texts(CHARLIE):
        assert "secret-label" not in said
        assert "bybit" not in said.lower()
        assert not FIGURE.search(said), said


async def test_a_buddy_is_told_in_their_own_language(scene: Scene) -> None:
    await scene.agree()
    scene.desk.store.set_language(CHARLIE, "ru")
    scene.endanger()
    await scene.ring()
    await scene.ring(16 * 60)
    message = await scene.tg.wait_for(CHARLIE, "не отвечает")
    assert "КРИТИЧНО" in message.text


async def test_an_acknowledgement_keeps_the_buddy_out_of_it(scene: Scene) -> None:
    await scene.agree()
    scene.endanger()
    await scene.ring()
    scene.desk.services.preferences.acknowledge(ALICE, None, scene.desk.clock())
    await scene.ring(15 * 60 - 1)
    assert not any("does not answer me" in text for text in scene.tg.texts(CHARLIE))


async def test_nobody_is_a_buddy_before_they_agree(scene: Scene) -> None:
    payload = await scene.ask(after="0")
    scene.tg.private(CHARLIE, f"/start {payload}")
    await scene.tg.wait_for(CHARLIE, "asks you to be their buddy")
    scene.endanger()
    await scene.ring()
    assert len(scene.tg.texts(CHARLIE)) == 1
    scene.tg.press_button(CHARLIE, "No", CHARLIE)
    await scene.tg.wait_for(ALICE, "does not want to be your buddy")
    scene.tg.private(CHARLIE, f"/start {payload}")
    await scene.tg.wait_for(CHARLIE, "This link is not valid")
    assert scene.desk.store.channels_of(ALICE) == []


async def test_one_s_own_link_and_another_s_answer_do_nothing(scene: Scene) -> None:
    payload = await scene.ask()
    scene.tg.private(ALICE, f"/start {payload}")
    await scene.tg.wait_for(ALICE, "This link is for somebody else")
    scene.tg.private(CHARLIE, f"/start {payload}")
    await scene.tg.wait_for(CHARLIE, "Do you agree?")
    scene.tg.press_button(CHARLIE, "Yes, tell me", CHARLIE)
    await scene.tg.wait_for(ALICE, "agreed to be your buddy")
    scene.tg.private(BOB, f"/start {payload}")
    await scene.tg.wait_for(BOB, "This link is not valid")
    assert len(scene.desk.store.channels_of(ALICE)) == 1


async def test_the_buddy_ends_it_with_the_button_and_the_owner_hears_of_it(scene: Scene) -> None:
    await scene.agree(after="0")
    scene.endanger()
    await scene.ring()
    message = await scene.tg.wait_for(CHARLIE, "does not answer me")
    [[button]] = message.buttons
    assert button.data is not None
    query = scene.tg.press(CHARLIE, message.message_id, button.data, BOB)
    await scene.tg.wait_until(lambda: scene.tg.callback_answers.get(query))
    assert len(scene.desk.store.channels_of(ALICE)) == 1, "nobody else's press counts"
    scene.tg.press(CHARLIE, message.message_id, button.data, CHARLIE)
    await scene.tg.wait_for(ALICE, "is no longer your buddy")
    assert scene.desk.store.channels_of(ALICE) == []


async def test_either_ends_it_by_command(scene: Scene) -> None:
    await scene.agree()
    scene.tg.private(CHARLIE, "/buddy")
    await scene.tg.wait_for(CHARLIE, "1. Alice")
    scene.tg.private(CHARLIE, "/buddy stop 2")
    await scene.tg.wait_for(CHARLIE, "/buddy lists whose")
    scene.tg.private(CHARLIE, "/buddy stop 1")
    await scene.tg.wait_for(CHARLIE, "no longer the buddy of Alice")
    scene.tg.private(ALICE, "/buddy ask")
    link = await scene.tg.wait_for(ALICE, lambda m: "Pass this" in m.text and "buddy-" in m.text, after=4)
    found = re.search(r"start=(buddy-[\w-]+)", link.text)
    assert found is not None
    scene.tg.private(CHARLIE, f"/start {found[1]}")
    await scene.tg.wait_until(lambda: sum("Do you agree" in t for t in scene.tg.texts(CHARLIE)) == 1 or None)
    scene.tg.press_button(CHARLIE, "Yes, tell me", CHARLIE)
    await scene.tg.wait_until(lambda: len(scene.desk.store.channels_of(ALICE)) == 1 or None)
    scene.tg.private(ALICE, "/channels remove 1")
    await scene.tg.wait_for(ALICE, "Removed buddy Charlie")
    assert scene.desk.store.buddy_of(CHARLIE) == []


async def test_a_drill_reaches_the_buddy_as_an_exercise(scene: Scene) -> None:
    await scene.agree()
    scene.tg.private(ALICE, "/drill")
    await scene.tg.wait_for(CHARLIE, "This is an exercise of Alice")
    await scene.tg.wait_for(ALICE, "accepted ✅")


async def test_a_buddy_who_blocked_the_bot_is_switched_off(scene: Scene) -> None:
    await scene.agree(after="0")
    scene.tg.faults.add("sendMessage", CHARLIE, times=None, kind="403")
    scene.endanger()
    await scene.ring()
    [channel] = scene.desk.store.channels_of(ALICE)
    assert channel.disabled_at is not None


@pytest.mark.parametrize("words", [("from", "OK"), ("from", "NOTICE"), ("after", "3h")])
def test_what_a_buddy_is_not_for_is_refused(desk: Desk, words: tuple[str, str]) -> None:
    person = desk.call(ALICE).person
    grade = Grade[words[1]] if words[0] == "from" else Grade.CRITICAL
    delay = timedelta(hours=3) if words[0] == "after" else timedelta(0)
    with pytest.raises(RequestError):
        BuddyDesk(desk.store).invite(person, grade, delay, desk.clock())


def test_a_link_expires_and_nobody_is_a_buddy_twice(desk: Desk) -> None:
    buddies, now = BuddyDesk(desk.store), desk.clock()
    alice, charlie = desk.call(ALICE).person, desk.call(CHARLIE).person
    code = buddies.invite(alice, Grade.CRITICAL, timedelta(0), now)
    with pytest.raises(RequestError, match="unknown question"):
        buddies.agree(code, charlie, now + timedelta(days=7))
    buddies.agree(code, charlie, now)
    again = buddies.invite(alice, Grade.CRITICAL, timedelta(0), now)
    with pytest.raises(RequestError, match="a buddy already"):
        buddies.agree(again, charlie, now)


@pytest.mark.parametrize("about", ["9" * 40, "9" * 19, "1" * 18, "0", "-", "x"])
async def test_a_button_about_no_buddy_is_refused_in_words(desk: Desk, about: str) -> None:
    services = replace(desk.services, buddies=BuddyDesk(desk.store))
    with pytest.raises(RequestError, match="not a buddy"):
        await press(Press(call=desk.call(CHARLIE), data=f"bud:stop:{about}"), services)


def test_addresses_of_buddies_are_told_from_others() -> None:
    assert parse_buddy(buddy_url(9, 7)) == (9, 7)
    assert parse_buddy("pover://buddy/1") is None
