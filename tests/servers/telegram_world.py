"""The people's side of a simulated Telegram: what they say and press, and what they see."""

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from tests.servers.telegram_bell import Bell
from tests.servers.telegram_faults import Faults, Throttle
from tests.servers.telegram_records import (
    COMMAND,
    Button,
    Call,
    Chat,
    ChatType,
    Json,
    Message,
    Status,
    User,
    chat_type_of,
    member_as_api,
    message_as_api,
)

T = TypeVar("T")
Wanted = str | re.Pattern[str] | Callable[[Message], bool]

_OPT_IN = {"chat_member", "message_reaction", "message_reaction_count"}


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """What answerCallbackQuery showed to the one who pressed."""

    text: str
    alert: bool


class World:
    """Every method may be called from any thread.

    A chat comes into being when somebody speaks there or the bot writes to it, unless
    `open_to_strangers` is False: then the bot gets "chat not found" until the person has spoken.
    In groups the bot hears commands and replies to itself only, as by default on Telegram (`privacy`).
    """

    def __init__(self, bot_id: int) -> None:
        self.bot = User(bot_id, "marginbot", None, "margin_test_bot", is_bot=True)
        self.requests: list[Call] = []
        self.violations: list[str] = []
        self.deleted: set[tuple[int, int]] = set()
        self.commands: dict[str, dict[str, str]] = {}  # "chat:7" or "default/de" -> command -> description
        self.callback_answers: dict[str, CallbackAnswer] = {}
        self.faults = Faults()
        self.throttle = Throttle()
        self.limits = False
        self.webhook_secret = ""
        self.webhook_error = ""  # set: pushing failed a moment ago
        self.webhook = ""  # set: getUpdates is refused until deleteWebhook
        self.open_to_strangers = True
        self.privacy = True
        self.chats: dict[int, Chat] = {}
        self.users: dict[int, User] = {}
        self.callback_queries: set[str] = set()
        self.lock = threading.RLock()
        self.bell = Bell()
        self._updates: list[Json] = []
        self._allowed: list[str] = []
        self._update_ids = count(700_000_001)
        self._ids: defaultdict[int, Iterator[int]] = defaultdict(lambda: count(1))

    # What people do

    def user(self, user_id: int, first_name: str = "Alice", language_code: str | None = "en") -> User:
        """Introduces a person, or changes what is known of one."""
        with self.lock:
            known = self.users.setdefault(user_id, User(user_id))
            known.first_name, known.language_code = first_name, language_code
            return known

    def chat(self, chat_id: int, chat_type: ChatType | None = None, title: str = "Traders") -> Chat:
        """The chat of this id, made if there is none."""
        with self.lock:
            if chat_id not in self.chats:
                kind = chat_type or chat_type_of(chat_id)
                person = self.users.setdefault(chat_id, User(chat_id)) if kind == "private" else None
                self.chats[chat_id] = Chat(chat_id, kind, title, person)
                self.chats[chat_id].members[self.bot.id] = "member"
            return self.chats[chat_id]

    def private(self, user_id: int, text: str, *, reply_to: int | None = None, age: float = 0) -> int:
        """Somebody writes to the bot; the id of the message."""
        return self.say(user_id, user_id, text, reply_to=reply_to, age=age)

    def say(
        self,
        chat_id: int,
        user_id: int,
        text: str,
        *,
        reply_to: int | None = None,
        chat_type: ChatType | None = None,
        age: float = 0,
        thread_id: int | None = None,
    ) -> int:
        """Somebody writes into a chat (a forum's topic), `age` seconds ago; the id of the message."""
        with self.lock:
            chat = self.chat(chat_id, chat_type)
            if chat.type == "private" and chat.members[self.bot.id] == "kicked":
                self.unblock(user_id)
            message = self.add_message(chat, self._person(chat, user_id), text, reply_to=reply_to)
            message.date -= int(age)
            message.thread_id = thread_id
            if self._is_heard(chat, message):
                self.push("message", message_as_api(message, chat))
            return message.message_id

    def rewrite(self, chat_id: int, message_id: int, text: str) -> None:
        """Somebody edits a message of theirs."""
        with self.lock:
            chat = self.chats[chat_id]
            message = chat.messages[message_id]
            message.history.append(message.text)
            message.text = message.html = text
            message.edited_at = time.monotonic()
            if self._is_heard(chat, message):
                self.push("edited_message", message_as_api(message, chat))

    def press(self, chat_id: int, message_id: int, data: str, user_id: int) -> str:
        """Somebody presses a button; the id of the callback query, a key of `callback_answers`."""
        with self.lock:
            chat = self.chats[chat_id]
            query_id = f"query-{len(self.callback_queries) + 1}"
            self.callback_queries.add(query_id)
            query: Json = {
                "id": query_id,
                "from": self._person(chat, user_id).as_api(),
                "message": message_as_api(chat.messages[message_id], chat),
                "chat_instance": f"instance-{chat_id}",
                "data": data,
            }
            self.push("callback_query", query)
            return query_id

    def press_button(self, chat_id: int, label: str, user_id: int) -> str:
        """Presses the button with this label on the newest message that has one."""
        message, button = self.find_button(chat_id, label)
        assert button.data is not None, f"{label!r} opens {button.url}: the bot hears nothing of it"
        return self.press(chat_id, message.message_id, button.data, user_id)

    def find_button(self, chat_id: int, label: str) -> tuple[Message, Button]:
        for message in reversed(self.messages(chat_id)):
            for button in (button for row in message.buttons for button in row):
                if button.label == label:
                    return message, button
        raise AssertionError(f"no button {label!r}\n{self.dump(chat_id)}")

    def block(self, user_id: int) -> None:
        """Somebody blocks the bot: it is told once, and what it sends there is refused."""
        self.set_bot_status(user_id, "kicked", by=user_id)

    def unblock(self, user_id: int) -> None:
        self.set_bot_status(user_id, "member", by=user_id)

    def set_bot_status(self, chat_id: int, status: Status, *, by: int) -> None:
        """Adds the bot to a group, removes it, promotes it: what my_chat_member reports."""
        with self.lock:
            chat = self.chat(chat_id)
            before = chat.members[self.bot.id]
            chat.members[self.bot.id] = status
            change: Json = {
                "chat": chat.as_api(),
                "from": self._person(chat, by).as_api(),
                "date": int(time.time()),
                "old_chat_member": member_as_api(self.bot, before),
                "new_chat_member": member_as_api(self.bot, status),
            }
            self.push("my_chat_member", change)

    def set_member(self, chat_id: int, user_id: int, status: Status) -> None:
        """What getChatMember answers about somebody; no update is sent."""
        with self.lock:
            self._person(self.chat(chat_id), user_id)
            self.chats[chat_id].members[user_id] = status

    def leave(self, chat_id: int, user_id: int, *, told: bool = True) -> None:
        """Somebody leaves a group; `told`: with the service message that bots hear of it."""
        with self.lock:
            chat = self.chat(chat_id)
            person = self._person(chat, user_id)
            chat.members[user_id] = "left"
            if told:
                service = self.add_message(chat, person, "", kind="service")
                self.push("message", message_as_api(service, chat) | {"left_chat_member": person.as_api()})

    def change_member(self, chat_id: int, user_id: int, status: Status) -> None:
        """Somebody's place in a group changes: what chat_member reports to an administrator."""
        with self.lock:
            chat = self.chat(chat_id)
            person = self._person(chat, user_id)
            before, chat.members[user_id] = chat.members[user_id], status
            change: Json = {
                "chat": chat.as_api(),
                "from": person.as_api(),
                "date": int(time.time()),
                "old_chat_member": member_as_api(person, before),
                "new_chat_member": member_as_api(person, status),
            }
            self.push("chat_member", change)

    def migrate(self, chat_id: int, new_chat_id: int) -> None:
        """A group becomes a supergroup: both service messages, and the old id is refused from now on."""
        with self.lock:
            old, new = self.chat(chat_id), self.chat(new_chat_id, "supergroup")
            new.title, new.members = old.title, dict(old.members)
            old.migrated_to = new_chat_id
            for chat, notice in ((old, {"migrate_to_chat_id": new.id}), (new, {"migrate_from_chat_id": old.id})):
                service = self.add_message(chat, self.bot, "", kind="service")
                self.push("message", message_as_api(service, chat) | notice)

    # What people see

    def messages(self, chat_id: int) -> list[Message]:
        """What the bot has sent to the chat and not deleted, oldest first."""
        with self.lock:
            chat = self.chats.get(chat_id)
            sent = list(chat.messages.values()) if chat else []
            return [message for message in sent if message.sender is self.bot and message.kind != "service"]

    def texts(self, chat_id: int) -> list[str]:
        return [message.text for message in self.messages(chat_id)]

    def calls(self, method: str | None = None) -> list[Call]:
        """The requests for one method, or all but getUpdates."""
        with self.lock:
            return [c for c in self.requests if (c.method == method if method else c.method != "getUpdates")]

    @property
    def refusals(self) -> list[str]:
        """Every 400 that the bot brought upon itself, arranged faults left out."""
        with self.lock:
            refused = [c for c in self.requests if c.outcome.startswith("400") and not c.arranged]
            return [f"{call.method}: {call.outcome}" for call in refused]

    @property
    def pending(self) -> int:
        """Updates the bot has not confirmed yet."""
        with self.lock:
            return len(self._updates)

    async def wait_for(
        self,
        chat_id: int,
        wanted: Wanted,
        timeout: float = 30.0,  # noqa: ASYNC109 - as in wait_for_sync
        *,
        after: int = 0,
    ) -> Message:
        """The first message with an id above `after` that has this text, matches or satisfies."""
        explain = self._missing(chat_id, wanted)
        return await self.wait_until(lambda: self._find(chat_id, wanted, after), timeout, explain)

    def wait_for_sync(self, chat_id: int, wanted: Wanted, timeout: float = 30.0, *, after: int = 0) -> Message:
        """wait_for, for a test without an event loop."""
        explain = self._missing(chat_id, wanted)
        return self.wait_until_sync(lambda: self._find(chat_id, wanted, after), timeout, explain)

    async def wait_until(
        self,
        look: Callable[[], T | None],
        timeout: float = 30.0,  # noqa: ASYNC109 - as in wait_until_sync
        explain: Callable[[], str] = lambda: "it never happened",
    ) -> T:
        """The first true value of `look`, asked again whenever something changes and ten times a second."""
        deadline = time.monotonic() + timeout
        while True:
            seen = self.bell.count
            if found := look():
                return found
            if (left := deadline - time.monotonic()) <= 0:
                raise AssertionError(explain())
            await self.bell.listen(seen, min(left, 0.1))

    def wait_until_sync(
        self,
        look: Callable[[], T | None],
        timeout: float = 30.0,
        explain: Callable[[], str] = lambda: "it never happened",
    ) -> T:
        """wait_until, for a test without an event loop."""
        deadline = time.monotonic() + timeout
        while True:
            seen = self.bell.count
            if found := look():
                return found
            if (left := deadline - time.monotonic()) <= 0:
                raise AssertionError(explain())
            self.bell.wait(seen, min(left, 0.1))

    def dump(self, chat_id: int) -> str:
        """Everything said in a chat, and every complaint, for the message of a failed test."""
        with self.lock:
            chat = self.chats.get(chat_id)
            said = [str(message) for message in chat.messages.values()] if chat else []
            last = [f"{call.method}: {call.outcome}" for call in self.calls()[-10:]]
        parts = {f"chat {chat_id}": said, "violations": self.violations, "last requests": last}
        return "\n".join(f"{name}:\n    " + ("\n    ".join(lines) or "none") for name, lines in parts.items())

    # What the Bot API needs

    def push(self, kind: str, payload: Json) -> None:
        """Queues an update of any kind."""
        with self.lock:
            self._updates.append({"update_id": next(self._update_ids), kind: payload})
        self.bell.ring()

    def fetch(self, offset: int, limit: int) -> list[Json]:
        """Confirms the updates below `offset`, drops the unwanted ones, and hands out the rest."""
        with self.lock:
            if offset < 0:
                self._updates = self._updates[offset:]
            self._updates = [u for u in self._updates if u["update_id"] >= offset and self._is_allowed(u)]
            return self._updates[:limit]

    def allow(self, kinds: list[str]) -> None:
        """Remembers which kinds of update the bot asked for; none means the usual ones."""
        with self.lock:
            self._allowed = kinds

    def drop_updates(self) -> None:
        with self.lock:
            self._updates.clear()

    def add_message(
        self, chat: Chat, sender: User, text: str, *, reply_to: int | None = None, kind: str = "text"
    ) -> Message:
        """Files a message under the next free id: supergroups count for themselves."""
        message_id = next(self._ids[chat.id if chat.type == "supergroup" else 0])
        message = Message(chat.id, message_id, sender, text, text, reply_to=reply_to, kind=kind)
        chat.messages[message_id] = message
        return message

    def _person(self, chat: Chat, user_id: int) -> User:
        chat.members.setdefault(user_id, "member")
        return self.users.setdefault(user_id, User(user_id))

    def _is_heard(self, chat: Chat, message: Message) -> bool:
        status = chat.members[self.bot.id]
        if chat.type == "private" or status in ("left", "kicked"):
            return chat.type == "private"
        if not self.privacy or status == "administrator":
            return True
        replied = chat.messages.get(message.reply_to or 0)
        to_whom = [found[2] for found in COMMAND.finditer(message.text)]
        return bool(replied and replied.sender is self.bot) or any(
            name in (None, self.bot.username) for name in to_whom
        )

    def _is_allowed(self, update: Json) -> bool:
        kind = next(name for name in update if name != "update_id")
        return kind in self._allowed if self._allowed else kind not in _OPT_IN

    def _find(self, chat_id: int, wanted: Wanted, after: int) -> Message | None:
        matching = (m for m in self.messages(chat_id) if m.message_id > after and _matches(m, wanted))
        return next(matching, None)

    def _missing(self, chat_id: int, wanted: Wanted) -> Callable[[], str]:
        return lambda: f"no message like {wanted!r}\n{self.dump(chat_id)}"


def _matches(message: Message, wanted: Wanted) -> bool:
    if isinstance(wanted, str):
        return wanted in message.text
    if isinstance(wanted, re.Pattern):
        return wanted.search(message.text) is not None
    return wanted(message)
