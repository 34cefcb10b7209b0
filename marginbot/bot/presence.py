"""Who can hear the bot and which groups may look: acts at once on who was blocked, added, removed, or left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from telegram import ChatMemberUpdated, Update
from telegram.constants import ChatType
from telegram.ext import ContextTypes

from marginbot.bot import render_status
from marginbot.bot.calls import Services
from marginbot.bot.figures import ago, clock, text
from marginbot.bot.language import _, best, later, plural, read_in_language
from marginbot.bot.voice import Voice, is_present, labels_by_chat
from marginbot.flow.ports import Account, Person

log = logging.getLogger(__name__)

GROUPS = frozenset({ChatType.GROUP, ChatType.SUPERGROUP})
ASK_AGAIN_AFTER = timedelta(minutes=10)  # whether an owner is still in a group
REMOVED = later("I was removed from the group")
LEFT = later("You are no longer in the group")
RIGHTS = later(
    "Two rights are of use where you want them: “Pin messages” for the live board (/board), and “Delete messages”, so "
    "that a key sent here by mistake is gone at once."
)
BLOCKED = "blocked by the person"
HELLO = later(
    "👋 I watch the margin of exchange accounts. Nothing is shown here unless an owner wants "
    "it: send /share LABEL here to let this group see the grade and percentages of an account "
    "of yours with /status, and /unshare LABEL to end that. I need no administrator rights, "
    "only to be allowed to write. Accounts are added in our private chat, never here."
)


class Presence:
    """Keeps alerts and shares in step with who is there."""

    def __init__(self, services: Services, voice: Voice) -> None:
        self._services = services
        self._store = services.store
        self._voice = voice
        self._asked: dict[tuple[int, int], datetime] = {}

    async def on_change(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        """The bot's own place in a chat changed, or (where it is told) somebody else's."""
        mine, theirs = update.my_chat_member, update.chat_member
        if mine is not None and mine.chat.type == ChatType.PRIVATE:
            self._private(mine)
        elif mine is not None and mine.chat.type in GROUPS:
            self._group(mine)
        elif theirs is not None and not is_present(theirs.new_chat_member):
            self._gone(theirs.chat.id, theirs.chat.title, theirs.new_chat_member.user.id)

    async def on_left(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        """The message that says who left a group; unlike the above it comes without administrator rights."""
        message = update.effective_message
        if message is not None and message.left_chat_member is not None:
            self._gone(message.chat.id, message.chat.title, message.left_chat_member.id)

    def greet(self, person: Person) -> None:
        """Somebody speaks: if alerts could not reach them, they can from now on, and hear how things are."""
        regained = self._store.regained_contact(person.user_id)
        if regained is None:
            return
        since, missed = regained
        log.info("user %s can be reached again", person.user_id)
        with read_in_language(self._store.language_of(person.user_id)):
            self._voice.tell(person.user_id, self._regained(person, since, missed))

    def _regained(self, person: Person, since: datetime, missed: int) -> str:
        view = self._services.view
        untold = " " + plural("{n} was not delivered.", "{n} were not delivered.", missed) if missed else ""
        lines = [
            _(
                "👋 My alerts reach you again. Since {since} ({ago}) they could not.",
                since=clock(since, view.now),
                ago=ago(view.now - since),
            )
            + untold
        ]
        standings = self._services.status.own(person.user_id)
        if standings:
            lines += [_("This is how things are now:"), "", render_status.status(standings, view)]
        return "\n".join(lines)

    async def check_owners(self, chat_id: int, now: datetime) -> None:
        """Before a group is shown anything: owners who left it without the bot being told end their shares."""
        owners = {account.user_id for account, _amounts in self._store.shared_with(chat_id)}
        due = [o for o in owners if now - self._asked.get((chat_id, o), now - ASK_AGAIN_AFTER) >= ASK_AGAIN_AFTER]
        self._asked |= {(chat_id, owner): now for owner in due}
        left = await asyncio.gather(*(self._voice.has_left(chat_id, owner) for owner in due))
        for owner, gone in zip(due, left, strict=True):
            if gone:
                self._gone(chat_id, None, owner)

    def _private(self, change: ChatMemberUpdated) -> None:
        person = Person(change.from_user.id, change.from_user.full_name)
        if is_present(change.new_chat_member):
            self.greet(person)
        elif self._store.lost_contact(person.user_id, BLOCKED, self._services.clock()):
            log.warning("user %s blocked the bot: alerts to them are off", person.user_id)
            self._tell_operators(person)

    def _tell_operators(self, person: Person) -> None:
        count = len(self._store.accounts_of(person.user_id))
        if not count:
            return
        for operator in self._services.access.operators - {person.user_id}:
            with read_in_language(self._store.language_of(operator)):
                told = _(
                    "📵 {name} (user {user_id}, {accounts}) has blocked me. Alerts to that chat are off until "
                    "they unblock me or write to me.",
                    name=text(person.name, 40),
                    user_id=person.user_id,
                    accounts=plural("{n} account", "{n} accounts", count),
                )
            self._voice.tell(operator, told)

    def _group(self, change: ChatMemberUpdated) -> None:
        was, is_now = is_present(change.old_chat_member), is_present(change.new_chat_member)
        if was and not is_now:
            self._tell_owners(self._store.end_shares(change.chat.id), REMOVED, change.chat.title)
        elif is_now and not was:
            language = best(self._store.chosen_language(change.from_user.id), change.from_user.language_code)
            self._store.set_language(change.chat.id, language)
            with read_in_language(language):
                self._voice.tell(change.chat.id, f"{_(HELLO)}\n\n{_(RIGHTS)}")

    def _gone(self, chat_id: int, title: str | None, user_id: int) -> None:
        self._asked.pop((chat_id, user_id), None)
        self._tell_owners(self._store.end_shares(chat_id, user_id), LEFT, title)

    def _tell_owners(self, accounts: Iterable[Account], what: str, title: str | None) -> None:
        name = f" “{text(title, 60)}”" if title else ""
        for chat_id, labels in labels_by_chat(accounts).items():
            log.info("accounts of chat %s are no longer shared with a group", chat_id)
            with read_in_language(self._store.language_of(chat_id)):
                told = _("👥 {what}{name}: it no longer sees <b>{labels}</b>.", what=_(what), name=name, labels=labels)
            self._voice.tell(chat_id, told)
