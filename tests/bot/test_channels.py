"""/channels and /drill against loopback services: addresses stay out of sight, exercises look like exercises."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.bot.build import TelegramSide, build_telegram
from marginbot.bot.commands.channels import channels, drill
from marginbot.bot.presses import Press, press
from marginbot.bot.teller import TelegramTeller
from marginbot.channels import Channels
from marginbot.domain.errors import NotAllowed, RequestError
from marginbot.domain.escalation import Channel
from marginbot.domain.grading import Grade
from marginbot.flow.channels import ChannelDesk
from tests.bot.builders import ALICE, BOB, CHARLIE, GROUP
from tests.bot.conftest import Desk
from tests.servers.pushover import ADDRESS, JsonServer, PushoverServer
from tests.servers.telegram import TOKEN, TelegramServer

LOUD = re.compile(r"NOTICE|WARNING|CRITICAL|EMERGENCY|DEFICIT|STALE|RECOVERED|\bOK\b")


@pytest.fixture
async def hook() -> AsyncIterator[JsonServer]:
    async with JsonServer() as server:
        yield server


@pytest.fixture
async def pushover() -> AsyncIterator[PushoverServer]:
    async with PushoverServer() as server:
        yield server


@pytest.fixture
def desk(desk: Desk, pushover: PushoverServer) -> Iterator[Desk]:
    """The usual desk, with channels."""
    with closing(Channels(pushover_url=pushover.url)) as ringer:
        desk.services = replace(desk.services, channels=ChannelDesk(desk.store, ringer))
        yield desk


@pytest.fixture
async def bot(desk: Desk, tg: TelegramServer) -> AsyncIterator[TelegramSide]:
    side = build_telegram(TOKEN, tg.url, desk.services, poll=timedelta(seconds=1))
    listening = await side.start()
    yield side
    await side.stop(listening)


def stored(desk: Desk, url: str, *, person: int = ALICE) -> Channel:
    return desk.store.add_channel(
        desk.call(person).person,
        "JSON (json://…)",
        url,
        from_grade=Grade.CRITICAL,
        delay=timedelta(0),
        now=desk.clock(),
    )


async def test_failure_33_added_after_a_test_line_and_never_shown(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, hook: JsonServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    asked = tg.private(ALICE, f"/channels add {hook.address} from emergency after 10m")
    added = await tg.wait_for(ALICE, "JSON (json://…) from emergency on, after 10 min", after=asked)
    assert (ALICE, asked) in tg.deleted
    assert "My test line was accepted" in added.text
    [told] = hook.received
    assert not LOUD.search(told["title"] + told["message"])
    [made] = desk.store.channels_of(ALICE)
    assert desk.store.channel_url(made.id) == hook.address
    tg.private(ALICE, "/channels")
    await tg.wait_for(ALICE, "1. JSON (json://…) from emergency on, after 10 min, never proven")
    assert "canary" not in "".join(tg.texts(ALICE))
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("marginbot", "urllib3", "apprise"))]
    assert "canary" not in "".join(ours)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param("/channels add canary-nowhere://x", "Apprise does not accept", id="no such service"),
        pytest.param("/channels add json://127.0.0.1:1/canary", "did not take my test line", id="nobody there"),
        pytest.param("/channels add ntfys://canary from OK", "From NOTICE on", id="from OK"),
        pytest.param("/channels add ntfys://canary after 5h", "two hours at most", id="too late"),
        pytest.param("/channels add ntfys://canary when", "Send it like this", id="malformed"),
        pytest.param("ntfys://canary", "did nothing with it", id="a bare address"),
        pytest.param("/channels remove 1", "no channel of that number", id="no such channel"),
        pytest.param("/channels test x", "no channel of that number", id="not a number"),
        pytest.param("/channels nonsense", "Send it like this", id="nonsense"),
    ],
)
async def test_what_cannot_be_added_is_deleted_and_explained(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, words: str, told: str
) -> None:
    asked = tg.private(ALICE, words)
    await tg.wait_for(ALICE, told, after=asked, timeout=15)
    assert ((ALICE, asked) in tg.deleted) is ("://" in words)
    assert list(desk.store.channels_of(ALICE)) == []
    assert "canary" not in "".join(t for t in tg.texts(ALICE) if "canary-nowhere" not in t)


async def test_in_a_group_the_address_is_deleted_and_nothing_stored(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    tg.set_bot_status(GROUP, "administrator", by=ALICE)
    asked = tg.say(GROUP, ALICE, "/channels add ntfys://canary")
    await tg.wait_for(GROUP, "answered in our private chat only", after=asked)
    assert (GROUP, asked) in tg.deleted
    assert list(desk.store.channels_of(ALICE)) == []


async def test_failure_23_failure_27_a_drill_goes_everywhere_and_looks_like_no_alert(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, hook: JsonServer, pushover: PushoverServer
) -> None:
    """What is wired to nothing shows in an exercise, not in earnest."""
    works, broken = stored(desk, hook.address), stored(desk, "json://127.0.0.1:1/canary")
    rings = stored(desk, ADDRESS)
    asked = tg.private(ALICE, "/drill")
    exercise = await tg.wait_for(ALICE, "This is an exercise", after=asked)
    report = await tg.wait_for(ALICE, "what became of it", after=asked, timeout=15)
    assert "1. JSON (json://…): accepted" in report.text
    assert "2. JSON (json://…): not accepted" in report.text
    assert "3. JSON (json://…): accepted" in report.text
    sent = [*tg.texts(ALICE), hook.received[0]["title"], hook.received[0]["message"], *pushover.messages[0].values()]
    assert not LOUD.search(" ".join(sent))
    assert pushover.cancelled == {"r1"}
    proven = {c.id: c.proven_at is not None for c in desk.store.channels_of(ALICE)}
    assert proven == {works.id: True, broken.id: False, rings.id: True}
    desk.clock.ahead = timedelta(seconds=30)
    tg.press_button(ALICE, "I noticed", ALICE)
    tapped = await tg.wait_for(ALICE, "Exercise noticed 3")
    assert tapped.message_id == exercise.message_id


async def test_tested_and_removed_by_number(desk: Desk, hook: JsonServer) -> None:
    first, second = stored(desk, "json://127.0.0.1:1/canary"), stored(desk, hook.address)
    testing = await channels(desk.call(ALICE, "test", "2"), desk.services)
    assert testing.then is not None
    assert "accepted ✅" in (await testing.then()).html
    assert desk.store.channel(second.id).proven_at is not None
    gone = await channels(desk.call(ALICE, "remove", "1"), desk.services)
    assert "its address is deleted" in gone.html
    with pytest.raises(RequestError):
        desk.store.channel(first.id)


async def test_failure_37_strangers_get_nothing_and_members_only_their_own(desk: Desk, hook: JsonServer) -> None:
    stored(desk, hook.address)
    for call in (desk.call(CHARLIE), desk.call(CHARLIE, "add", hook.address), desk.call(CHARLIE, "test", "1")):
        with pytest.raises(NotAllowed):
            await channels(call, desk.services)
    with pytest.raises(NotAllowed):
        await drill(desk.call(CHARLIE), desk.services)
    assert "my only way to reach you" in (await channels(desk.call(BOB), desk.services)).html
    for act in ("test", "remove"):
        with pytest.raises(RequestError):
            await channels(desk.call(BOB, act, "1"), desk.services)
    assert hook.received == []
    assert len(desk.store.channels_of(ALICE)) == 1


@pytest.mark.parametrize("who", [BOB, CHARLIE])
async def test_the_button_of_an_exercise_is_its_owners(desk: Desk, who: int) -> None:
    exercise = await drill(desk.call(ALICE), desk.services)
    [[button]] = exercise.buttons
    with pytest.raises(NotAllowed):
        await press(Press(call=desk.call(who), data=button.data), desk.services)


async def test_without_channels_the_command_says_so(desk: Desk) -> None:
    with pytest.raises(RequestError) as caught:
        await channels(desk.call(ALICE), replace(desk.services, channels=None))
    assert "not available" in caught.value.advice


async def test_words_about_channels_reach_their_owner(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    teller = TelegramTeller(bot.application.bot)
    await teller.channel_off(stored(desk, ADDRESS), "the service answered 401")
    await tg.wait_for(ALICE, "I can no longer reach you through JSON (json://…): the service answered 401")
    await teller.remind(ALICE, has_channels=True)
    await teller.remind(ALICE, has_channels=False)
    reminded = await tg.wait_for(ALICE, "Telegram is my only way")
    assert [call.params.get("disable_notification") for call in tg.calls("sendMessage")][-2:] == [True, True]
    assert not LOUD.search(reminded.text)
