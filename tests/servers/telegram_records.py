"""Who and what a simulated Telegram holds: users, chats, messages, calls."""

import re
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.servers.telegram_spec import Upload

Json = dict[str, Any]
ChatType = Literal["private", "group", "supergroup"]
Status = Literal["creator", "administrator", "member", "left", "kicked"]

COMMAND = re.compile(r"(?<![^\s])/([A-Za-z0-9_]{1,64})(?:@(\w+))?")
_RIGHTS = (
    *("can_be_edited", "can_manage_chat", "can_delete_messages", "can_manage_video_chats"),
    *("can_restrict_members", "can_promote_members", "can_change_info", "can_invite_users"),
    *("can_post_stories", "can_edit_stories", "can_delete_stories"),
)


@dataclass(slots=True, eq=False)
class Call:
    """One request of the bot."""

    method: str
    params: Json
    at: float  # time.monotonic()
    outcome: str = "pending"  # "ok", "400 Bad Request: …", "429 …", "reset"
    arranged: bool = False  # a fault of the test decided the outcome


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    data: str | None
    url: str | None


@dataclass(slots=True)
class User:
    id: int
    first_name: str = "Alice"
    language_code: str | None = "en"
    username: str | None = None
    is_bot: bool = False

    def as_api(self) -> Json:
        user: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        optional = {"language_code": self.language_code, "username": self.username}
        return user | {name: value for name, value in optional.items() if value}


@dataclass(slots=True, eq=False)
class Message:
    """A message of either side; `text` is what a reader sees, be it text or caption."""

    chat_id: int
    message_id: int
    sender: User
    text: str
    html: str  # as it was sent, markup included
    parse_mode: str | None = None
    markup: Json | None = None  # reply_markup as it was sent
    silent: bool = False
    protected: bool = False
    reply_to: int | None = None
    kind: str = "text"  # "photo", "document", …
    file: Upload | None = None
    pinned: bool = False
    thread_id: int | None = None  # the topic of a forum
    history: list[str] = field(default_factory=list)  # texts before each edit
    sent_at: float = field(default_factory=time.monotonic)
    edited_at: float | None = None
    date: int = field(default_factory=lambda: int(time.time()))

    @property
    def buttons(self) -> list[list[Button]]:
        rows = (self.markup or {}).get("inline_keyboard", [])
        return [[Button(b["text"], b.get("callback_data"), b.get("url")) for b in row] for row in rows]

    def __str__(self) -> str:
        rows = "".join(f" [{' | '.join(button.label for button in row)}]" for row in self.buttons)
        kind = "" if self.kind == "text" else f"<{self.kind}> "
        return f"#{self.message_id} {self.sender.first_name}: {kind}{self.text}{rows}"


@dataclass(slots=True, eq=False)
class Chat:
    id: int
    type: ChatType
    title: str
    user: User | None = None  # the other end of a private chat
    members: dict[int, Status] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    migrated_to: int | None = None
    topics: dict[int, bool] = field(default_factory=dict)  # of a forum: number, whether it is open

    def as_api(self) -> Json:
        chat: Json = {"id": self.id, "type": self.type}
        if not self.user:
            return chat | {"title": self.title} | ({"is_forum": True} if self.topics else {})
        person = self.user.as_api()
        return chat | {name: person[name] for name in ("first_name", "username") if name in person}


def chat_type_of(chat_id: int) -> ChatType:
    """What Telegram's numbering says about a chat."""
    if chat_id > 0:
        return "private"
    return "supergroup" if chat_id <= -1_000_000_000_000 else "group"


def member_as_api(user: User, status: Status) -> Json:
    member: Json = {"status": status, "user": user.as_api()}
    if status == "creator":
        return member | {"is_anonymous": False}
    if status == "administrator":
        return member | dict.fromkeys(_RIGHTS, True) | {"is_anonymous": False}
    return member | ({"until_date": 0} if status == "kicked" else {})


def message_as_api(message: Message, chat: Chat, *, with_reply: bool = True) -> Json:
    """The Message object as both updates and answers carry it."""
    body: Json = {
        "message_id": message.message_id,
        "date": message.date,
        "chat": chat.as_api(),
        "from": message.sender.as_api(),
    }
    body |= _content(message)
    if message.thread_id is not None:
        body |= {"message_thread_id": message.thread_id, "is_topic_message": True}
    if message.edited_at is not None:
        body["edit_date"] = int(time.time())
    if message.buttons:
        body["reply_markup"] = message.markup
    replied = chat.messages.get(message.reply_to or 0)
    if replied and with_reply:
        body["reply_to_message"] = message_as_api(replied, chat, with_reply=False)
    return body


def _content(message: Message) -> Json:
    name = f"file-{message.chat_id}-{message.message_id}"
    size = len(message.file.data) if message.file else 0
    identity = {"file_id": name, "file_unique_id": name, "file_size": size}
    match message.kind:
        case "text":
            entities = command_entities(message.text) if not message.sender.is_bot else []
            return {"text": message.text} | ({"entities": entities} if entities else {})
        case "photo":
            body: Json = {"photo": [identity | {"width": 800, "height": 600}]}
        case "document":
            body = {"document": identity | ({"file_name": message.file.filename} if message.file else {})}
        case _:
            body = {}
    return body | ({"caption": message.text} if message.text else {})


def command_entities(text: str) -> list[Json]:
    """The bot_command entities of a text; offsets count UTF-16 units, as Telegram's do."""
    return [
        {
            "type": "bot_command",
            "offset": len(text[: found.start()].encode("utf-16-le")) // 2,
            "length": len(found[0]),
        }
        for found in COMMAND.finditer(text)
    ]
