"""The simulated Bot API, driven by the client that marginbot uses."""

import asyncio
import re
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    ReplyParameters,
    Update,
)
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TimedOut,
)
from telegram.ext import (
    Application,
    ApplicationBuilder,
    CallbackQueryHandler,
    ChatMemberHandler,
    CommandHandler,
    ContextTypes,
)

from tests.servers.telegram import TOKEN, FaultKind, TelegramServer, threaded

PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)
ALICE, BOB = 7, 8
GROUP, SUPERGROUP = -500, -1001234567890


@pytest.fixture(autouse=True)
def durations_are_timedeltas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the client warns whenever it reads a RetryAfter."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")


@pytest.fixture
async def tg() -> AsyncIterator[TelegramServer]:
    async with TelegramServer(longest_poll=0.2) as server:
        yield server


@pytest.fixture
async def bot(tg: TelegramServer) -> AsyncIterator[Bot]:
    async with bot_at(tg) as bot:
        yield bot


def bot_at(tg: TelegramServer, token: str = TOKEN) -> Bot:
    return Bot(token, base_url=f"{tg.url}/bot")


def keyboard(*labels: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(label, callback_data=f"do:{label}") for label in labels]])


# Sending


async def test_a_message_is_kept_as_a_reader_sees_it(tg: TelegramServer, bot: Bot) -> None:
    asked = tg.private(ALICE, "/status")
    sent = await bot.send_message(
        ALICE,
        "<b>BTC &lt; 5 %</b>",
        parse_mode="HTML",
        reply_markup=keyboard("Ack", "Snooze"),
        reply_parameters=ReplyParameters(asked),
        link_preview_options=LinkPreviewOptions(is_disabled=True),
        disable_notification=True,
    )
    [message] = tg.messages(ALICE)
    assert (message.message_id, message.text, message.html) == (sent.message_id, "BTC < 5 %", "<b>BTC &lt; 5 %</b>")
    assert [[(b.label, b.data) for b in row] for row in message.buttons] == [
        [("Ack", "do:Ack"), ("Snooze", "do:Snooze")]
    ]
    assert (message.silent, message.reply_to) == (True, asked)
    assert sent.reply_to_message is not None and sent.reply_to_message.text == "/status"
    assert tg.violations == [] and tg.refusals == []
    assert tg.calls("sendMessage")[0].params["link_preview_options"] == {"is_disabled": True}


async def test_files_keep_their_bytes(tg: TelegramServer, bot: Bot) -> None:
    await bot.send_photo(ALICE, PNG, caption="<i>chart</i>", parse_mode="HTML", reply_markup=keyboard("Day"))
    await bot.send_document(ALICE, b"{}", filename="export.json")
    photo, document = tg.messages(ALICE)
    assert photo.file is not None and document.file is not None
    assert (photo.kind, photo.text, photo.file.data) == ("photo", "chart", PNG)
    assert (document.kind, document.file.filename, document.file.data) == ("document", "export.json", b"{}")
    assert tg.violations == []


async def test_edits_leave_a_history(tg: TelegramServer, bot: Bot) -> None:
    sent = await bot.send_message(ALICE, "one", reply_markup=keyboard("Go"))
    await bot.edit_message_text("two", ALICE, sent.message_id)
    with pytest.raises(BadRequest, match="Message is not modified"):
        await bot.edit_message_text("two", ALICE, sent.message_id)
    await bot.edit_message_reply_markup(ALICE, sent.message_id, reply_markup=keyboard("Stop"))
    [message] = tg.messages(ALICE)
    assert (message.text, message.history, message.buttons[0][0].label) == ("two", ["one", "two"], "Stop")
    assert tg.refusals == [f"editMessageText: 400 {_NOT_MODIFIED}"]


_NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)


async def test_deleting_works_for_both_sides_in_private_only(tg: TelegramServer, bot: Bot) -> None:
    said = tg.private(ALICE, "/add okx main key secret")
    assert await bot.delete_message(ALICE, said)
    assert tg.deleted == {(ALICE, said)}
    with pytest.raises(BadRequest, match="Message to delete not found"):
        await bot.delete_message(ALICE, said)
    in_group = tg.say(GROUP, ALICE, "/add")
    with pytest.raises(BadRequest, match="can't be deleted"):
        await bot.delete_message(GROUP, in_group)
    tg.set_bot_status(GROUP, "administrator", by=ALICE)
    assert await bot.delete_message(GROUP, in_group)


async def test_command_menus_are_stored_by_scope(tg: TelegramServer, bot: Bot) -> None:
    await bot.set_my_commands([BotCommand("status", "how it stands")])
    await bot.set_my_commands([("add", "an account")], BotCommandScopeAllPrivateChats(), "de")
    await bot.set_my_commands([("users", "who")], BotCommandScopeChat(ALICE))
    assert tg.commands == {
        "default": {"status": "how it stands"},
        "all_private_chats/de": {"add": "an account"},
        f"chat:{ALICE}": {"users": "who"},
    }
    assert (await bot.get_my_commands())[0].command == "status"
    await bot.delete_my_commands()
    assert await bot.get_my_commands() == ()
    assert tg.violations == []


