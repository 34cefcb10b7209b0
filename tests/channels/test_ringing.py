"""Ringing through loopback services: what was accepted, what is worth another try, what never will be."""

from __future__ import annotations

import io
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.bot.buddy_bell import BuddyBell
from marginbot.bot.build import build_bot
from marginbot.bot.language import _
from marginbot.channels import Channels
from marginbot.channels.addresses import load_services
from marginbot.domain.escalation import (
    Accepted,
    Alarm,
    Channel,
    Rang,
    Ring,
    RingAgain,
    RingItem,
    RingRefused,
    Step,
    StepStatus,
)
from marginbot.domain.grading import Grade
from marginbot.flow.escalation import ReceiptState
from marginbot.logs import configure
from tests.builders import T0
from tests.running import free_port
from tests.servers.pushover import ADDRESS, JsonServer, PushoverServer

CHANNEL = Channel(id=1, user_id=7, title="x", from_grade=Grade.WARNING, delay=timedelta(0), created_at=T0)


def ring(*grades: Grade, blind: bool = False, repeats: int = 0) -> Ring:
    items = []
    for number, grade in enumerate(grades, start=1):
        step = Step(
            id=number, channel_id=1, account_id=number, subject="cross:USDT", episode=1, number=1, grade=grade,
            due_at=T0, status=StepStatus.RINGING, attempts=1, repeats=repeats,
        )  # fmt: skip
        alarm = Alarm(grade=grade, episode=1, since=T0, is_blind=blind, is_muted=False)
        items.append(RingItem(step=step, alarm=alarm, label=f"desk{number}", exchange="bybit"))
    return Ring(channel=CHANNEL, items=tuple(items))


CRITICAL = ring(Grade.CRITICAL)


@pytest.fixture
async def pushover() -> AsyncIterator[PushoverServer]:
    async with PushoverServer() as server:
        yield server


@pytest.fixture
async def hook() -> AsyncIterator[JsonServer]:
    async with JsonServer() as server:
        yield server


@pytest.fixture
def channels(pushover: PushoverServer) -> Iterator[Channels]:
    with closing(Channels(pushover_url=pushover.url, timeout=10)) as made:
        yield made


async def test_apprise_is_told_what_it_is_about_without_amounts(channels: Channels, hook: JsonServer) -> None:
    rang = await channels.ring(hook.address, ring(Grade.EMERGENCY, Grade.CRITICAL, repeats=1))
    assert rang == Accepted()
    [told] = hook.received
    assert told["title"] == "EMERGENCY: desk1 (bybit) and 1 more"
    assert "desk2 (bybit): CRITICAL (cross:USDT) since 12:00 UTC" in told["message"]
    assert "/ack" in told["message"]
    assert "Perhaps a repeat" in told["message"]
    assert told["type"] == "failure"


@pytest.mark.parametrize(("code", "title", "since"), [
    ("ru", "КРИТИЧНО: desk1 (bybit) и ещё 1", "с 12:00 UTC"), ("zh", "危急", "自 12:00 UTC 起"),
    ("en", "CRITICAL: desk1 (bybit) and 1 more", "since 12:00 UTC"),
])  # fmt: skip
async def test_told_in_the_language_of_whose_channel_it_is(hook: JsonServer, code: str, title: str, since: str) -> None:
    with closing(Channels(look_up=_, timeout=10)) as channels:
        bell = BuddyBell(build_bot("1:x", hook.address), channels, str, {CHANNEL.user_id: code}.get)
        assert await bell.ring(hook.address, ring(Grade.CRITICAL, Grade.WARNING, repeats=1)) == Accepted()
    [told] = hook.received
    assert told["title"].startswith(title)
    assert since in told["message"]
    assert "/ack" in told["message"]
    assert ("Perhaps a repeat" in told["message"]) is (code == "en")


async def test_blindness_is_told_as_such(channels: Channels, hook: JsonServer) -> None:
    await channels.ring(hook.address, ring(Grade.CRITICAL, blind=True))
    assert hook.received[0]["title"] == "STALE, cannot be read: desk1 (bybit)"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (204, Accepted()),
        (401, RingRefused("the service answered 401")),
        (404, RingRefused("the service answered 404")),
        (429, RingAgain("the service answered 429")),
        (500, RingAgain("the service answered 500")),
    ],
)
async def test_failure_08_apprise_refusals_are_told_from_trouble(
    channels: Channels, hook: JsonServer, status: int, outcome: Rang
) -> None:
    hook.status = status
    assert await channels.ring(hook.address, CRITICAL) == outcome


