"""The bot's own voice in a chat: replies, the slow rest of them, deletions and changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from telegram import Bot, CallbackQuery, ChatMember, ChatMemberRestricted
from telegram.constants import ParseMode
from telegram.error import BadRequest, TelegramError

from marginbot.bot.calls import Reply, Rows
from marginbot.bot.figures import text
from marginbot.bot.language import _, later, read_in_language
from marginbot.bot.render import CAPTION_LIMIT, LIMIT, pages
from marginbot.bot.wire import Letter, Refused, keyboard, outcome_of, post
from marginbot.domain.outcomes import Moved, Outcome, Sent, TryAgain, Unreachable
from marginbot.flow.ports import Account, Store
from marginbot.flow.tasks import Tasks

log = logging.getLogger(__name__)

PATIENCE = (1.0, 4.0, 15.0)  # seconds before each further attempt
LONGEST_WAIT = 40.0  # of a flood wait that a reply is still held for
TOAST_LIMIT = 200
LOOKUP_SECONDS = 3.0
FAREWELL_SECONDS = 2.0
INTERRUPTED = later(
    "I was stopped before I had finished this. Please send it again in a minute; /accounts shows what is stored."
)

MOVED = later(
    "👥 A group that sees <b>{labels}</b> became a supergroup. I followed it: it still sees "
    "what you shared. /unshare LABEL there ends that."
)

MUTE = later(
    "You asked me something in a group where I may not write. Whoever runs the group can let me send messages: group "
    "settings, Permissions, or make me an administrator."
)

Guarded = Callable[[Callable[[], Awaitable[Reply]]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where to speak: a chat, in a forum one of its topics."""

    chat_id: int
    thread_id: int | None = None
    asker: int | None = None  # who is told in private when the bot may not write there


