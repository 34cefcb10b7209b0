"""/history: when it was read, decided, sent, accepted, acknowledged, and how it ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marginbot.bot import render_history
from marginbot.bot.commands.history import history
from marginbot.bot.render import to_plain
from marginbot.domain.alerting import Reason
from marginbot.domain.errors import NoSuchAccount, RequestError
from marginbot.domain.grading import Grade
from marginbot.domain.record import Acknowledged, episodes
from tests.bot.alerts import alerted, pressed
from tests.bot.builders import ALICE, BOB
from tests.bot.conftest import Desk
from tests.bot.golden import check
from tests.builders import T0
from tests.domain.test_record import BACK, FALL, telling

POOL = "cross:USDT"


OPEN_ONE = telling(Reason.WORSENED, Grade.WARNING, 20, episode=2, accepted_at=None, sent_at=None)
EPISODES = episodes([*FALL, BACK, OPEN_ONE], [Acknowledged(1, POOL, T0 + timedelta(minutes=4))])


def test_an_episode_is_shown_with_every_moment() -> None:
    check("history", render_history.history(EPISODES, T0 + timedelta(minutes=25)))


def test_the_list_is_bounded() -> None:
    many = [telling(Reason.WORSENED, Grade.WARNING, minute, episode=minute) for minute in range(30)]
    shown = render_history.history(episodes(many, []), T0 + timedelta(minutes=40))
    assert shown.count("worst: warning") == render_history.MOST_EPISODES
    assert "older ones" in shown


async def test_an_acknowledgement_is_kept_after_the_alarm_is_over(desk: Desk) -> None:
    account = desk.add()
    notice = alerted(desk, account)
    await pressed(desk, ALICE, f"ack:{notice.id}")
    desk.store.set_mute(account.id, POOL, None)
    told = to_plain((await history(desk.call(ALICE), desk.services)).html)
    assert "acknowledged" in told
    assert "not acknowledged" not in told


async def test_a_person_sees_their_own_accounts_only(desk: Desk) -> None:
    alerted(desk, desk.add(ALICE, "main"))
    desk.add(ALICE, "other")
    assert "main" in (await history(desk.call(ALICE, "MAIN"), desk.services)).html
    assert "No alert" in (await history(desk.call(ALICE, "other"), desk.services)).html
    assert "No alert" in (await history(desk.call(BOB), desk.services)).html
    with pytest.raises(NoSuchAccount):
        await history(desk.call(BOB, "main"), desk.services)
    with pytest.raises(RequestError):
        await history(desk.call(ALICE, "a", "b"), desk.services)