async def test_chats_and_members_can_be_asked_for(tg: TelegramServer, bot: Bot) -> None:
    tg.chat(SUPERGROUP, title="Desk")
    tg.set_member(SUPERGROUP, ALICE, "administrator")
    tg.set_member(SUPERGROUP, BOB, "creator")
    assert (await bot.get_chat(SUPERGROUP)).title == "Desk"
    assert (await bot.get_chat_member(SUPERGROUP, ALICE)).status == "administrator"
    assert (await bot.get_chat_member(SUPERGROUP, 99)).status == "left"
    assert {member.user.id for member in await bot.get_chat_administrators(SUPERGROUP)} == {ALICE, BOB}
    await bot.set_my_description("margin alarm")
    assert (await bot.get_my_description()).description == "margin alarm"
    assert await bot.set_chat_title(SUPERGROUP, "Desk 2")


async def test_4096_characters_are_counted_after_parsing(tg: TelegramServer, bot: Bot) -> None:
    await bot.send_message(ALICE, f"<b>{'&lt;' * 4096}</b>", parse_mode="HTML")
    assert tg.texts(ALICE) == ["<" * 4096]


async def test_without_a_specification_it_works_unvalidated() -> None:
    async with TelegramServer(spec_path=Path("/nowhere")) as tg, bot_at(tg) as bot:
        await bot.send_message(ALICE, "7", reply_markup=keyboard("Ack"))
        assert not tg.validating
        assert (tg.texts(ALICE), tg.messages(ALICE)[0].buttons[0][0].data) == (["7"], "do:Ack")
        assert await bot.send_message(ALICE, "x", api_kwargs={"txt": "1"})


# Faults


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("429", RetryAfter),
        ("500", NetworkError),
        ("502", NetworkError),
        ("400", BadRequest),
        ("403", Forbidden),
        ("reset", NetworkError),
        ("migrate", ChatMigrated),
    ],
)
async def test_a_fault_hits_once_and_delivers_nothing(
    tg: TelegramServer, bot: Bot, kind: FaultKind, error: type[Exception]
) -> None:
    fault = tg.faults.add("sendMessage", ALICE, kind=kind, retry_after=17)
    await bot.send_message(BOB, "not this chat")
    with pytest.raises(error):
        await bot.send_message(ALICE, "x")
    assert (fault.hits, tg.texts(ALICE), tg.refusals) == (1, [], [])
    await bot.send_message(ALICE, "again")
    assert tg.texts(ALICE) == ["again"]


async def test_a_lost_answer_still_delivers(tg: TelegramServer, bot: Bot) -> None:
    tg.faults.add("sendMessage", kind="reset_after")
    with pytest.raises(NetworkError):
        await bot.send_message(ALICE, "cut off")
    tg.faults.add("sendMessage", kind="slow", delay=0.6)
    with pytest.raises(TimedOut):
        await bot.send_message(ALICE, "late", read_timeout=0.3)
    assert tg.texts(ALICE) == ["cut off", "late"]


async def test_flood_limits_of_a_group(tg: TelegramServer, bot: Bot) -> None:
    tg.limits = True
    for number in range(20):
        await bot.send_message(GROUP, f"{number}")
    with pytest.raises(RetryAfter, match="Retry in"):
        await bot.send_message(GROUP, "one too many")
    await bot.send_message(ALICE, "elsewhere")
    assert len(tg.messages(GROUP)) == 20


async def test_who_cannot_be_written_to(tg: TelegramServer, bot: Bot) -> None:
    tg.block(ALICE)
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(ALICE, "x")
    tg.private(ALICE, "/start")
    await bot.send_message(ALICE, "welcome back")
    tg.set_bot_status(GROUP, "kicked", by=BOB)
    with pytest.raises(Forbidden, match="bot was kicked from the group chat"):
        await bot.send_message(GROUP, "x")
    tg.open_to_strangers = False
    with pytest.raises(BadRequest, match="Chat not found"):
        await bot.send_message(99, "x")


async def test_a_migrated_group_names_its_new_id(tg: TelegramServer, bot: Bot) -> None:
    tg.say(GROUP, ALICE, "/status")
    tg.migrate(GROUP, SUPERGROUP)
    with pytest.raises(ChatMigrated) as moved:
        await bot.send_message(GROUP, "x")
    assert moved.value.new_chat_id == SUPERGROUP
    await bot.send_message(SUPERGROUP, "x")


