"""The bot's side of a simulated Telegram: what each method does, and when it is refused."""

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tests.servers.telegram_faults import ApiError, bad_request, migrated
from tests.servers.telegram_html import MarkupError, plain_text
from tests.servers.telegram_records import (
    Chat,
    Json,
    Message,
    Status,
    User,
    chat_type_of,
    member_as_api,
    message_as_api,
)
from tests.servers.telegram_spec import Spec, Upload
from tests.servers.telegram_world import CallbackAnswer, World

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
_ACTIVE = ("send", "edit", "pin", "unpin", "copy", "forward")  # refused to one who blocked the bot
_THROTTLED = ("send", "edit", "copy", "forward")
_UNCHANGED = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_PROFILE = {"Description": "description", "ShortDescription": "short_description", "Name": "name"}


class Methods:
    """Answers calls; whatever is in the specification and not here is answered with true."""

    def __init__(self, world: World, spec: Spec | None) -> None:
        self._world = world
        self._spec = spec
        self._profile: dict[str, str] = {}
        self._by_name: dict[str, Callable[[Json], Any]] = {
            "getMe": self._get_me,
            "getWebhookInfo": self._get_webhook,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._delete_webhook,
            "setMyCommands": self._set_commands,
            "getMyCommands": self._get_commands,
            "deleteMyCommands": self._delete_commands,
            "sendChatAction": lambda params: self._chat(params) is not None,
            "sendMessage": self._send_message,
            "editMessageText": self._edit_text,
            "editMessageCaption": self._edit_caption,
            "editMessageReplyMarkup": self._edit_markup,
            "editMessageMedia": self._edit_media,
            "deleteMessage": self._delete_message,
            "deleteMessages": self._delete_messages,
            "answerCallbackQuery": self._answer_callback,
            "pinChatMessage": self._pin,
            "unpinChatMessage": self._unpin,
            "getChat": self._get_chat,
            "getChatMember": self._get_member,
            "getChatMemberCount": lambda params: len(self._chat(params).members),
            "getChatAdministrators": self._get_administrators,
            "leaveChat": self._leave,
        }

    def answer(self, method: str, params: Json) -> Any:
        """The result of a call; raises ApiError where Telegram refuses."""
        if "chat_id" in params:
            self._admit(method, self._chat(params))
        if method in self._by_name:
            return self._by_name[method](params)
        if method.startswith(("setMy", "getMy")):
            return self._keep_profile(method, params)
        if method.startswith("send") and (not self._spec or self._spec.returns(method) == ["Message"]):
            return self._send_media(method, params)
        return True

    def _chat(self, params: Json) -> Chat:
        chat_id, world = params["chat_id"], self._world
        known = chat_id in world.chats or (world.open_to_strangers and chat_id != 0)
        if not isinstance(chat_id, int) or not known:
            raise bad_request("chat not found")
        return world.chat(chat_id)

    def _admit(self, method: str, chat: Chat) -> None:
        if not method.startswith(_ACTIVE):
            return
        if chat.migrated_to:
            raise migrated(chat.migrated_to)
        status = chat.members[self._world.bot.id]
        if chat.type == "private" and status == "kicked":
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        if status == "kicked":
            raise ApiError(403, f"Forbidden: bot was kicked from the {chat.type} chat")
        if status == "left":
            raise ApiError(403, f"Forbidden: bot is not a member of the {chat.type} chat")
        if self._world.limits and method.startswith(_THROTTLED) and method != "sendChatAction":
            self._world.throttle.admit(chat.id)

    # Sending and changing

    def _send_message(self, params: Json) -> Json:
        text = formatted(params["text"], params.get("parse_mode"))
        if not text:
            raise bad_request("message text is empty")
        if len(text) > TEXT_LIMIT:
            raise bad_request("message is too long")
        return self._send(params, text, params["text"], "text")

    def _send_media(self, method: str, params: Json) -> Json:
        kind = method.removeprefix("send").lower()
        caption = formatted(params.get("caption", ""), params.get("parse_mode"))
        check_caption(caption)
        check_file(kind, params.get(kind))
        return self._send(params, caption, params.get("caption", ""), kind, params.get(kind))

    def _send(self, params: Json, text: str, html: str, kind: str, file: object = None) -> Json:
        chat = self._chat(params)
        check_markup(params.get("reply_markup"))
        thread_id = params.get("message_thread_id")
        if thread_id is not None and thread_id not in chat.topics:
            raise bad_request("message thread not found")
        if thread_id is not None and not chat.topics[thread_id]:
            raise bad_request("TOPIC_CLOSED")
        reply_to = self._replied(chat, params.get("reply_parameters"))
        message = self._world.add_message(chat, self._world.bot, text, reply_to=reply_to, kind=kind)
        message.html, message.thread_id = html, thread_id
        message.parse_mode = params.get("parse_mode")
        message.markup = params.get("reply_markup")
        message.silent = params.get("disable_notification", False)
        message.protected = params.get("protect_content", False)
        message.file = file if isinstance(file, Upload) else None
        return message_as_api(message, chat)

    @staticmethod
    def _replied(chat: Chat, reply: Json | None) -> int | None:
        if not reply:
            return None
        message_id: int = reply["message_id"]
        if reply.get("chat_id", chat.id) == chat.id and message_id in chat.messages:
            return message_id
        if reply.get("allow_sending_without_reply"):
            return None
        raise bad_request("message to be replied not found")

    def _edit_text(self, params: Json) -> Json:
        message = self._editable(params)
        if message.kind != "text":
            raise bad_request("there is no text in the message to edit")
        text = formatted(params["text"], params.get("parse_mode"))
        if not text:
            raise bad_request("message text is empty")
        if len(text) > TEXT_LIMIT:
            raise bad_request("MESSAGE_TOO_LONG")
        return self._edit(message, params, text, params["text"])

    def _edit_caption(self, params: Json) -> Json:
        message = self._editable(params)
        caption = formatted(params.get("caption", ""), params.get("parse_mode"))
        check_caption(caption)
        return self._edit(message, params, caption, params.get("caption", ""))

    def _edit_markup(self, params: Json) -> Json:
        message = self._editable(params)
        return self._edit(message, params | {"parse_mode": message.parse_mode}, message.text, message.html)

    def _edit_media(self, params: Json) -> Json:
        message, media = self._editable(params), params["media"]
        file = params.get(media["media"].removeprefix("attach://"))
        check_file(media["type"], file or media["media"])
        message.file, message.kind = file, media["type"]
        caption = formatted(media.get("caption", ""), media.get("parse_mode"))
        check_caption(caption)
        return self._edit(message, params, caption, media.get("caption", ""), changed=True)

    def _edit(self, message: Message, params: Json, text: str, html: str, *, changed: bool = False) -> Json:
        markup, mode = params.get("reply_markup"), params.get("parse_mode")
        check_markup(markup)
        now = (text, html if mode else text, markup or {})
        before = (message.text, message.html if message.parse_mode else message.text, message.markup or {})
        if now == before and not changed:
            raise bad_request(_UNCHANGED)
        message.history.append(message.text)
        message.text, message.html, message.parse_mode, message.markup = text, html, mode, markup
        message.edited_at = time.monotonic()
        return message_as_api(message, self._world.chats[message.chat_id])

    def _editable(self, params: Json) -> Message:
        message = self._chat(params).messages.get(params.get("message_id", 0))
        if message is None:
            raise bad_request("message to edit not found")
        if message.sender is not self._world.bot:
            raise bad_request("message can't be edited")
        return message

    def _delete_message(self, params: Json) -> bool:
        chat, message_id = self._chat(params), params["message_id"]
        if message_id not in chat.messages:
            raise bad_request("message to delete not found")
        own = chat.messages[message_id].sender is self._world.bot
        if not own and chat.type != "private" and chat.members[self._world.bot.id] != "administrator":
            raise bad_request("message can't be deleted")
        del chat.messages[message_id]
        self._world.deleted.add((chat.id, message_id))
        return True

    def _delete_messages(self, params: Json) -> bool:
        known = self._chat(params).messages
        wanted = [message_id for message_id in params["message_ids"] if message_id in known]
        return all(self._delete_message(params | {"message_id": message_id}) for message_id in wanted)

    def _pin(self, params: Json) -> bool:
        message = self._chat(params).messages.get(params["message_id"])
        if message is None:
            raise bad_request("message to pin not found")
        message.pinned = True
        return True

    def _unpin(self, params: Json) -> bool:
        message = self._chat(params).messages.get(params.get("message_id", 0))
        if message is None or not message.pinned:
            raise bad_request("message to unpin not found")
        message.pinned = False
        return True

    def _answer_callback(self, params: Json) -> bool:
        query_id, text = params["callback_query_id"], params.get("text", "")
        if query_id not in self._world.callback_queries:
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        if len(text) > 200:
            raise bad_request("MESSAGE_TOO_LONG")
        self._world.callback_answers[query_id] = CallbackAnswer(text, params.get("show_alert", False))
        return True

    # The bot itself

    def _get_me(self, _: Json) -> Json:
        abilities = {"can_join_groups": True, "can_read_all_group_messages": not self._world.privacy}
        return self._world.bot.as_api() | abilities | {"supports_inline_queries": False}

    def _get_webhook(self, _: Json) -> Json:
        error = self._world.webhook_error
        return {
            "url": self._world.webhook,
            **({"last_error_date": int(time.time()), "last_error_message": error} if error else {}),
            "has_custom_certificate": False,
            "pending_update_count": self._world.pending,
        }

    def _set_webhook(self, params: Json) -> bool:
        self._world.webhook, self._world.webhook_secret = params["url"], params.get("secret_token", "")
        return True

    def _delete_webhook(self, params: Json) -> bool:
        if params.get("drop_pending_updates"):
            self._world.drop_updates()
        self._world.webhook = ""
        return True

    def _set_commands(self, params: Json) -> bool:
        commands = {command["command"]: command["description"] for command in params["commands"]}
        if len(params["commands"]) > 100:
            raise bad_request("BOT_COMMANDS_TOO_MUCH")
        if not all(_COMMAND.fullmatch(command) for command in commands):
            raise bad_request("BOT_COMMAND_INVALID")
        if not all(1 <= len(description) <= 256 for description in commands.values()):
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
        self._world.commands[self._scope(params)] = commands
        return True

    def _get_commands(self, params: Json) -> list[Json]:
        commands = self._world.commands.get(self._scope(params), {})
        return [{"command": name, "description": description} for name, description in commands.items()]

    def _delete_commands(self, params: Json) -> bool:
        self._world.commands.pop(self._scope(params), None)
        return True

    def _scope(self, params: Json) -> str:
        scope = params.get("scope") or {"type": "default"}
        if "chat_id" in scope:
            self._chat(scope)
        parts = [str(scope[name]) for name in ("type", "chat_id", "user_id") if name in scope]
        language = params.get("language_code")
        return ":".join(parts) + (f"/{language}" if language else "")

    def _keep_profile(self, method: str, params: Json) -> Any:
        name = _PROFILE.get(method[5:])
        if name is None:
            return True
        key = f"{name}/{params.get('language_code', '')}"
        if method.startswith("get"):
            return {name: self._profile.get(key, "")}
        self._profile[key] = params.get(name, "")
        return True

    # Chats

    def _get_chat(self, params: Json) -> Json:
        gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription")
        details = {"accent_color_id": 0, "max_reaction_count": 11}
        return (
            self._chat(params).as_api()
            | details
            | {"accepted_gift_types": dict.fromkeys((*gifts, "gifts_from_channels"), True)}
        )

    def _get_member(self, params: Json) -> Json:
        chat, user_id = self._chat(params), params["user_id"]
        status: Status = chat.members.get(user_id, "left")
        return member_as_api(self._user(user_id), status)

    def _get_administrators(self, params: Json) -> list[Json]:
        members = self._chat(params).members.items()
        in_charge = [member for member in members if member[1] in ("creator", "administrator")]
        return [member_as_api(self._user(user_id), status) for user_id, status in in_charge]

    def _user(self, user_id: int) -> User:
        known = self._world.users | {self._world.bot.id: self._world.bot}
        return known.get(user_id) or User(user_id)

    def _leave(self, params: Json) -> bool:
        chat = self._chat(params)
        if chat_type_of(chat.id) == "private":
            raise bad_request("chat member status can't be changed in private chats")
        chat.members[self._world.bot.id] = "left"
        return True