async def test_nobody_there_is_worth_another_try(channels: Channels) -> None:
    rang = await channels.ring(f"json://127.0.0.1:{free_port()}/canary", CRITICAL)
    assert rang == RingAgain("the service did not accept it")


async def test_a_hanging_service_is_given_up_in_time(pushover: PushoverServer) -> None:
    load_services()
    held = socket.create_server(("127.0.0.1", 0))  # takes connections, answers none
    port = held.getsockname()[1]
    with closing(Channels(pushover_url=pushover.url, timeout=0.3)) as channels:
        rang = await channels.ring(f"json://127.0.0.1:{port}/canary?rto=1&cto=1", CRITICAL)
    assert rang == RingAgain("no answer within 0.3 s")
    held.close()


async def test_pushover_rings_until_tapped(channels: Channels, pushover: PushoverServer) -> None:
    rang = await channels.ring(f"{ADDRESS}/phone", CRITICAL)
    assert rang == Accepted("r1")
    [message] = pushover.messages
    assert (message["priority"], message["retry"], message["expire"]) == ("2", "60", "900")
    assert message["device"] == "phone"
    assert await channels.receipt(ADDRESS, "r1") is ReceiptState.WAITING
    pushover.tapped.add("r1")
    assert await channels.receipt(ADDRESS, "r1") is ReceiptState.ACKNOWLEDGED
    assert await channels.cancel(ADDRESS, "r1")
    assert pushover.cancelled == {"r1"}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (429, RingAgain("Pushover's limit is reached", timedelta(seconds=60))),
        (400, RingRefused("Pushover answered 400")),
        (401, RingRefused("Pushover answered 401")),
        (502, RingAgain("Pushover answered 502")),
    ],
)
async def test_pushover_refusals(channels: Channels, pushover: PushoverServer, status: int, outcome: Rang) -> None:
    pushover.answers = [status]
    assert await channels.ring(ADDRESS, CRITICAL) == outcome


async def test_receipts_that_cannot_be_asked_about_stay_open(channels: Channels, pushover: PushoverServer) -> None:
    pushover.answers = [500, 429, 404]
    states = [await channels.receipt(ADDRESS, "r1") for _ in range(3)]
    assert states == [ReceiptState.UNKNOWN, ReceiptState.UNKNOWN, ReceiptState.OVER]
    pushover.expired.add("r1")
    assert await channels.receipt(ADDRESS, "r1") is ReceiptState.OVER
    pushover.answers = [500, 400]
    assert [await channels.cancel(ADDRESS, "r1") for _ in range(2)] == [False, True]


async def test_pushover_away_is_worth_another_try() -> None:
    with closing(Channels(pushover_url=f"http://127.0.0.1:{free_port()}")) as channels:
        assert await channels.ring(ADDRESS, CRITICAL) == RingAgain("Pushover does not answer")
        assert await channels.receipt(ADDRESS, "r1") is ReceiptState.UNKNOWN


async def test_a_plain_line_does_not_go_on_ringing(channels: Channels, pushover: PushoverServer) -> None:
    assert await channels.say(ADDRESS, "An exercise", "Nothing is wrong") == Accepted()
    assert pushover.cancelled == {"r1"}


async def test_failure_33_no_address_reaches_the_log(
    channels: Channels, hook: JsonServer, pushover: PushoverServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    monkeypatch.setattr("sys.stderr", written)
    try:
        configure("debug")
        channels._apprise.__init__(timeout=10)  # type: ignore[misc]
        for status in (200, 401, 500):
            hook.status = status
            await channels.ring(hook.address, CRITICAL)
        pushover.answers = [400]
        await channels.ring(ADDRESS, CRITICAL)
        await channels.ring(f"json://127.0.0.1:{free_port()}/canary-hook-7f3a", CRITICAL)
        logging.getLogger("marginbot").error("%s", hook.address)
    finally:
        root.handlers[:], root.level = kept, level
    assert "anary" not in written.getvalue()
    assert "[redacted]" in written.getvalue()


async def test_the_steps_repeat_mark_is_only_said_of_repeats(channels: Channels, hook: JsonServer) -> None:
    await channels.ring(hook.address, replace(CRITICAL))
    assert "repeat" not in hook.received[0]["message"]