class Voice:
    """Speaks with some patience: a reply survives a hiccup, but never holds up the end of the program."""

    def __init__(self, bot: Bot, store: Store) -> None:
        self._bot = bot
        self._store = store
        self._closing = asyncio.Event()
        self._aside = Tasks()

    async def say(self, place: Place, reply: Reply, guarded: Guarded) -> None:
        """Say it now; what is slow about it follows, without holding up this chat's next message."""
        await self._speak(place, reply)
        if reply.then is not None:
            self._aside.spawn(self._follow(place, reply.then, guarded))

    def answer_aside(self, place: Place, work: Callable[[], Awaitable[Reply]], guarded: Guarded) -> None:
        """Say what some work leads to, without holding up who asked for it."""
        self._aside.spawn(self._follow(place, work, guarded))

    def tell(self, chat_id: int, html: str) -> None:
        """Say something that nobody waits for."""
        self._aside.spawn(self._speak(Place(chat_id), Reply(html=html)))

    def follow(self, old: int, new: int) -> None:
        """A group became a supergroup: keep to it, and tell the owners of what it sees."""
        seen = [self._store.account_by_id(account_id) for account_id in self._store.move_chat(old, new)]
        for chat_id, labels in labels_by_chat(seen).items():
            with read_in_language(self._store.language_of(chat_id)):
                self.tell(chat_id, _(MOVED, labels=labels))

    async def has_left(self, chat_id: int, user_id: int) -> bool:
        """Whether somebody is no longer in a group; where Telegram does not say so at once, they are taken to be."""
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                member = await self._bot.get_chat_member(chat_id, user_id)
        except (TelegramError, TimeoutError) as error:
            log.info("whether somebody is in a group is not known: %s", type(error).__name__)
            return False
        return not is_present(member)

    async def _follow(self, place: Place, then: Callable[[], Awaitable[Reply]], guarded: Guarded) -> None:
        following: Callable[[], Awaitable[Reply]] | None = then
        try:
            while following is not None:
                reply = await guarded(following)
                await self._speak(place, reply)
                following = reply.then
        except asyncio.CancelledError:
            letter = Letter(chat_id=place.chat_id, thread_id=place.thread_id, html=_(INTERRUPTED))
            with suppress(TimeoutError):
                await asyncio.wait_for(post(self._bot, letter), timeout=FAREWELL_SECONDS)
            raise

    async def close(self) -> None:
        """Stop waiting for anything; who still waits for an answer is told."""
        self._closing.set()
        await self._aside.stop(0.0)

    async def _speak(self, place: Place, reply: Reply) -> None:
        found = pages(reply.html, CAPTION_LIMIT if reply.picture or reply.document else LIMIT)
        chat_id = place.chat_id
        for number, page in enumerate(found, start=1):
            buttons = reply.buttons if number == len(found) else ()
            letter = Letter(chat_id=chat_id, thread_id=place.thread_id, html=page, buttons=buttons)
            if number == 1:
                letter = replace(letter, picture=reply.picture, document=reply.document)
            chat_id, outcome = await self._deliver(letter)
            if isinstance(outcome, Unreachable) and place.asker and chat_id < 0:
                await post(self._bot, Letter(chat_id=place.asker, html=_(MUTE)))
                return

    async def _deliver(self, letter: Letter) -> tuple[int, Outcome]:
        """Send with patience; the chat's id, which may have changed, and what became of it."""
        outcome: Outcome = await post(self._bot, letter)
        for patience in PATIENCE:
            if isinstance(outcome, Moved):
                self.follow(letter.chat_id, outcome.chat_id)
                letter = replace(letter, chat_id=outcome.chat_id)
            elif isinstance(outcome, TryAgain):
                wait = outcome.after.total_seconds() if outcome.after else patience
                if wait > LONGEST_WAIT or not await self._pause(wait):
                    break
            else:
                break
            outcome = await post(self._bot, letter)
        if not isinstance(outcome, Sent):
            log.warning("a reply could not be delivered: %s", outcome)
        return letter.chat_id, outcome

    async def _pause(self, seconds: float) -> bool:
        """Wait; False when the program is ending."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return True
        return False

    async def delete(self, chat_id: int, message_id: int) -> bool:
        """Delete somebody's message, trying twice; whether it is gone."""
        for again in (True, False):
            try:
                return await self._bot.delete_message(chat_id, message_id)
            except TelegramError as error:
                if isinstance(error, BadRequest) and "not found" in str(error).lower():
                    return True
                outcome = outcome_of(error)
                log.warning("a message could not be deleted: %s", outcome)
                if not again:
                    return False
                await self._pause(_wait_before_repeat(outcome))
        return False

    async def toast(self, query: CallbackQuery, words: str, *, alert: bool) -> None:
        """Show a word to the one who pressed a button; without one, the button just stops spinning."""
        shown = words if len(words) <= TOAST_LIMIT else words[: TOAST_LIMIT - 1] + "…"
        try:
            await query.answer(shown or None, show_alert=alert)
        except TelegramError as error:
            log.info("a press could not be answered: %s", outcome_of(error))

    async def change(self, query: CallbackQuery, html: str, buttons: Rows) -> None:
        """Change the message under which a button was pressed."""
        try:
            await query.edit_message_text(html, parse_mode=ParseMode.HTML, reply_markup=keyboard(buttons))
        except TelegramError as error:
            log.info("a message could not be changed: %s", outcome_of(error))


def labels_by_chat(accounts: Iterable[Account]) -> dict[int, str]:
    """The labels of accounts, ready to show, by the private chat of their owner."""
    found: dict[int, list[str]] = {}
    for account in accounts:
        found.setdefault(account.chat_id, []).append(text(account.label, 24))
    return {chat_id: ", ".join(labels) for chat_id, labels in found.items()}


def is_present(member: ChatMember) -> bool:
    """Whether this is somebody in the chat."""
    if isinstance(member, ChatMemberRestricted):
        return member.is_member
    return member.status not in (ChatMember.LEFT, ChatMember.BANNED)


def _wait_before_repeat(outcome: Outcome | Refused) -> float:
    """A secret is lying about: wait no longer than a few seconds, whatever was asked for."""
    asked = outcome.after.total_seconds() if isinstance(outcome, TryAgain) and outcome.after else 0.3
    return min(asked, 5.0)
