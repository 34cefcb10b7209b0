"""Each command: what it does for its owner, and what a stranger gets."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.bot.calls import Reply
from marginbot.bot.commands.accounts import accounts, remove, rename
from marginbot.bot.commands.add import add
from marginbot.bot.commands.look import positions, status
from marginbot.bot.commands.operators import health, invite
from marginbot.bot.commands.quiet import ack, snooze
from marginbot.bot.commands.remind import remind
from marginbot.bot.commands.share import share, unshare
from marginbot.bot.commands.start import start
from marginbot.bot.commands.thresholds import thresholds
from marginbot.bot.table import show_help, visible
from marginbot.domain.alerting import AlertState
from marginbot.domain.errors import (
    Cause,
    MarginbotError,
    NoSuchAccount,
    NotAllowed,
    RequestError,
    UnknownExchange,
)
from marginbot.domain.grading import Grade
from marginbot.flow.access import AccessMode
from marginbot.flow.ports import CycleRecord, VenueInfo
from tests.bot.alerts import alerted, pressed
from tests.bot.builders import ALICE, BOB, CALM, CHARLIE, GROUP, GROUP_COMMANDS, OPERATOR, report
from tests.bot.conftest import Desk
from tests.bot.golden import check


async def whole(reply: Reply) -> list[str]:
    """A reply and all that follows it."""
    told = [reply.html]
    while reply.then is not None:
        reply = await reply.then()
        told.append(reply.html)
    return told


async def test_add_in_one_line_shows_what_was_found_before_anything_is_stored(desk: Desk) -> None:
    checking = await add(desk.call(ALICE, "bybit", "main", "the-key", "the-secret"), desk.services)
    assert "Checking main" in checking.html
    assert checking.then is not None
    found = await checking.then()
    assert "I can read it" in found.html
    assert list(desk.store.accounts_of(ALICE)) == []
    assert found.then is not None
    watching = await found.then()
    assert "Watching <b>main</b> now" in watching.html
    [stored] = desk.store.accounts_of(ALICE)
    assert desk.store.credential(stored.id).secret == "the-secret"
    assert desk.changed == [stored]


async def test_failure_32_a_refused_account_gets_its_new_key_under_the_same_label(desk: Desk) -> None:
    refused = desk.add(ALICE)
    now = desk.clock()
    desk.store.record(
        CycleRecord(
            account_id=refused.id,
            at=now,
            report=None,
            states={},
            notices=[],
            next_due_at=now,
            refused=Cause.KEY_REFUSED,
        )
    )
    told = await whole(await add(desk.call(ALICE, "bybit", "main", "new-key", "new-secret"), desk.services))
    assert "Watching" in told[-1]
    [account] = desk.store.accounts_of(ALICE)
    assert (account.id, account.refused) == (refused.id, None)
    assert desk.store.credential(account.id).key == "new-key"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        pytest.param(("bybti", "main", "k", "s"), "Did you mean bybit?", id="a misspelled venue"),
        pytest.param(("bybit", "<b>", "k", "s"), "A label is one word", id="a hostile label"),
        pytest.param(
            ("bybit", "main", "k", "s", "p"), "needs API key and API secret; parts received: 3", id="too many"
        ),
        pytest.param(("hyperliquid", "main", "nope"), "An address starts with 0x", id="a malformed address"),
    ],
)
async def test_add_says_what_is_wrong_and_stores_nothing(desk: Desk, args: tuple[str, ...], told: str) -> None:
    with pytest.raises(RequestError) as error:
        await add(desk.call(ALICE, *args), desk.services)
    assert told in error.value.advice
    assert error.value.advice.endswith("Nothing was stored.")
    assert desk.reader.asked == []


async def test_remove_deletes_at_once_and_says_what(desk: Desk) -> None:
    desk.add(ALICE)
    told = await remove(desk.call(ALICE, "MAIN"), desk.services)
    assert "Removed <b>main</b> (bybit)" in told.html
    assert list(desk.store.accounts_of(ALICE)) == []


@pytest.mark.parametrize("new", [pytest.param("desk", id="another"), pytest.param("Main", id="another case")])
async def test_rename(desk: Desk, new: str) -> None:
    desk.add(ALICE)
    await rename(desk.call(ALICE, "main", new), desk.services)
    assert [account.label for account in desk.store.accounts_of(ALICE)] == [new]


async def test_a_label_in_use_is_not_given_twice(desk: Desk) -> None:
    desk.add(ALICE)
    desk.add(ALICE, "desk")
    with pytest.raises(RequestError):
        await rename(desk.call(ALICE, "main", "DESK"), desk.services)


async def test_thresholds_shown_set_and_refused(desk: Desk) -> None:
    desk.add(ALICE)
    shown = await thresholds(desk.call(ALICE), desk.services)
    assert "for all your accounts" in shown.html
    changed = await thresholds(desk.call(ALICE, "main", "Ratio", "40%", "60", "75", "85"), desk.services)
    assert "40%" in changed.html
    [account] = desk.store.accounts_of(ALICE)
    assert desk.store.ladders(account.id).ratio == (0.4, 0.6, 0.75, 0.85)
    with pytest.raises(RequestError):
        await thresholds(desk.call(ALICE, "main", "ratio", "90", "60", "75", "85"), desk.services)
    assert desk.store.ladders(account.id).ratio == (0.4, 0.6, 0.75, 0.85)


async def test_status_in_private_and_in_a_group(desk: Desk) -> None:
    account = desk.add(ALICE)
    alerted(desk, account)
    private = await status(desk.call(ALICE), desk.services)
    assert "1,402 USDT" in private.html
    assert "never a promise" not in private.html
    assert "within 24 h" in (await status(desk.call(ALICE, "main"), desk.services)).html
    unseen = await status(desk.call(ALICE, chat_id=GROUP), desk.services)
    assert "No account is shared" in unseen.html
    await share(desk.call(ALICE, "main", chat_id=GROUP), desk.services)
    by_bob = await status(desk.call(BOB, chat_id=GROUP), desk.services)
    assert "71.3%" in by_bob.html
    assert "USDT" not in by_bob.html
    await share(desk.call(ALICE, "main", "amounts", chat_id=GROUP), desk.services)
    assert "1,402 USDT" in (await status(desk.call(BOB, chat_id=GROUP), desk.services)).html
    await unshare(desk.call(ALICE, "main", chat_id=GROUP), desk.services)
    assert "No account is shared" in (await status(desk.call(BOB, chat_id=GROUP), desk.services)).html


async def test_failure_36_invitations_are_opaque_and_single_use(desk: Desk) -> None:
    reply = await invite(desk.call(OPERATOR), desk.services)
    code = reply.html.split("<code>/start ")[1].split("</code>")[0]
    with pytest.raises(NotAllowed):
        await start(desk.call(CHARLIE), desk.services)
    assert "Welcome" in (await start(desk.call(CHARLIE, code), desk.services)).html
    with pytest.raises(MarginbotError):
        await start(desk.call(CHARLIE + 1, code), desk.services)
    assert not desk.store.is_member(CHARLIE + 1)


async def test_a_code_opens_nothing_where_only_operators_register(desk: Desk) -> None:
    desk.store.create_invite("old-code", OPERATOR, desk.clock(), desk.clock() + timedelta(days=1))
    closed = replace(desk.services, access=replace(desk.services.access, mode=AccessMode.ADMINS))
    with pytest.raises(NotAllowed):
        await start(desk.call(CHARLIE, "old-code"), closed)


async def test_health_is_escaped(desk: Desk) -> None:
    assert "Telegram: fine &lt;b&gt;" in (await health(desk.call(OPERATOR), desk.services)).html


@pytest.mark.parametrize("who", [pytest.param(BOB, id="another member"), pytest.param(CHARLIE, id="a stranger")])
async def test_nobody_else_reaches_an_account_by_its_label(desk: Desk, who: int) -> None:
    account = desk.add(ALICE)
    alerted(desk, account)
    for handler, args in (
        (remove, ("main",)),
        (rename, ("main", "mine")),
        (status, ("main",)),
        (positions, ("main",)),
        (thresholds, ("main",)),
        (thresholds, ("main", "ratio", "10", "20", "30", "40")),
        (ack, ("main",)),
        (snooze, ("main", "2h")),
    ):
        with pytest.raises(NoSuchAccount):
            await handler(desk.call(who, *args), desk.services)
    for handler in (share, unshare):
        with pytest.raises(NoSuchAccount):
            await handler(desk.call(who, "main", chat_id=GROUP), desk.services)
    assert [a.label for a in desk.store.accounts_of(ALICE)] == ["main"]
    assert "main" not in (await accounts(desk.call(who), desk.services)).html


async def test_strangers_cannot_begin_to_add(desk: Desk) -> None:
    for attempt in (
        add(desk.call(CHARLIE), desk.services),
        add(desk.call(CHARLIE, "bybit", "main", "k", "s"), desk.services),
        start(desk.call(CHARLIE, "add"), desk.services),
        pressed(desk, CHARLIE, "add:bybit"),
    ):
        with pytest.raises(NotAllowed):
            await attempt
    assert not desk.services.dialogues.wants_secret(CHARLIE)


async def test_exchanges_read_as_estimates_are_typed_and_refused_ones_say_why(desk: Desk) -> None:
    rough = VenueInfo(
        id="rough", title="Rough", fields=(("key", "API key"),), instructions="Make a key.", estimates_only=True
    )
    locked = VenueInfo(id="locked", title="Locked", fields=(), instructions="", refusal="Locked has no read-only keys.")
    desk.reader.known = {**desk.reader.known, "rough": rough, "locked": locked}
    offered = [button.data for row in (await add(desk.call(ALICE), desk.services)).buttons for button in row]
    assert "add:bybit" in offered
    assert not {"add:rough", "add:locked"} & set(offered)
    assert "Rough" in (await add(desk.call(ALICE, "rough"), desk.services)).html
    with pytest.raises(UnknownExchange) as caught:
        await add(desk.call(ALICE, "locked", "main", "k"), desk.services)
    assert caught.value.advice == "Locked has no read-only keys. Nothing was stored."


@pytest.mark.parametrize("handler", [invite, health])
@pytest.mark.parametrize("who", [ALICE, CHARLIE])
async def test_operators_commands_are_refused_to_others(desk: Desk, handler: object, who: int) -> None:
    with pytest.raises(NotAllowed):
        await handler(desk.call(who), desk.services)  # type: ignore[operator]


async def test_help_and_menus_come_from_the_table(desk: Desk) -> None:
    check("help_private", (await show_help(desk.call(ALICE), desk.services)).html)
    check("help_group", (await show_help(desk.call(ALICE, chat_id=GROUP), desk.services)).html)
    check("help_operator", (await show_help(desk.call(OPERATOR), desk.services)).html)
    assert tuple(c.name for c in visible(private=False)) == GROUP_COMMANDS


async def test_all_is_calm(desk: Desk) -> None:
    account = desk.add(ALICE)
    now = desk.clock()
    record = CycleRecord(
        account_id=account.id,
        at=now,
        report=report(CALM, taken_at=now),
        states={"cross:USDT": AlertState(grade=Grade.OK)},
        notices=[],
        next_due_at=now,
    )
    desk.store.record(record)
    assert (await status(desk.call(ALICE), desk.services)).html.startswith(
        "✅ <b>All fine</b>: worst main BTC -45.1%, ratio 12.3%"
    )


async def test_remind_shows_sets_and_refuses(desk: Desk) -> None:
    assert "every 10m" in (await remind(desk.call(ALICE), desk.services)).html
    shown = (await remind(desk.call(ALICE, "critical", "5m", "WARNING", "90m"), desk.services)).html
    assert "critical  every 5m" in shown
    assert "WARNING 90m CRITICAL 5m EMERGENCY 3m" in shown
    for words in (("CRITICAL",), ("OK", "5m"), ("CRITICAL", "5m", "CRITICAL", "6m"), ("CRITICAL", "soon")):
        with pytest.raises(RequestError):
            await remind(desk.call(ALICE, *words), desk.services)
    assert "every 3m" in (await remind(desk.call(BOB), desk.services)).html
