"""Speaking to the Bot API: every error of the Telegram library is translated here, and nowhere else.

The order matters: `BadRequest` is a subclass of `NetworkError`, and what will be refused for ever must not be
taken for trouble on the line.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx
from telegram import (
    Bot,
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    LinkPreviewOptions,
    Message,
)
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from marginbot.bot.calls import Button, Document, Rows
from marginbot.bot.render import LIMIT, to_plain
from marginbot.domain.outcomes import Moved, NotEditable, Outcome, Sent, TryAgain, Unreachable
from marginbot.logs import scrub

log = logging.getLogger(__name__)

# Refusals that only a person can end, by a part of Telegram's description in lower case.
GONE = (
    "chat not found",
    "user not found",
    "user is deactivated",
    "group chat was deactivated",
    "peer_id_invalid",
    "bot was kicked",
    "bot is not a member",
    "chat_write_forbidden",
    "not enough rights to send",
    "have no rights to send",
    "need administrator rights",
    "topic_closed",
)
# A change that changes nothing, and messages that cannot be changed.
SAME = "not modified"
FIXED = ("message to edit not found", "message can't be edited", "message_id_invalid", "message not found")
NO_FILE = "Telegram did not take the file. Please try again later."
# A topic that takes no more messages; the forum's general topic may.
TOPIC_GONE = ("topic_closed", "topic_deleted", "topic_id_invalid", "thread not found")
# Errors of the transport before anything was sent.
NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Refused:
    """Telegram will not take the message in this form."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message in the forms it may take: in full, and as the short plain text that must arrive."""

    chat_id: int
    thread_id: int | None = None  # the topic, in a forum
    html: str
    short: str = ""
    buttons: Rows = ()
    silent: bool = False
    picture: bytes | None = field(default=None, repr=False)  # PNG; `html` is its caption
    document: Document | None = None  # `html` is its caption


def outcome_of(error: TelegramError) -> Outcome | Refused:
    """What an error of the Telegram library means for the message."""
    told = scrub(f"{type(error).__name__}: {error}")
    if isinstance(error, ChatMigrated):
        return Moved(error.new_chat_id)
    if isinstance(error, RetryAfter):
        return TryAgain(told, _wait(error))
    if isinstance(error, Forbidden):
        return Unreachable(told)
    if isinstance(error, BadRequest):
        return Unreachable(told) if any(part in told.lower() for part in GONE) else Refused(told)
    if isinstance(error, InvalidToken):
        log.error("Telegram does not accept the bot's token: check MARGINBOT_TELEGRAM_TOKEN")
    # TimedOut, NetworkError: perhaps delivered, perhaps not
    return TryAgain(told, line=isinstance(error, NetworkError), untaken=_is_untaken(error))


def _is_untaken(error: TelegramError) -> bool:
    """Whether the message did certainly not arrive: no connection was to be had, or the service said that it failed.

    A gateway that says it waited in vain (504) does not know either.
    """
    if not isinstance(error, NetworkError):
        return False
    if isinstance(error.__cause__, NEVER_LEFT):
        return True
    answered = error.__cause__ is None or isinstance(error.__cause__, TelegramError)
    return answered and not isinstance(error, TimedOut) and "timeout" not in error.message.lower()


def _wait(error: RetryAfter) -> timedelta:
    wait = error.retry_after
    return wait if isinstance(wait, timedelta) else timedelta(seconds=wait)


async def post(bot: Bot, letter: Letter) -> Outcome:
    """Send a message, in the fullest form that Telegram takes."""
    refused = ""
    for form in _forms(letter):
        result = await _attempt(bot, letter, form)
        if letter.thread_id is not None and _is_topic_gone(result):
            return await post(bot, replace(letter, thread_id=None))
        if not isinstance(result, Refused):
            return result
        refused = result.error
        log.warning("Telegram refused a form of a message: %s", refused)
    return TryAgain(refused)


def _is_topic_gone(result: Outcome | Refused) -> bool:
    told = result.error.lower() if isinstance(result, Refused | Unreachable) else ""
    return any(part in told for part in TOPIC_GONE)


