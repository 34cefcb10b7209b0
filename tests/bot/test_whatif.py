"""/stress, /map, /topup and their buttons: what the owner sees, and what a stranger does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from marginbot.bot.build import TelegramSide
from marginbot.bot.calls import Reply
from marginbot.bot.commands.whatif import liquidation_map, pressed_shock, stress, topup
from marginbot.bot.presses import Press, press
from marginbot.bot.render import to_plain
from marginbot.domain.errors import MarginbotError, NotAllowed, RequestError
from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.margin import Collateral, Pool, Side
from marginbot.domain.report import assess
from marginbot.flow.ports import Account, CycleRecord, LastReading
from tests.bot.alerts import alerted, pressed
from tests.bot.builders import ALICE, BOB, CHARLIE, GROUP
from tests.bot.conftest import Desk
from tests.bot.golden import check
from tests.builders import HOURLY, D, pool, position, snapshot
from tests.servers.telegram import TelegramServer

NIGHT = datetime.fromisoformat("2026-11-22T03:24:00+00:00")
BACKED = Collateral(asset="BTC", value=D(3000), per_coin=D(47_500))
MULTI = replace(
    pool(position(), position("ETH", Side.SHORT, notional="30000"), equity="5000", collateral=[BACKED], name="cross"),
    currency="USD",
)
ISOLATED = pool(
    replace(position(notional="60000"), liquidation_price=D("48500")), equity="2000", name="isolated:BTC/USDT:USDT:long"
)


def read(desk: Desk, account: Account, *pools: Pool, age: float = 12.0) -> None:
    """The account was read, so long ago."""
    now = desk.services.clock()
    reading = snapshot(*pools, at=now - timedelta(seconds=age))
    report = assess(reading, HOURLY, ladders=DEFAULT_LADDERS, previous={}, now=now)
    desk.store.record(
        CycleRecord(
            account_id=account.id,
            at=now,
            report=report,
            states={},
            notices=[],
            next_due_at=now,
            reading=LastReading(reading, HOURLY),
        )
    )


@pytest.fixture
def night(desk: Desk) -> Desk:
    """Alice's three accounts on one fixed night."""
    desk.services = replace(desk.services, clock=lambda: NIGHT)
    read(desk, desk.add(ALICE, "main", "binanceusdm"), MULTI)
    read(desk, desk.add(ALICE, "hedge", "bybit"), pool(position(side=Side.SHORT), equity="30000"))
    read(desk, desk.add(ALICE, "iso", "okx"), ISOLATED)
    return desk


def copied(reply: Reply) -> list[str]:
    return [button.copy for row in reply.buttons for button in row if button.copy]


# -- what the owner sees


@pytest.mark.parametrize(
    "ask",
    [
        lambda desk: stress(desk.call(ALICE, "large", "-10"), desk.services),
        lambda desk: liquidation_map(desk.call(ALICE, "large"), desk.services),
        lambda desk: topup(desk.call(ALICE, "large"), desk.services),
        lambda desk: pressed_shock(ALICE, 0, "d10", desk.services),
    ],
    ids=["stress", "map", "topup", "press"],
)
async def test_everything_else_goes_on_while_an_account_is_thought_about(
    desk: Desk, ask: Callable[[Desk], Awaitable[Any]]
) -> None:
    """The only other thread is held: what is thought about there waits for it, and the loop goes round."""
    read(desk, desk.add(ALICE, "large"), pool(position(), equity="1500"))
    held = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    holding = asyncio.ensure_future(asyncio.to_thread(held.wait))
    thinking = asyncio.ensure_future(ask(desk))
    for _ in range(20):
        await asyncio.sleep(0)
    waits = not thinking.done()
    held.set()
    assert await thinking and await holding
    assert waits


async def test_stress_over_all_accounts(night: Desk) -> None:
    reply = await stress(night.call(ALICE, "-10"), night.services)
    check("stress_all", reply.html, reply.buttons)


async def test_stress_of_everything_at_once(night: Desk) -> None:
    words = ("BTC", "-3", "USDT=0.97", "IV", "+50", "funding", "8h")
    check("stress_together", (await stress(night.call(ALICE, "main", *words), night.services)).html)


async def test_stress_takes_the_funding_that_the_venue_announces(night: Desk) -> None:
    services = replace(night.services, funding=lambda exchange, now: {"BTC/USDT:USDT": 0.00025} if exchange else {})
    told = to_plain((await stress(night.call(ALICE, "main", "funding", "8h"), services)).html)
    assert "funding announced, each 8 h: BTC +0.0250%" in told


async def test_the_panel(night: Desk) -> None:
    reply = await stress(night.call(ALICE, "MAIN"), night.services)
    check("stress_panel", reply.html, reply.buttons)


async def test_the_map(night: Desk) -> None:
    for label in ("main", "iso"):
        check(f"map_{label}", (await liquidation_map(night.call(ALICE, label), night.services)).html)


async def test_the_rescue_sheets(night: Desk) -> None:
    reply = await topup(night.call(ALICE), night.services)
    check("topup", reply.html, reply.buttons)
    assert copied(reply)[0].replace(".", "").isdigit()


async def test_a_target_of_ones_own(night: Desk) -> None:
    reply = await topup(night.call(ALICE, "main", "8"), night.services)
    assert "Target: ratio under 8.0%" in reply.html
    there = await topup(night.call(ALICE, "hedge", "40%"), night.services)
    assert "It is there already" in there.html
    assert copied(there) == []


async def test_calm_says_what_it_rests_on(desk: Desk) -> None:
    read(desk, desk.add(ALICE, "main"), pool(position(), equity="90000"))
    assert "Calm" in (await topup(desk.call(ALICE), desk.services)).html
    desk.add(ALICE, "new")
    told = (await topup(desk.call(ALICE), desk.services)).html
    assert "Calm" not in told
    assert "new: no reading yet" in told