def formatted(text: str, parse_mode: str | None) -> str:
    """The text after parsing; Markdown is taken as it stands."""
    if parse_mode not in (None, "", "HTML", "Markdown", "MarkdownV2"):
        raise bad_request("unsupported parse_mode")
    if parse_mode != "HTML":
        return text.strip()
    try:
        return plain_text(text)
    except MarkupError as error:
        raise bad_request(f"can't parse entities: {error}") from error


def check_caption(caption: str) -> None:
    if len(caption) > CAPTION_LIMIT:
        raise bad_request("message caption is too long")


def check_file(kind: str, file: object) -> None:
    if not isinstance(file, Upload):
        return
    if not file.data:
        raise bad_request("file must be non-empty")
    if kind == "photo" and not file.data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")):
        raise bad_request("IMAGE_PROCESS_FAILED")
    if kind == "photo" and len(file.data) > 10 * 1024 * 1024:
        raise bad_request(f"file of size {len(file.data)} bytes is too big for a photo")


def check_markup(markup: Json | None) -> None:
    buttons = [button for row in (markup or {}).get("inline_keyboard", []) for button in row]
    if len(buttons) > 100:
        raise bad_request("REPLY_MARKUP_TOO_LONG")
    for button in buttons:
        _check_button(button)


def _check_button(button: Json) -> None:
    actions = button.keys() - {"text", "style", "icon_custom_emoji_id"}
    if len(actions) != 1:
        raise bad_request("can't parse inline keyboard button: exactly one action is needed")
    if not button["text"]:
        raise bad_request("can't parse inline keyboard button: text must be non-empty")
    if "callback_data" in button and not 1 <= len(button["callback_data"].encode()) <= 64:
        raise bad_request("BUTTON_DATA_INVALID")
    url = urlsplit(button.get("url", "https://t.me"))
    if url.scheme not in ("http", "https", "tg") or (url.scheme != "tg" and "." not in url.netloc):
        raise bad_request(f"inline keyboard button URL '{button['url']}' is invalid: Wrong HTTP URL")
