"""What came in: who said it, where, and whether it may hold a secret. The text itself is never printed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from telegram import Message, Update
from telegram.constants import ChatType

from marginbot.flow.ports import Person

ANONYMOUS_ADMIN = 1087968824  # @GroupAnonymousBot, the sender of anonymous administrators
SHORTEST_KEY = 30  # credentials are longer than this; words of people are not
LONGEST_NAME_OF_A_VENUE = 24

_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,64})(?:@(\w+))?(?=\s|$)")
_ADDRESS = re.compile(r"(?!https?://)[A-Za-z][A-Za-z0-9+.-]{1,30}://\S", re.IGNORECASE)  # of a channel: holds its token
_KEYLIKE = re.compile(rf"[A-Za-z0-9+/=_.:-]{{{SHORTEST_KEY},}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message in the terms of this bot."""

    chat_id: int
    message_id: int
    words: str = field(repr=False)
    private: bool
    channel: bool
    edited: bool
    person: Person | None  # None: somebody who cannot be told from others
    sent_at: datetime
    replied_to: int | None = None
    thread_id: int | None = None  # the topic of a forum
    language: str | None = None  # what the writer's Telegram is set to
    moved: tuple[int, int] | None = None  # the group of the first id became the supergroup of the second


def incoming(update: Update) -> Incoming | None:
    """The message of an update; None for what no person wrote."""
    message = update.effective_message
    if message is None or update.callback_query is not None or message.is_automatic_forward:
        return None
    user = message.from_user
    if user is not None and user.is_bot and message.sender_chat is None and user.id != ANONYMOUS_ADMIN:
        return _incoming(message, update) if _moved(message) else None
    return _incoming(message, update)


def _moved(message: Message) -> tuple[int, int] | None:
    """Telegram says it twice, in the old chat and in the new one; either may be missed."""
    if message.migrate_to_chat_id is not None:
        return message.chat.id, message.migrate_to_chat_id
    if message.migrate_from_chat_id is not None:
        return message.migrate_from_chat_id, message.chat.id
    return None


def thread_of(message: Message) -> int | None:
    """The topic a message stands in; other groups number their threads too, but those are no places to write to."""
    return message.message_thread_id if message.is_topic_message else None


def _incoming(message: Message, update: Update) -> Incoming:
    replied = message.reply_to_message
    return Incoming(
        chat_id=message.chat.id,
        message_id=message.message_id,
        words=message.text or message.caption or "",
        private=message.chat.type == ChatType.PRIVATE,
        channel=message.chat.type == ChatType.CHANNEL,
        edited=update.edited_message is not None or update.edited_channel_post is not None,
        person=_person(message),
        sent_at=message.date,
        replied_to=replied.message_id if replied else None,
        thread_id=thread_of(message),
        language=message.from_user.language_code if message.from_user else None,
        moved=_moved(message),
    )


def _person(message: Message) -> Person | None:
    user = message.from_user
    if user is None or message.sender_chat is not None or user.id == ANONYMOUS_ADMIN:
        return None
    return Person(user.id, user.full_name)


def command_of(words: str, bot_name: str) -> tuple[str, tuple[str, ...]] | None:
    """Name and arguments of a command; None for plain text and for what is meant for another bot."""
    found = _COMMAND.match(words.strip())
    if found is None or (found[2] or bot_name).casefold() != bot_name.casefold():
        return None
    return found[1].lower(), tuple(words.strip()[found.end() :].split())


def holds_secret(words: str) -> bool:
    """Whether a message should be deleted to be safe.

    Any `/add` with more than a venue's name, any `/channels add` with an address, anything keylike.
    """
    parsed = _COMMAND.match(words.strip())
    args = words.strip()[parsed.end() :].split() if parsed else []
    if parsed and parsed[1].lower() == "channels":
        return len(args) > 1 and args[0].lower() == "add"
    if parsed and parsed[1].lower() == "add" and args:
        return len(args) > 1 or len(args[0]) > LONGEST_NAME_OF_A_VENUE
    if any(_ADDRESS.match(word) for word in words.split()):
        return True
    return any(_KEYLIKE.fullmatch(word) and not word.startswith("http") for word in words.split())