async def test_a_wrong_token_is_unauthorized(tg: TelegramServer) -> None:
    with pytest.raises(InvalidToken):
        async with bot_at(tg, "123456:WRONG"):
            pass
    assert [call.outcome for call in tg.calls("getMe")] == ["401 Unauthorized"]


# Polling


async def test_offsets_confirm_and_filters_drop(tg: TelegramServer, bot: Bot) -> None:
    for text in ("one", "two"):
        tg.private(ALICE, text)
    tg.block(ALICE)
    first = await bot.get_updates(limit=1, allowed_updates=["message"])
    rest = await bot.get_updates(offset=first[0].update_id + 1)
    assert [update.message.text for update in (*first, *rest) if update.message] == ["one", "two"]
    assert tg.pending == 1
    assert await bot.get_updates(offset=rest[0].update_id + 1) == ()
    assert tg.pending == 0


async def test_two_pollers_conflict(tg: TelegramServer, bot: Bot) -> None:
    tg.longest_poll = 1.0
    async with aiohttp.ClientSession() as session:
        older = session.post(f"{tg.url}/bot{TOKEN}/getUpdates", json={"timeout": 1})
        polling = asyncio.ensure_future(older)
        await tg.wait_until(lambda: tg.calls("getUpdates"))
        await bot.get_updates()
        assert (await polling).status == 409


def echo_application(tg: TelegramServer) -> Application[Any, Any, Any, Any, Any, Any]:
    async def echo(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        assert update.effective_message and context.args is not None
        await update.effective_message.reply_text(" ".join(context.args), reply_markup=keyboard("Ack"))

    async def pressed(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        assert update.callback_query
        await update.callback_query.answer("noted", show_alert=True)
        await update.callback_query.edit_message_text("acknowledged")

    async def member(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        assert update.my_chat_member
        status = update.my_chat_member.new_chat_member.status
        await update.get_bot().send_message(BOB, f"{update.my_chat_member.from_user.id} {status}")

    application = ApplicationBuilder().token(TOKEN).base_url(f"{tg.url}/bot").build()
    application.add_handler(CommandHandler("echo", echo))
    application.add_handler(CallbackQueryHandler(pressed))
    application.add_handler(ChatMemberHandler(member))
    return application


async def test_a_whole_application_polls_answers_and_hears_buttons(tg: TelegramServer) -> None:
    application = echo_application(tg)
    async with application:
        assert application.updater
        await application.updater.start_polling()
        await application.start()
        asked = tg.private(ALICE, "/echo hello there")
        answer = await tg.wait_for(ALICE, "hello there", after=asked)
        query = tg.press_button(ALICE, "Ack", ALICE)
        await tg.wait_for(ALICE, re.compile("^ack"))
        assert (answer.history, answer.buttons) == (["hello there"], [])
        assert (tg.callback_answers[query].text, tg.callback_answers[query].alert) == ("noted", True)
        tg.say(GROUP, BOB, "/echo@other_bot no")
        tg.say(GROUP, BOB, "just talking")
        tg.say(GROUP, BOB, "/echo@margin_test_bot yes")
        await tg.wait_for(GROUP, lambda message: message.text == "yes")
        assert tg.texts(GROUP) == ["yes"]
        tg.block(ALICE)
        await tg.wait_for(BOB, "7 kicked")
        await application.updater.stop()
        await application.stop()
    assert tg.violations == [] and tg.refusals == [] and tg.pending == 0


async def test_a_failed_wait_shows_what_was_said(tg: TelegramServer, bot: Bot) -> None:
    await bot.send_message(ALICE, "all calm", reply_markup=keyboard("Ack"))
    with pytest.raises(AssertionError, match=r"no message like 'storm'[\s\S]*all calm \[Ack\][\s\S]*sendMessage: ok"):
        await tg.wait_for(ALICE, "storm", 0.05)


async def test_it_can_go_down_and_come_back(tg: TelegramServer, bot: Bot) -> None:
    url = tg.url
    await tg.stop()
    with pytest.raises(NetworkError):
        await bot.send_message(ALICE, "x")
    await tg.start()
    await bot.send_message(ALICE, "back")
    assert (tg.url, tg.texts(ALICE)) == (url, ["back"])


def test_a_synchronous_test_talks_to_a_process() -> None:
    script = (
        "import sys, urllib.request as r;"
        "r.urlopen(sys.argv[1] + '/getUpdates?timeout=5').read();"
        "r.urlopen(sys.argv[1] + '/sendMessage?chat_id=7&text=heard').read()"
    )
    with threaded() as tg:
        process = subprocess.Popen([sys.executable, "-S", "-c", script, f"{tg.url}/bot{TOKEN}"])
        asked = tg.private(ALICE, "/start")
        assert tg.wait_for_sync(ALICE, "heard", after=asked).message_id == asked + 1
        assert process.wait(5) == 0
        urllib.request.urlopen(f"{tg.url}/bot{TOKEN}/getMe").close()
