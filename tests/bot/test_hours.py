"""/timezone and /quiet: shown, set, refused; and times by the reader's own clock, in their chat only."""

from __future__ import annotations

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest

from marginbot.bot import figures as fig
from marginbot.bot import render_alert, render_hours
from marginbot.bot.build import TelegramSide, build_bot
from marginbot.bot.commands.hours import quiet, timezone
from marginbot.bot.messenger import TelegramMessenger
from marginbot.domain.errors import RequestError
from marginbot.domain.grading import Grade
from marginbot.domain.hours import QuietHours
from marginbot.domain.notices import Shown
from marginbot.domain.outcomes import Sent
from tests.bot.builders import ALICE, BOB, CHARLIE, NOW, facts, notice, pool
from tests.bot.conftest import Desk
from tests.bot.golden import check
from tests.servers.telegram import TOKEN, TelegramServer

ISTANBUL = ZoneInfo("Europe/Istanbul")
NIGHT = QuietHours(23 * 60, 7 * 60)


@pytest.mark.parametrize(
    ("name", "html"),
    [
        ("timezone", render_hours.zone(UTC, NOW)),
        ("timezone_changed", render_hours.zone(ISTANBUL, NOW, changed=True)),
        ("timezone_group", render_hours.group_zone(ISTANBUL, NOW)),
        ("quiet_none", render_hours.quiet(None, UTC, NOW)),
        ("quiet_ended", render_hours.quiet(None, ISTANBUL, NOW, changed=True)),
        ("quiet_set_without_a_zone", render_hours.quiet(NIGHT, UTC, NOW, changed=True)),
    ],
)
def test_words(name: str, html: str) -> None:
    check(name, html)


def test_words_in_the_quiet_itself() -> None:
    with fig.read_in(ISTANBUL):
        check("quiet_now", render_hours.quiet(NIGHT, ISTANBUL, NOW))


def test_an_alert_that_was_held_says_so_by_the_readers_clock() -> None:
    held = notice(
        facts(grade=Grade.WARNING, previous=Grade.OK, pool=pool(grade=Grade.WARNING)),
        held_until=NOW + timedelta(minutes=36),
    )
    with fig.read_in(ISTANBUL):
        check("alert_held", render_alert.alert(held, NOW + timedelta(minutes=36)), render_alert.buttons(held))


async def test_set_and_shown_and_ended(desk: Desk) -> None:
    told = await timezone(desk.call(ALICE, "europe/istanbul"), desk.services)
    assert "<b>Europe/Istanbul</b>" in told.html
    told = await quiet(desk.call(ALICE, "23:00-07:00"), desk.services)
    assert "<b>23:00-07:00</b>, Europe/Istanbul" in told.html
    assert desk.store.quiet_hours(ALICE) == NIGHT
    assert desk.store.quiet_hours(BOB) is None
    await quiet(desk.call(ALICE, "off"), desk.services)
    assert desk.store.quiet_hours(ALICE) is None
    assert str(desk.store.zone_of(ALICE)) == "Europe/Istanbul"


async def test_nonsense_changes_nothing(desk: Desk) -> None:
    await quiet(desk.call(ALICE, "23-7"), desk.services)
    for command, words in ((quiet, "never"), (timezone, "Atlantis")):
        with pytest.raises(RequestError):
            await command(desk.call(ALICE, words), desk.services)
    assert desk.store.quiet_hours(ALICE) == NIGHT
    assert desk.store.zone_of(ALICE) is UTC


async def test_a_stranger_sets_nothing(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    for words in ("/quiet 23-7", "/timezone Istanbul"):
        asked = tg.say(CHARLIE, CHARLIE, words)
        await tg.wait_for(CHARLIE, "by invitation", after=asked)
    assert desk.store.quiet_hours(CHARLIE) is None


async def test_each_reads_an_alert_by_their_own_clock(desk: Desk, tg: TelegramServer) -> None:
    desk.store.set_zone(ALICE, "Europe/Istanbul", NOW)
    async with build_bot(TOKEN, tg.url) as client:
        messenger = TelegramMessenger(client, desk.store.zone_of)
        await messenger.send(notice(), NOW)
        await messenger.send(notice(user_id=BOB, chat_id=BOB), NOW)
        await messenger.send_bundle([notice(), notice(id=2)], NOW)
    assert "Read 06:24:00 +03" in tg.messages(ALICE)[0].text
    assert "Read 06:24:00 +03" in tg.messages(ALICE)[1].text
    assert "Read 03:24:00 UTC" in tg.messages(BOB)[0].text


async def test_one_persons_clock_is_not_the_next_ones(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    desk.store.set_zone(ALICE, "Europe/Istanbul", NOW)
    asked = tg.say(ALICE, ALICE, "/report at 08:00")
    await tg.wait_for(ALICE, "+03 now", after=asked)
    asked = tg.say(BOB, BOB, "/report at 08:00")
    await tg.wait_for(BOB, "UTC now", after=asked)
    asked = tg.say(-500, ALICE, "/status")
    await tg.wait_for(-500, "No account", after=asked)


async def test_a_changed_message_keeps_the_readers_clock(tg: TelegramServer) -> None:
    async with build_bot(TOKEN, tg.url) as client:
        messenger = TelegramMessenger(client, lambda _: ISTANBUL)
        outcome = await messenger.send(notice(), NOW)
        assert isinstance(outcome, Sent)
        worse = notice(facts(grade=Grade.WARNING, pool=pool(grade=Grade.WARNING)))
        await messenger.amend(outcome.message_id, [Shown(worse)], NOW)
    message = tg.messages(ALICE)[0]
    assert "WARNING" in message.text and "Read 06:24:00 +03" in message.text
