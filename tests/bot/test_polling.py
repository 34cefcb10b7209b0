"""Listening: conflicts are named and end by themselves, and no update can hold up the later ones."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from marginbot.bot import polling
from marginbot.bot.build import TelegramSide
from marginbot.flow.audit import Verdict
from marginbot.health import Vitals, as_json
from tests.bot.builders import ALICE, BOB
from tests.servers.telegram import TelegramServer

CANARY = "canary-secret-9d1f"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(polling, "UNREADABLE_PAUSE", 0.02)


async def test_a_webhook_set_by_somebody_is_named_removed_and_listening_goes_on(
    bot: TelegramSide, tg: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    tg.webhook = "https://example.org/hook"
    tg.private(ALICE, "/help")
    await tg.wait_for(ALICE, "are we fine?")
    assert tg.webhook == ""
    assert bot.health.trouble == ""
    [told] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "somebody set a webhook on this bot's token (409)" in told.getMessage()


async def test_another_program_on_the_token_is_named_until_it_stops(
    bot: TelegramSide, tg: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    conflict = tg.faults.add("getUpdates", times=None, kind="409")
    await tg.wait_until(lambda: bot.health.trouble == polling.SOMEBODY_ELSE)
    await tg.wait_until(lambda: conflict.hits >= 3)
    tg.faults.remove(conflict)
    tg.private(ALICE, "/help")
    await tg.wait_for(ALICE, "are we fine?")
    assert bot.health.trouble == ""
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(told) == 1, "said once, not at every try"
    assert "/revoke" in told[0]
    assert len(tg.calls("deleteWebhook")) == 1, "only at the start"


async def test_an_update_that_cannot_be_read_is_skipped_and_the_others_are_not(
    bot: TelegramSide, tg: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    tg.private(ALICE, "/help")
    tg.push("message", {"text": f"/add bybit main {CANARY}"})
    tg.private(BOB, "/help")
    await tg.wait_for(BOB, "are we fine?")
    await tg.wait_for(ALICE, "are we fine?")
    tg.private(ALICE, "/status")
    await tg.wait_for(ALICE, "You have no account here yet")
    assert len(tg.messages(ALICE)) == 2, "what stood before it is handled once"
    assert "cannot be read and is skipped" in caplog.text
    ours = [r for r in caplog.records if r.name.startswith("marginbot")]
    assert not any(CANARY in r.getMessage() for r in ours)


def test_the_health_page_names_the_trouble() -> None:
    second = timedelta(seconds=1)
    vitals = Vitals(
        version="1",
        uptime=second,
        telegram_age=second,
        cycle_age=second,
        cycle_limit=second,
        telegram_limit=second,
        accounts=0,
        accounts_refused=0,
        accounts_blind=0,
        notices_pending=0,
        reading_ages={},
        audit=Verdict(None, ()),
        audit_age=None,
        telegram_trouble=polling.WEBHOOK_SET,
    )
    assert as_json(vitals)["telegram"] == {"ok": True, "answered_seconds_ago": 1.0, "trouble": polling.WEBHOOK_SET}