async def test_a_reading_too_old_is_called_so_everywhere(desk: Desk) -> None:
    read(desk, desk.add(ALICE, "main"), pool(position(), equity="90000"), age=600)
    for reply in (
        await stress(desk.call(ALICE, "-10"), desk.services),
        await liquidation_map(desk.call(ALICE, "main"), desk.services),
        await topup(desk.call(ALICE), desk.services),
    ):
        assert "10 min ago · <b>too old to rely on</b>" in reply.html
    assert "Calm" not in (await topup(desk.call(ALICE), desk.services)).html


async def test_what_is_not_known_is_not_called_alive(desk: Desk) -> None:
    read(desk, desk.add(ALICE, "main"), pool(position(), maintenance_margin=None))
    told = to_plain((await stress(desk.call(ALICE, "-1"), desk.services)).html)
    assert "cannot be worked out" in told
    assert "Nothing that I know of is liquidated" in told


async def test_without_an_account_the_way_to_one_is_shown(desk: Desk) -> None:
    for handler in (stress, topup):
        assert "/add" in (await handler(desk.call(ALICE), desk.services)).html


@pytest.mark.parametrize("words", [("20",), ("main", "BTC"), ("main", "-200"), ("mian", "-20")])
async def test_a_shock_that_is_none_is_explained(night: Desk, words: tuple[str, ...]) -> None:
    with pytest.raises(RequestError) as refused:
        await stress(night.call(ALICE, *words), night.services)
    assert refused.value.advice


# -- buttons


async def test_a_press_changes_the_panel_in_place(night: Desk) -> None:
    [main] = [account for account in night.store.accounts_of(ALICE) if account.label == "main"]
    chosen = await pressed(night, ALICE, f"wif:{main.id}:-")
    assert chosen.html is not None
    assert "For <b>main</b>" in chosen.html
    fallen = await pressed(night, ALICE, f"wif:{main.id}:d20")
    assert fallen.html is not None
    assert "everything -20.0%" in fallen.html
    assert "hedge" not in fallen.html
    assert fallen.reply.html == ""
    assert "• main" in [button.text for row in fallen.buttons for button in row]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param("u5", "everything +5.0%", id="up"),
        pytest.param("peg", "USDT at 0.97 USD", id="pegs"),
        pytest.param("all", "option volatility +50.0%", id="all at once"),
    ],
)
async def test_each_kind_of_shock_has_a_button(night: Desk, code: str, said: str) -> None:
    answer = await pressed(night, ALICE, f"wif:0:{code}")
    assert answer.html is not None
    assert said in answer.html


async def test_an_alert_leads_to_the_sheet_of_its_pool(night: Desk) -> None:
    [main] = [account for account in night.store.accounts_of(ALICE) if account.label == "main"]
    notice = alerted(night, main, subject="cross")
    answer = await pressed(night, ALICE, f"res:{notice.id}")
    assert "Rescue sheet" in answer.reply.html
    assert "isolated" not in answer.reply.html
    assert copied(answer.reply)


async def test_numbers_are_copied_by_the_button_itself(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    """Through the real client; the loopback server holds every request against the Bot API's specification."""
    read(desk, desk.add(ALICE, "main"), pool(position(), equity="2500"))
    tg.say(ALICE, ALICE, "/topup main 12")
    message = await tg.wait_for(ALICE, "Rescue sheet")
    labels = [button.label for row in message.buttons for button in row]
    assert labels[0].startswith("Copy ")


async def test_the_panel_is_edited_in_the_chat(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    read(desk, desk.add(ALICE, "main"), pool(position(), equity="9000"))
    tg.say(ALICE, ALICE, "/stress")
    await tg.wait_for(ALICE, "What if?")
    tg.press_button(ALICE, "-20%", ALICE)
    edited = await tg.wait_for(ALICE, "First to die: main")
    assert "-20%" in [button.label for row in edited.buttons for button in row]
    assert len(tg.messages(ALICE)) == 1


# -- strangers, and the wrong place


@pytest.mark.parametrize("stranger", [BOB, CHARLIE])
async def test_strangers_learn_nothing(night: Desk, stranger: int) -> None:
    [main] = [account for account in night.store.accounts_of(ALICE) if account.label == "main"]
    night.add(BOB, "bobs")
    asked = ((stress, ("main", "-20")), (liquidation_map, ("main",)), (topup, ("main",)), (topup, ("main", "40")))
    for handler, words in asked:
        try:
            told = (await handler(night.call(stranger, *words), night.services)).html
        except MarginbotError as refused:
            told = refused.advice
        assert "binanceusdm" not in told
        assert "47," not in told
        assert "ratio 1" not in told
    with pytest.raises(NotAllowed):
        await pressed(night, stranger, f"wif:{main.id}:d20")
    notice = alerted(night, main, subject="cross")
    with pytest.raises(NotAllowed):
        await pressed(night, stranger, f"res:{notice.id}")


async def test_a_stranger_pressing_a_panel_for_all_sees_only_his_own(night: Desk) -> None:
    answer = await pressed(night, BOB, "wif:0:d20")
    assert answer.html is not None
    assert "main" not in answer.html


async def test_amounts_stay_out_of_groups(night: Desk) -> None:
    [main] = [account for account in night.store.accounts_of(ALICE) if account.label == "main"]
    notice = alerted(night, main, subject="cross")
    for data in ("wif:0:d20", f"res:{notice.id}"):
        in_group = await press(Press(call=night.call(ALICE, chat_id=GROUP), data=data), night.services)
        assert in_group.alert
        assert (in_group.html, in_group.reply.html) == (None, "")