async def post_whole(bot: Bot, letter: Letter) -> Outcome:
    """Send a message as it is, or not at all."""
    result = await _attempt(bot, letter, _forms(letter)[0])
    if isinstance(result, Refused):
        log.warning("Telegram refused a message: %s", result.error)
        return TryAgain(result.error)
    return result


@dataclass(frozen=True, slots=True)
class Form:
    """One way to say it."""

    text: str
    mode: ParseMode | None
    markup: InlineKeyboardMarkup | None
    picture: bytes | None = field(default=None, repr=False)
    document: Document | None = None


async def amend(bot: Bot, letter: Letter, message_id: int) -> Outcome | NotEditable:
    """Change a message, in the fullest form that Telegram takes; where it shows that already, all is well."""
    refused = ""
    for form in _forms(letter):
        try:
            await bot.edit_message_text(
                form.text,
                letter.chat_id,
                message_id,
                parse_mode=form.mode,
                reply_markup=form.markup,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        except TelegramError as error:
            result = outcome_of(error)
            if not isinstance(result, Refused):
                return result
            told = result.error.lower()
            if SAME in told:
                return Sent(message_id)
            if any(part in told for part in FIXED):
                return NotEditable(result.error)
            refused = result.error
            log.warning("Telegram refused a form of a change: %s", refused)
        else:
            return Sent(message_id)
    return NotEditable(refused)


def _forms(letter: Letter) -> list[Form]:
    markup = keyboard(letter.buttons)
    if letter.document is not None:
        return [Form(letter.html, ParseMode.HTML, markup, document=letter.document), Form(NO_FILE, None, None)]
    plain = to_plain(letter.html)
    return [
        Form(letter.html, ParseMode.HTML, markup, letter.picture),
        Form(plain[: LIMIT // 2], None, markup),
        Form(letter.short or plain[:400], None, None),
    ]


async def _attempt(bot: Bot, letter: Letter, form: Form) -> Outcome | Refused:
    send = _send_document if form.document else _send_picture if form.picture else _send_text
    try:
        message = await send(bot, letter, form)
    except TelegramError as error:
        return outcome_of(error)
    return Sent(message.message_id)


async def _send_text(bot: Bot, letter: Letter, form: Form) -> Message:
    return await bot.send_message(
        letter.chat_id,
        form.text,
        message_thread_id=letter.thread_id,
        parse_mode=form.mode,
        reply_markup=form.markup,
        disable_notification=letter.silent,
        link_preview_options=LinkPreviewOptions(is_disabled=True),
    )


async def _send_picture(bot: Bot, letter: Letter, form: Form) -> Message:
    assert form.picture is not None
    return await bot.send_photo(
        letter.chat_id,
        InputFile(form.picture, filename="chart.png"),
        caption=form.text,
        message_thread_id=letter.thread_id,
        parse_mode=form.mode,
        reply_markup=form.markup,
        disable_notification=letter.silent,
    )


async def _send_document(bot: Bot, letter: Letter, form: Form) -> Message:
    assert form.document is not None
    return await bot.send_document(
        letter.chat_id,
        InputFile(form.document.content, filename=form.document.name),
        caption=form.text,
        message_thread_id=letter.thread_id,
        parse_mode=form.mode,
        reply_markup=form.markup,
        disable_notification=letter.silent,
        disable_content_type_detection=True,
    )


def keyboard(rows: Rows) -> InlineKeyboardMarkup | None:
    """Buttons as Telegram wants them."""
    if not rows:
        return None
    return InlineKeyboardMarkup([[_button(button) for button in row] for row in rows])


def _button(button: Button) -> InlineKeyboardButton:
    if button.copy:
        return InlineKeyboardButton(button.text, copy_text=CopyTextButton(button.copy))
    if button.url:
        return InlineKeyboardButton(button.text, url=button.url)
    return InlineKeyboardButton(button.text, callback_data=button.data)
